"""A task together with its parts, the tasks that it started, as a person sees it."""

from __future__ import annotations

from headway.shapes import PartCounts, SnapshotDict, TaskError
from headway.snapshot import STATE, Phase

PARTS_FAILED = "PartsFailed"  # as in snapshot.js


def has_open_parts(task: SnapshotDict) -> bool:
    """Whether parts of a task have not ended."""
    parts = task.get("parts")
    return bool(parts and parts["ended"] < parts["count"])


def as_shown(task: SnapshotDict) -> SnapshotDict:
    """Return a task as a person sees it, one with its parts, as snapshot.js does.

    It goes on while they do, has failed where they have, and where it does not say itself how far
    it is, they do.
    """
    parts = task.get("parts")
    if not parts:
        return task
    phase = phase_of(task)
    goes_on = phase == Phase.SUCCEEDED and has_open_parts(task)
    if goes_on or (phase == Phase.RUNNING and has_said_nothing(task)):
        done = parts["progress"]
        running: SnapshotDict = {"phase": Phase.RUNNING.value, "state": STATE[Phase.RUNNING]}
        return {**task, **running, "current": done, "total": 1, "finished_at": None}
    if phase != Phase.SUCCEEDED or not parts["failed"]:
        return task
    ended: SnapshotDict = {"phase": Phase.FAILED.value, "state": STATE[Phase.FAILED]}
    error: TaskError = {"type": PARTS_FAILED, "message": _first_failed(parts)}
    return {**task, **ended, "error": error, "finished_at": task.get("updated_at")}


def has_said_nothing(task: SnapshotDict) -> bool:
    """Whether a task that has begun has not said yet how far it is."""
    return (task.get("current") or 0) == 0 and task.get("total") == 1


def phase_of(task: SnapshotDict) -> str:
    """Return a task's phase; one that a foreign program has stored may lack it."""
    if phase := task.get("phase"):
        return phase
    return Phase.QUEUED if task.get("state") == "PENDING" else Phase.RUNNING


def _first_failed(parts: PartCounts) -> str:
    first = parts["first_failed"]
    if not first:
        return ""
    error = first["error"]
    return f"{first['title']}: {error['message']}" if error else first["title"]
