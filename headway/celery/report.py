"""What a run says by `headway.progress`, until a thread beside the run sends it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from typing import Any

from headway.bars import Display, Part
from headway.celery.fencing import delivery_of
from headway.celery.log_lines import LogLines, gap
from headway.celery.persistence import UNSTORED
from headway.celery.runs import Run, detached
from headway.store.errors import Unavailable

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 0.1
MAX_UNSENT = 1000  # steps that wait for Redis; of more the oldest go
UNSET: Any = object()

WRITTEN = "written"

Meta = tuple[dict[str, Any], int]  # what a snapshot has of it, and a number for each bar


class ProgressBuffer:
    """What one run says: its threads write here and never wait, and `flush` sends it."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._backend = run.task.backend
        self._request = run.request
        self._display = Display(run.parts)
        self._status = ""
        # To be sent even if newer comes at once.
        self._unsent: deque[Meta] = deque(maxlen=MAX_UNSENT)
        self._lines = LogLines()
        self._is_silent = True
        self._has_failed = False
        self._writing = threading.Lock()
        self._sending = threading.Lock()
        self._sent = self._unsaid = self._meta()

    def say(
        self, part: Part, current: float = UNSET, total: float | None = UNSET, status: str = UNSET
    ) -> None:
        """Note any of these; UNSET leaves what was said before."""
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
                self._status = part.name  # an inner loop's name stands beside its numbers
            self._run.parts.append(part)
            self._run.open(part)
            if part.is_step or self._is_silent:
                self._is_silent = False
                self._unsent.append(self._meta())

    def leave(self, part: Part, *, has_failed: bool = False) -> None:
        """End a part. Where that was an error, it is shown until there is something else to say."""
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
        """Note a line."""
        with self._writing:
            self._lines.add((level, text))

    def flush(self) -> None:
        """Send what has not been sent; what Redis does not take now is sent the next time."""
        with self._sending:
            while self._send_first():
                pass
            with self._writing:
                meta = self._meta()
            if meta not in (self._sent, self._unsaid):
                self._send(meta)
            while self._send_lines():
                pass

    def close(self) -> None:
        """Send the last words, before the run's outcome is stored."""
        FLUSHER.remove(self)
        try:
            self.flush()
        except Exception:
            self.fail("Progress")

    def fail(self, what: str) -> None:
        """Log, once, why something is not sent; that stops neither the run nor its sender."""
        if not self._has_failed:
            logger.exception("%s of task %s is not sent", what, self._request.id)
        self._has_failed = True

    def _meta(self) -> Meta:
        seen, number = self._display.seen()
        numbers = {"current": seen.current, "total": seen.total}
        return {**numbers, "status": self._status, "step": seen.step}, number

    def _send(self, said: Meta) -> bool:
        """Send it; whether it is done with."""
        try:
            verdict = self._backend.runs.report(self._request, "PROGRESS", *said)
        except Exception:
            self.fail("A report")
            verdict = WRITTEN
        if verdict == UNSTORED:
            return False
        self._sent = said
        if verdict != WRITTEN:
            self._run.stop(verdict)
        return True

    def _send_first(self) -> bool:
        """Send what has to be sent first; whether it was, and more may have to be."""
        with self._writing:
            first = self._unsent[0] if self._unsent else None
        if first is None or not self._send(first):
            return False
        with self._writing:
            if self._unsent[0] is first:  # else it has made room for newer ones meanwhile
                self._unsent.popleft()
        return True

    def _send_lines(self) -> bool:
        """Send some lines; whether they were, and there may be more."""
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


class Flusher:
    """The thread that sends what this process's runs say; it is started again after a fork."""

    def __init__(self) -> None:
        self._buffers: set[ProgressBuffer] = set()
        self._news = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, buffer: ProgressBuffer) -> None:
        self._buffers.add(buffer)
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
            detached(self._thread.start)
        self._news.set()

    def forget(self) -> None:
        """Be as new: a forked process has neither the thread nor the runs."""
        self.__dict__.update(Flusher().__dict__)

    def remove(self, buffer: ProgressBuffer) -> None:
        self._buffers.discard(buffer)

    def _run(self) -> None:
        while True:
            if not self._buffers:
                self._news.wait()
            self._news.clear()
            for buffer in tuple(self._buffers):
                try:
                    buffer.flush()
                except Exception:  # one run's costs no other's
                    buffer.fail("Progress")
            time.sleep(FLUSH_SECONDS)


FLUSHER = Flusher()
os.register_at_fork(after_in_child=FLUSHER.forget)
