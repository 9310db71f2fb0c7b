"""Passes what runs print on to their logs, and to the stream that it would go to anyway."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from headway.capture.captured import captured

LEVELS = {"stdout": "INFO", "stderr": "WARNING"}
# Modules whose writing is no output: log records are captured by themselves, and so are the bars
# that tqdm draws through its DisableOnWriteError.
HANDLED = {"logging", "tqdm.utils"}


_muted: ContextVar[bool] = ContextVar("muted", default=False)


@contextmanager
def muted(is_muted: bool = True) -> Iterator[None]:
    """Keep what the block prints out of the log: a bar draws itself."""
    before = _muted.set(is_muted or _muted.get())
    try:
        yield
    finally:
        _muted.reset(before)


class Tee:
    """A text stream that is another one, and whose text a captured run keeps too."""

    def __init__(self, stream: Any, level: str) -> None:
        self._stream = stream
        self._level = level

    @property
    def stream(self) -> Any:
        """The stream that it passes text on to."""
        return self._stream

    def write(self, text: str) -> Any:
        """Write text, as the stream does."""
        written = self._stream.write(text)
        run = captured()
        if run is not None and sys._getframe(1).f_globals.get("__name__") not in HANDLED:
            run.write(self._level, "\r" if _muted.get() else text)  # a bar draws over bars
        return written

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts, as the stream does."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def install() -> None:
    """Have what is printed from now on go through a Tee."""
    for name, level in LEVELS.items():
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, Tee):
            setattr(sys, name, Tee(stream, level))


def remove() -> None:
    """Restore the streams, unless others have replaced them since."""
    for name in LEVELS:
        stream = getattr(sys, name)
        if isinstance(stream, Tee):
            setattr(sys, name, stream.stream)
