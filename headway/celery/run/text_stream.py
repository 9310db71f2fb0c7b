"""The text file that `progress.stream` returns: it keeps what is written until that is sent."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from io import UnsupportedOperation
from types import TracebackType
from typing import Any

from headway.celery.run.runs import Run

MAX_UNSENT_CHARS = 256 * 1024  # of one stream; beyond it the task waits until Redis has some
WAIT_SECONDS = 0.5  # after which a task that waits looks whether it has to end
NO_DESCRIPTOR = (
    "A stream of a task has no file descriptor: run a program by progress.run(command), "
    "or write what it prints, line by line, from its stdout=PIPE."
)


class TextStream:
    """A text file whose text the task's viewers see; made by `progress.stream`."""

    encoding = "utf-8"

    def __init__(self, name: str, run: Run | None) -> None:
        """Make the stream of a run, or of None: what is written is then ignored."""
        self.name = name
        self._run = run
        self._body = run.sections[0] if run else None
        self._pieces: deque[str] = deque()
        self._written = 0  # characters
        self._stored = 0  # of these
        self._limit = MAX_UNSENT_CHARS if run else -1
        self._has_room = threading.Event()
        self._is_closed = False

    def write(self, text: str) -> int:
        """Append text, which is sent soon, and return its length.

        Waits while much of the text has not reached Redis. Raises Stopped if the run has to end,
        ValueError if the stream is closed, TypeError for anything but text.
        """
        if text.__class__ is not str:
            text = _as_text(text)
        size = len(text)
        body = self._body
        # Spelled out, since this is called for each word: see bench/.
        is_plain = size and body and body.is_open and self._written - self._stored <= self._limit
        if not is_plain and not (self._wait() and size):
            return size
        # No lock: the interpreter does not switch threads while it adds plain numbers.
        self._pieces.append(text)
        self._written += size
        return size

    def writelines(self, lines: Iterable[str]) -> None:
        """Append texts, one after another, as a file does."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Do nothing: what is written is sent within a thirtieth of a second."""

    def close(self) -> None:
        """End the stream; `progress.stream` with the same name goes on with it."""
        self._is_closed = True
        self._limit = -1

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._is_closed

    def readable(self) -> bool:
        """Return False."""
        return False

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return False."""
        return False

    def fileno(self) -> int:
        """Raise UnsupportedOperation, as `io.StringIO` does, which a program's `stdout=` calls."""
        raise UnsupportedOperation(NO_DESCRIPTOR)

    def __enter__(self) -> TextStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def open_again(self) -> None:
        """Take text again after `close`."""
        if self._is_closed:
            self._is_closed = False
            self._limit = MAX_UNSENT_CHARS if self._run else -1

    def take(self) -> str:
        """Return what was written since the last call; the caller sends it."""
        return "".join([self._pieces.popleft() for _ in range(len(self._pieces))])

    def note_stored(self, chars: int) -> None:
        """Note that so many of the characters taken need no more room."""
        self._stored += chars
        self._has_room.set()

    def discard(self) -> None:
        """Ignore all text from now on."""
        self._run = self._body = None
        self._pieces.clear()
        self._has_room.set()

    def _wait(self) -> bool:
        """Wait for room; return False if the text is not wanted."""
        if self._is_closed:
            raise ValueError(f"The stream {self.name!r} is closed.")
        while (run := self._run) is not None:
            run.check()
            if run.has_ended:
                return False
            self._has_room.clear()
            if self._written - self._stored <= self._limit:
                return True
            self._has_room.wait(WAIT_SECONDS)
        return False


def _as_text(text: Any) -> str:
    if not isinstance(text, str):
        raise TypeError(f"write() takes text, not {type(text).__name__}")
    return str(text)
