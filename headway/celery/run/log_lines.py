"""The log lines of a run that wait for Redis, in bounded memory."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

from headway.values import as_text

MAX_LINES = 1000  # that wait; beyond it the oldest are dropped, and the log says how many
MAX_CHARS = 1_000_000  # of these
MAX_CALL_LINES = 100  # sent to Redis at once

MAX_LEVEL_CHARS = 20

LogLine = tuple[str, str]  # level, text


def level_of(level: Any) -> str:
    """Return a log level by the name that `logging` has for it; one of a task's own as it is."""
    text = as_text(level, MAX_LEVEL_CHARS) or "INFO"
    number = level if type(level) is int else logging.getLevelNamesMapping().get(text.upper())
    return text if number is None else logging.getLevelName(number)


class LogLines:
    """Lines that wait, oldest first, and a count of those dropped. Not thread-safe."""

    def __init__(self) -> None:
        self._lines: deque[LogLine] = deque()
        self._lost = 0
        self.chars = 0

    def add(self, line: LogLine) -> None:
        """Append a line; of too many the oldest are dropped."""
        self._lines.append(line)
        self.chars += len(line[1])
        while len(self._lines) > MAX_LINES or self.chars > MAX_CHARS:
            self._pop()
            self._lost += 1

    def take(self) -> tuple[list[LogLine], int]:
        """Remove and return the lines to send next, and how many were dropped before them."""
        lines = [self._pop() for _ in range(min(MAX_CALL_LINES, len(self._lines)))]
        lost = self._lost
        self._lost = 0
        return lines, lost

    def put_back(self, lines: list[LogLine], lost: int) -> None:
        """Put back lines that Redis did not take, before those added since."""
        newer = self._lines
        self._lines = deque()
        self.chars = 0
        self._lost += lost
        for line in (*lines, *newer):
            self.add(line)

    def _pop(self) -> LogLine:
        line = self._lines.popleft()
        self.chars -= len(line[1])
        return line


def gap(lost: int) -> list[LogLine]:
    """Return a line that says how many lines are missing; [] if none are."""
    text = f"{lost} lines are missing here: Redis did not take them in time."
    if lost == 1:
        text = "1 line is missing here: Redis did not take it in time."
    return [("WARNING", text)] if lost else []
