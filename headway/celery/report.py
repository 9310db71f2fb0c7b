"""Buffers what a run reports by `headway.progress` until a background thread sends it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from typing import Any

from headway.bars import Display, Part
from headway.celery.fencing import delivery_of
from headway.celery.flusher import Flusher
from headway.celery.log_lines import LogLines, gap
from headway.celery.runs import Run
from headway.celery.streams import held_still
from headway.store.errors import Unavailable
from headway.store.model import Outcome

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.1
MAX_UNSENT = 1000  # steps that wait for Redis; beyond it the oldest are dropped
UNSET: Any = object()
NO_SAVE = ("", 0)


Meta = tuple[dict[str, Any], int]  # a report's keys of the snapshot, and the number of its bar


class ProgressBuffer:
    """One run's reports: its threads write here without waiting, and `flush` sends them."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._backend = run.task.backend
        self._request = run.request
        self._display = Display(run.parts)
        self._status = ""
        # Reports to be sent even if a newer one follows at once.
        self._unsent: deque[Meta] = deque(maxlen=MAX_UNSENT)
        self._lines = LogLines()
        self._is_silent = True
        self._is_asking = False  # whether to send a report even if it says nothing new
        self._has_failed = False
        self._is_behind = False  # whether Redis did not take the last save
        self._saved_at = 0.0
        # Reentrant: the garbage collector may end a loop, and with it a part, at any time.
        self._writing = threading.RLock()
        self._sending = threading.Lock()
        self._sent = self._unsaid = self._meta()

    def say(
        self, part: Part, current: float = UNSET, total: float | None = UNSET, status: str = UNSET
    ) -> None:
        """Set any of these; UNSET leaves a value as it was."""
        with self._writing:  # so that no new number is sent with an old total
            part.current = part.current if current is UNSET else current
            part.total = part.total if total is UNSET else total
            self._status = self._status if status is UNSET else status
            if self._is_silent:
                self._is_silent = False
                self._unsent.append(self._meta())

    def enter(self, part: Part) -> None:
        """Begin a part; a step is sent even if the next one comes at once."""
        with self._writing:
            if part.is_step:
                self._display.forget_last()
            elif part.name and not any(other.is_loop for other in self._run.parts):
                self._status = part.name  # an inner loop's name is shown with its numbers
            self._run.parts.append(part)
            self._run.open(part)
            if part.is_step or self._is_silent:
                self._is_silent = False
                self._unsent.append(self._meta())

    def leave(self, part: Part, *, has_failed: bool = False) -> None:
        """End a part; after an error it stays on show until the next report."""
        with self._writing:
            meta = self._meta()
            if has_failed and meta != self._unsaid:
                self._unsent.append(meta)
            if part.is_numbered and not has_failed:
                part.complete()
            if part.is_bar:
                self._display.keep_last(part)
            part.is_open = False
            part.has_ended = True
            self._run.parts.remove(part)
            if has_failed:
                self._unsaid = self._meta()
            elif part.is_step:
                self._unsent.append(self._meta())

    def log(self, level: str, text: str) -> None:
        """Add a log line."""
        with self._writing:
            self._lines.add((level, text))

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
            with self._writing:
                meta = self._meta()
            if self._run.checkpoint.has_news and self._run.streams is None:
                if now or self.is_save_due:
                    self._send(meta, self._run.checkpoint.pending({}))
            elif self._is_asking or meta not in (self._sent, self._unsaid):
                self._send(meta)
            while self._send_lines():
                pass

    def save(self) -> None:
        """Store what the run saves now, with its report; a planned stop may end the run here.

        While Redis is away `flush` does it later, so that the run need not wait each time.
        Raises Stopped.
        """
        if not self._is_behind or self._run.streams is not None:
            with self._sending:
                while self._send_lines():  # a run that ends here can send no more
                    pass
                while self._send_first():
                    pass
                with self._writing:
                    meta = self._meta()
                self._store(meta)
            self._saved_at = time.monotonic()
        self._run.check()

    @property
    def is_save_due(self) -> bool:
        """Whether a loop that reports often should store how far it is."""
        return time.monotonic() - self._saved_at >= FLUSH_SECONDS

    def close(self) -> None:
        """Send the last report, before the run's outcome is stored."""
        FLUSHER.remove(self)
        try:
            self.flush(now=True)
        except Exception:
            self.fail("Progress")

    def fail(self, what: str) -> None:
        """Log once why something is not sent; that stops neither the run nor the flusher."""
        if not self._has_failed:
            logger.exception("%s of task %s is not sent", what, self._request.id)
        self._has_failed = True

    def _meta(self) -> Meta:
        seen, number = self._display.seen()
        numbers = {"current": seen.current, "total": seen.total}
        return {**numbers, "status": self._status, "step": seen.step}, number

    def _send(
        self, said: Meta, save: tuple[str, int] = NO_SAVE, *, may_leave: bool = False
    ) -> bool:
        """Send a report, and what is saved with it; return False if it has to be sent again."""
        saved, number = save
        try:
            outcome = self._backend.runs.report(
                self._request, "PROGRESS", *said, saved=saved, may_leave=may_leave
            )
        except Exception:
            self.fail("A report")
            outcome = Outcome.WRITTEN
        if saved:
            self._is_behind = outcome == Outcome.UNSTORED
        if outcome == Outcome.UNSTORED:
            return False
        self._sent = said
        self._is_asking = False
        if saved:
            self._run.checkpoint.confirm(number)
        if outcome != Outcome.WRITTEN:
            self._run.stop(outcome)
        return True

    def _store(self, meta: Meta) -> None:
        """Store what the run saves, with its report and the lengths that its streams have now."""
        may_leave = self._run.successor is None
        with held_still(self._run) as held_back:
            if held_back is None:
                self._is_behind = True
                return
            self._send(meta, self._run.checkpoint.pending(held_back), may_leave=may_leave)

    def _send_first(self) -> bool:
        """Send the first of the unsent reports; return whether to go on with the next."""
        with self._writing:
            first = self._unsent[0] if self._unsent else None
        if first is None or not self._send(first):
            return False
        with self._writing:
            if self._unsent[0] is first:  # else newer ones have pushed it out meanwhile
                self._unsent.popleft()
        return True

    def _send_lines(self) -> bool:
        """Send a batch of log lines; return whether to go on with the next."""
        with self._writing:
            lines, lost = self._lines.take()
        if not lines:
            return False
        try:
            self._backend.records.runs.log(
                self._request.id, delivery_of(self._request), gap(lost) + lines
            )
        except Unavailable:
            with self._writing:
                self._lines.give_back(lines, lost)
            return False
        except Exception:
            self.fail("A log line")
        return True


FLUSHER = Flusher("progress", FLUSH_SECONDS)
os.register_at_fork(after_in_child=FLUSHER.forget)
