"""Buffers what a run reports by `headway.progress` until it is sent."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from headway.bars import Display, Section
from headway.celery.run.log_lines import LogLine, LogLines
from headway.celery.run.runs import Run

MAX_UNSENT = 1000  # steps that wait for Redis; beyond it the oldest are dropped
UNSET: Any = object()

Meta = tuple[dict[str, Any], int]  # a report's keys of the snapshot, and the number of its bar


class ProgressBuffer:
    """One run's reports: its threads write here without waiting; see `ProgressSender`."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._display = Display(run.sections)
        self._status = ""
        # Reports to be sent even if a newer one follows at once.
        self._unsent: deque[Meta] = deque(maxlen=MAX_UNSENT)
        self._lines = LogLines()
        self._is_silent = True
        # Reentrant: the garbage collector may end a loop, and with it a section, at any time.
        self._writing = threading.RLock()
        # The values that a failed section reported last: not sent again before they change.
        self.withheld = self._meta()

    def say(
        self,
        section: Section,
        current: float = UNSET,
        total: float | None = UNSET,
        status: str = UNSET,
    ) -> None:
        """Set any of these; UNSET leaves a value as it was."""
        with self._writing:  # so that no new number is sent with an old total
            section.current = section.current if current is UNSET else current
            section.total = section.total if total is UNSET else total
            self._status = self._status if status is UNSET else status
            if self._is_silent:
                self._is_silent = False
                self._unsent.append(self._meta())

    def enter(self, section: Section) -> None:
        """Begin a section; a step is sent even if the next one comes at once."""
        with self._writing:
            if section.is_step:
                self._display.forget_last()
            elif section.name and not any(other.is_loop for other in self._run.sections):
                self._status = section.name  # an inner loop's name is shown with its numbers
            self._run.sections.append(section)
            self._run.open(section)
            if section.is_step or self._is_silent:
                self._is_silent = False
                self._unsent.append(self._meta())

    def leave(self, section: Section, *, has_failed: bool = False) -> None:
        """End a section; after an error it stays on show until the next report."""
        with self._writing:
            meta = self._meta()
            if has_failed and meta != self.withheld:
                self._unsent.append(meta)
            if section.is_numbered and not has_failed:
                section.complete()
            if section.is_bar:
                self._display.keep_last(section)
            section.is_open = False
            section.has_ended = True
            self._run.sections.remove(section)
            if has_failed:
                self.withheld = self._meta()
            elif section.is_step:
                self._unsent.append(self._meta())

    def log(self, level: str, text: str) -> None:
        """Add a log line."""
        with self._writing:
            self._lines.add((level, text))

    def take_lines(self) -> tuple[list[LogLine], int]:
        """Remove and return the log lines to send next, and how many were lost before them."""
        with self._writing:
            return self._lines.take()

    def put_back(self, lines: list[LogLine], lost: int) -> None:
        """Put back log lines that Redis did not take."""
        with self._writing:
            self._lines.put_back(lines, lost)

    def first(self) -> Meta | None:
        """Return the oldest report that is to be sent even if a newer one follows; None for none.

        Once it is sent, call `remove`.
        """
        with self._writing:
            return self._unsent[0] if self._unsent else None

    def remove(self, first: Meta) -> None:
        """Take out what `first` returned, unless newer ones have pushed it out meanwhile."""
        with self._writing:
            if self._unsent[0] is first:
                self._unsent.popleft()

    def meta(self) -> Meta:
        """Return the newest report."""
        with self._writing:
            return self._meta()

    def _meta(self) -> Meta:
        seen, number = self._display.seen()
        numbers = {"current": seen.current, "total": seen.total}
        return {**numbers, "status": self._status, "step": seen.step}, number
