"""Sends what a run's buffer of reports holds, from a background thread or at once."""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import suppress
from functools import partial

from headway.celery.run.flusher import Flusher
from headway.celery.run.log_lines import gap
from headway.celery.run.progress_buffer import Meta, ProgressBuffer
from headway.celery.run.runs import Run
from headway.celery.run.saved import StreamEnds
from headway.celery.run.streams import NO_STREAMS
from headway.celery.storing.fencing import delivery_of
from headway.celery.storing.persistence import until_stored
from headway.celery.storing.run_store import NO_SAVE
from headway.store.errors import RedisUnavailable
from headway.store.model import Outcome, Save

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.1


class ProgressSender:
    """Sends one run's reports and log lines, and with a report what the run saves."""

    def __init__(self, run: Run, buffer: ProgressBuffer) -> None:
        self._run = run
        self._buffer = buffer
        self._backend = run.task.backend
        self._request = run.request
        self._is_asking = False  # whether to send a report even if it says nothing new
        self._has_failed = False
        self._is_behind = False  # whether Redis did not take the last save, so that `flush` has it
        self._saved_at = 0.0
        self._sending = threading.Lock()
        self._sent = buffer.meta()

    def ask(self) -> None:
        """Have a report sent even if it says nothing new: the reply says if the run has to end."""
        self._is_asking = True

    def flush(self, *, now: bool = False) -> None:
        """Send what is unsent; what Redis does not take now is sent the next time.

        What a resumable loop has stored only just now it stores again itself, unless `now`. A run
        with streams stores what it saves by itself: here more may have been written since.
        """
        with self._sending:
            while self._send_first():
                pass
            meta = self._buffer.meta()
            if self._run.checkpoint.has_news and self._run.streams is None:
                if now or self.is_save_due:
                    self._send(meta, self._run.checkpoint.pending(NO_STREAMS))
            elif self._is_asking or meta not in (self._sent, self._buffer.withheld):
                self._send(meta)
            while self._send_lines():
                pass

    def save(self) -> None:
        """Store what the run saves now, with its report; a planned stop may end the run here.

        Where it has streams it waits for a Redis that is away: what it writes next is no part of
        this save. Else `flush` stores it later, so that the run need not wait each time. Raises
        Stopped.
        """
        if self._run.streams is not None:
            until_stored(self._store_save)
        elif not self._is_behind:
            self._save()
        self._run.check()

    def save_if_due(self) -> None:
        """Store how far a loop is, from time to time; where Redis is away, the next time."""
        if self.is_save_due and not self._is_behind:
            self._save()
            self._run.check()

    def settle(self) -> None:
        """Wait until Redis has what was saved: text that is written next is no part of it."""
        if self._is_behind:
            until_stored(partial(self._store_save, may_stop=False))

    @property
    def is_save_due(self) -> bool:
        """Whether a loop that reports often should store how far it is."""
        return time.monotonic() - self._saved_at >= FLUSH_SECONDS

    def close(self) -> None:
        """Send the last report, and store what is saved, before the run's outcome is stored."""
        FLUSHER.remove(self)
        try:
            self.flush(now=True)
            self.settle()
        except Exception:
            self.fail("Progress")

    def fail(self, what: str) -> None:
        """Log once why something is not sent; that stops neither the run nor the flusher."""
        if not self._has_failed:
            logger.exception("%s of task %s is not sent", what, self._request.id)
        self._has_failed = True

    def _send(self, said: Meta, save: Save = NO_SAVE, *, may_stop: bool = False) -> bool:
        """Send a report, and what is saved with it; return False if it has to be sent again."""
        try:
            outcome = self._backend.runs.report(
                self._request, "PROGRESS", *said, save=save, may_stop=may_stop
            )
        except Exception:
            self.fail("A report")
            outcome = Outcome.WRITTEN
        if save.text:
            self._is_behind = outcome == Outcome.UNSTORED and self._run.streams is None
        if outcome == Outcome.UNSTORED:
            return False
        self._sent = said
        self._is_asking = False
        if save.text:
            self._run.checkpoint.confirm(save.number)
        if outcome != Outcome.WRITTEN:
            self._run.stop(outcome)
        return True

    def _store_save(self, *, may_stop: bool = True) -> None:
        """Send what is unsent, and what the run saves. Raises RedisUnavailable."""
        if not self._save(may_stop=may_stop):
            raise RedisUnavailable("Redis did not take what a run saves.")

    def _save(self, *, may_stop: bool = True) -> bool:
        """Send what is unsent, and what the run saves; return whether Redis took that."""
        try:
            with self._sending:
                while self._send_lines():  # a run that ends here can send no more
                    pass
                while self._send_first():
                    pass
                if self._run.streams is None:
                    return self._send_save(NO_STREAMS, may_stop)
                with suppress(RedisUnavailable), self._run.streams.paused() as ends:
                    return self._send_save(ends, may_stop)
                return False
        finally:
            self._saved_at = time.monotonic()

    def _send_save(self, ends: StreamEnds, may_stop: bool) -> bool:
        save = self._run.checkpoint.pending(ends)
        return self._send(self._buffer.meta(), save, may_stop=may_stop and not self._run.must_stay)

    def _send_first(self) -> bool:
        """Send the first of the unsent reports; return whether to go on with the next."""
        first = self._buffer.first()
        if first is None or not self._send(first):
            return False
        self._buffer.remove(first)
        return True

    def _send_lines(self) -> bool:
        """Send a batch of log lines; return whether to go on with the next."""
        lines, lost = self._buffer.take_lines()
        if not lines:
            return False
        try:
            self._backend.records.output.log(
                self._request.id, delivery_of(self._request), gap(lost) + lines
            )
        except RedisUnavailable:
            self._buffer.put_back(lines, lost)
            return False
        except Exception:
            self.fail("A log line")
        return True


FLUSHER = Flusher("progress", FLUSH_SECONDS)
os.register_at_fork(after_in_child=FLUSHER.forget)
