"""The finding of a check: a mark, a subject, and one line of text."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})  # names of this machine


class Mark(StrEnum):
    """How serious a finding is."""

    GOOD = "✓"
    WARNING = "!"  # works, and something may be lost or slow
    BAD = "✗"  # does not work


class Finding(NamedTuple):
    """One line of `headway doctor`.

    The text says what was found and, unless that is good, what to do. It holds no secrets.
    """

    mark: Mark
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.mark} {self.subject}: {self.text}"
