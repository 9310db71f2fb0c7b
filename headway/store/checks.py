"""What a check of the surroundings found: a mark, what was looked at, and one line that says
what it means.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})  # what goes to them stays on this machine


class Mark(StrEnum):
    """How a finding is to be taken."""

    GOOD = "✓"
    WARNING = "!"  # works, and something may be lost or slow
    BAD = "✗"  # does not work


class Finding(NamedTuple):
    """One line of `make doctor`.

    The text says what is so and, unless it is good, what to do; it holds no secret.
    """

    mark: Mark
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{self.mark} {self.subject}: {self.text}"
