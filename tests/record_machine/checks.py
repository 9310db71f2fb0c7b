"""What holds of each snapshot, and of two that follow each other."""

from __future__ import annotations

from dataclasses import replace

from headway.snapshot import FINAL, STATE, Phase, Snapshot
from tests.record_machine.model import WAITS_FOR_ITS_TIME


def ratio(snapshot: Snapshot) -> float | None:
    return snapshot.current / snapshot.total if snapshot.total and snapshot.total > 0 else None


def check(snapshot: Snapshot) -> None:
    """What holds of each snapshot."""
    phase = snapshot.phase
    assert snapshot.state == STATE[phase]
    assert (snapshot.error is not None) == (phase in {Phase.FAILED, Phase.RETRYING})
    assert (snapshot.finished_at is not None) == (phase in FINAL)
    assert (snapshot.question is not None) == (phase == Phase.WAITING)
    if phase not in FINAL:
        assert (snapshot.scheduled_for is not None) == (phase in WAITS_FOR_ITS_TIME)
    assert snapshot.result is None or phase == Phase.SUCCEEDED
    assert snapshot.queue_position is None or phase == Phase.QUEUED
    if snapshot.state == "PENDING":
        assert (snapshot.current, snapshot.total, snapshot.step) == (0, 1, None)
    if phase == Phase.SUCCEEDED:
        assert snapshot.current == snapshot.total


def continued(ended: Snapshot, later: Snapshot) -> Snapshot:
    """Return an ended task's snapshot as it is once the task that goes on from it is noted."""
    assert ended.resume, "it had saved nothing"
    assert later.resume
    noted = {**ended.resume, "task_id": later.resume["task_id"]}
    return replace(ended, resume=noted, version=later.version, updated_at=later.updated_at)


def check_order(earlier: Snapshot, later: Snapshot) -> None:
    """What holds of a snapshot and the next one of its task."""
    assert later.version > earlier.version
    assert not earlier.final or later == continued(earlier, later), f"{later} came after {earlier}"
    assert later.created_at == earlier.created_at
    assert later.attempt - earlier.attempt in (0, 1)
    if later.attempt > earlier.attempt:
        assert later.phase == Phase.RUNNING
    elif earlier.phase == Phase.CANCELLING:
        assert later.phase != Phase.RUNNING
