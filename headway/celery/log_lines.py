"""The log lines of a run that wait for Redis, in bounded room."""

from __future__ import annotations

from collections import deque

MAX_LINES = 1000  # that wait; of more the oldest go, and the log says how many
MAX_CHARS = 1_000_000  # of these
MAX_CALL_LINES = 100  # that go to Redis at once

LogLine = tuple[str, str]  # level, text


class LogLines:
    """Lines that wait, the oldest first, and how many had to go. Not safe for threads by itself."""

    def __init__(self) -> None:
        self._lines: deque[LogLine] = deque()
        self._lost = 0
        self.chars = 0

    def add(self, line: LogLine) -> None:
        """Have a line wait; of too many the oldest go."""
        self._lines.append(line)
        self.chars += len(line[1])
        while len(self._lines) > MAX_LINES or self.chars > MAX_CHARS:
            self._pop()
            self._lost += 1

    def take(self) -> tuple[list[LogLine], int]:
        """Take out what goes to Redis next, and how many were lost before it."""
        lines = [self._pop() for _ in range(min(MAX_CALL_LINES, len(self._lines)))]
        lost = self._lost
        self._lost = 0
        return lines, lost

    def give_back(self, lines: list[LogLine], lost: int) -> None:
        """Put back what Redis did not take, before what has come since."""
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
    """Return the line that says how many are missing, if any are."""
    text = f"{lost} lines are missing here: Redis did not take them in time."
    return [("WARNING", text)] if lost else []
