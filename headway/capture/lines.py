"""Splits what a program prints into lines, and tells those that it overwrites itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from headway.masking import MaskedStream, mask

MAX_LINE_CHARS = 4000  # a longer line is cut into several, which are masked before
MAX_ESCAPE_CHARS = 64  # at the end of what has come, where a sequence may lack its own
# Backspaces draw the end of a line over, as a carriage return does the whole.
END = re.compile(r"\r\n|\n|\r|\x08+")
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")


class Line(NamedTuple):
    text: str
    is_drawn: bool  # over another one, by a carriage return
    is_final: bool  # False: the next line is drawn over it


class LineSplitter:
    """Splits text that comes in pieces into lines. Not thread-safe."""

    def __init__(self) -> None:
        self._rest = ""
        self._is_drawn = False  # whether the rest is drawn over another line
        self._begun: MaskedStream | None = None  # a line that is too long, of which pieces are told
        self._last: Line | None = None  # ended by a carriage return, with nothing after it

    def feed(self, text: str) -> Iterator[Line]:
        """Yield the lines that this text ends."""
        start = 0
        text = self._rest + text
        left = ""  # of a line, where backspaces have taken back its end
        for end in END.finditer(text):
            line = left + text[start : end.start()]
            yield from self._line(line, end[0])
            left = line[: -len(end[0])] if end[0][0] == "\b" else ""
            start = end.end()
        rest = left + text[start:]
        if len(rest) > MAX_LINE_CHARS:
            rest = without_escapes(rest)
        while len(rest) > MAX_LINE_CHARS + MAX_ESCAPE_CHARS:
            self._begun = self._begun or MaskedStream()
            shown = self._begun.feed(rest[:MAX_LINE_CHARS], is_last=False)
            yield from self._pieces(Line(shown.rstrip(), self._is_drawn, True))
            rest = rest[MAX_LINE_CHARS:]
        self._rest = rest
        if self._rest:
            self._last = None

    def drawn(self) -> str:
        """Return what is drawn over the last line so far, "" if nothing is."""
        return plain(self._rest) if self._is_drawn else ""

    def close(self) -> Iterator[Line]:
        """Yield the last line, if it has no end."""
        rest = self._rest
        self._rest = ""
        if rest:
            yield from self._line(rest, "\n")

    def _line(self, text: str, end: str) -> Iterator[Line]:
        if self._begun is not None:
            text = self._begun.feed(without_escapes(text), is_last=True)
            self._begun = None
        is_final = end in ("\n", "\r\n")
        last = self._last
        if is_final and last is not None and not text:
            yield last._replace(is_final=True)  # "\r\n" in two pieces
        elif text:
            yield from self._pieces(Line(plain(text), self._is_drawn, is_final))
        self._last = Line(plain(text), self._is_drawn, False) if text and not is_final else None
        self._is_drawn = not is_final

    def _pieces(self, line: Line) -> Iterator[Line]:
        text = line.text if len(line.text) <= MAX_LINE_CHARS else mask(line.text)
        for start in range(0, len(text), MAX_LINE_CHARS):
            yield line._replace(text=text[start : start + MAX_LINE_CHARS])


def plain(text: str) -> str:
    """Return text without a terminal's escape sequences and without space at its end."""
    return without_escapes(text).rstrip()


def without_escapes(text: str) -> str:
    """Return text without a terminal's escape sequences, which may part a secret."""
    return ESCAPES.sub("", text) if "\x1b" in text else text
