"""In which order a page lists tasks: what needs a person first, then what has ended."""

from __future__ import annotations

from collections.abc import Iterable

from headway.display.parts import as_shown
from headway.shapes import SnapshotDict
from headway.snapshot import Phase

RANKS: dict[str, int] = {
    Phase.WAITING: -1,
    Phase.FAILED: 0,
    Phase.RUNNING: 1,
    Phase.CANCELLING: 1,
    Phase.RETRYING: 1,
    Phase.QUEUED: 2,
    Phase.SCHEDULED: 3,
}  # static/js/order.js has the same
ENDED = 4


def rank(task: SnapshotDict, seen: str) -> int:
    """Return a task's place, from -1 (asks a person) to ENDED.

    Failures up to `seen`, an RFC 3339 time or "" for none, have ended as all others have.
    """
    task = as_shown(task)
    if task["phase"] == Phase.FAILED and (task["finished_at"] or "") <= seen:
        return ENDED
    return RANKS.get(task["phase"], ENDED)


def in_order(tasks: Iterable[SnapshotDict], seen: str) -> list[SnapshotDict]:
    """Return tasks by rank, the newest first; what has ended by its end."""
    newest = sorted(tasks, key=lambda task: _latest(task, seen), reverse=True)
    return sorted(newest, key=lambda task: rank(task, seen))


def _latest(task: SnapshotDict, seen: str) -> str:
    has_ended = rank(task, seen) == ENDED
    return str((has_ended and as_shown(task)["finished_at"]) or task["created_at"])
