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
MAX_KEPT = 100  # states of different data in one file


class Memory:
    """The newest state seen, kept in a file that workers may share, also those of other projects.

    Without a folder it is kept in memory alone.
    """

    def __init__(self, folder: Path | str | None) -> None:
        self._path = Path(folder, "redis-seen.json") if folder else None
        self.seen = NOT_SEEN

    def recall(self, epoch: str) -> None:
        """Take up what was last seen of the data of this id, if that is known."""
        kept = self._load()
        if epoch in kept:
            self.seen = Seen(epoch, kept[epoch])

    def note(self, seen: Seen) -> None:
        """Remember the present state of Redis in this process."""
        if seen.epoch != self.seen.epoch or seen.generation > self.seen.generation:
            self.seen = seen

    def save(self) -> None:
        """Save the state for the next process, if the folder can be written."""
        if self._path is None or not self.seen.epoch:
            return
        kept = self._load()
        epoch, generation = self.seen
        if kept.pop(epoch, -1) >= generation:
            return
        latest = {**dict(list(kept.items())[1 - MAX_KEPT :]), epoch: generation}
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._path.parent, delete=False) as draft:
                json.dump(latest, draft)
            os.replace(draft.name, self._path)

    def _load(self) -> dict[str, int]:
        """Return the newest generation by epoch, the last saved last; {} for an unreadable file."""
        try:
            kept = json.loads(self._path.read_text()) if self._path else {}
            if "epoch" in kept:  # as an earlier version wrote it
                return {str(kept["epoch"]): int(kept["generation"])}
            return {str(epoch): int(generation) for epoch, generation in kept.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}
