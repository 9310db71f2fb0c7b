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
    sweeps: int = 0


NOT_SEEN = Seen()
MAX_STATES = 100  # states of different data in one file


class Memory:
    """The newest state seen, kept in a file that workers may share, also those of other projects.

    Without a folder it is kept in memory alone.
    """

    def __init__(self, folder: Path | str | None) -> None:
        self._path = Path(folder, "redis-seen.json") if folder else None
        self.seen = NOT_SEEN

    def recall(self, epoch: str) -> None:
        """Take up what was last seen of the data of this id, if that is known."""
        known = self._load()
        if epoch in known:
            self.seen = Seen(epoch, known[epoch])

    def note(self, seen: Seen) -> None:
        """Remember the present state of Redis in this process."""
        if seen.epoch != self.seen.epoch or seen.sweeps > self.seen.sweeps:
            self.seen = seen

    def save(self) -> None:
        """Save the state for the next process, if the folder can be written."""
        if self._path is None or not self.seen.epoch:
            return
        known = self._load()
        epoch, sweeps = self.seen
        if known.pop(epoch, -1) >= sweeps:
            return
        latest = {**dict(list(known.items())[1 - MAX_STATES :]), epoch: sweeps}
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._path.parent, delete=False) as draft:
                json.dump(latest, draft)
            os.replace(draft.name, self._path)

    def _load(self) -> dict[str, int]:
        """Return the most sweeps by epoch, the last saved last; {} for an unreadable file."""
        try:
            known = json.loads(self._path.read_text()) if self._path else {}
            if "epoch" in known:  # as an earlier version wrote it
                return {str(known["epoch"]): int(known["generation"])}
            return {str(epoch): int(sweeps) for epoch, sweeps in known.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}
