"""Remembers a state of Redis, to tell a restored backup from a Redis that was only down.

Maintenance counts its sweeps in Redis. A count well below one seen before, in the same data, means
that an older state is back: what has run since then would run again.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Seen(NamedTuple):
    """A state of Redis: the id of its data (`headway:epoch`), and its count of sweeps."""

    epoch: str = ""
    generation: int = 0


NOT_SEEN = Seen()


class Memory:
    """The newest state seen, kept in a file that workers may share.

    Without a folder it is kept in memory alone.
    """

    def __init__(self, folder: Path | str | None) -> None:
        self._path = Path(folder, "redis-seen.json") if folder else None
        self.seen = self._load()

    def note(self, seen: Seen) -> None:
        """Remember the present state of Redis in this process."""
        if seen.epoch != self.seen.epoch or seen.generation > self.seen.generation:
            self.seen = seen

    def save(self) -> None:
        """Save the state for the next process, if the folder can be written."""
        if self._path is None or not self.seen.epoch:
            return
        kept = self._load()
        if kept.epoch == self.seen.epoch and kept.generation >= self.seen.generation:
            return
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._path.parent, delete=False) as draft:
                json.dump(self.seen._asdict(), draft)
            os.replace(draft.name, self._path)

    def _load(self) -> Seen:
        try:
            kept = json.loads(self._path.read_text()) if self._path else {}
            return Seen(str(kept["epoch"]), int(kept["generation"]))
        except (OSError, ValueError, KeyError, TypeError):
            return NOT_SEEN
