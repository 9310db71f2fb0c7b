"""What a test does with records itself: it starts, claims and writes as processes do."""

from __future__ import annotations

from headway.snapshot import Phase, Snapshot
from headway.store.model import STORED, Delivery, StateWrite
from headway.store.records import Records

NAMES = {"name": "long_task", "max_attempts": 4}
MESSAGE = {"task": "long_task", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
FIRST = Delivery("first", 0)
SECOND = Delivery("second", 0)


def start(records: Records, **options) -> str:
    message = MESSAGE | {"kwargs": options.pop("kwargs", {})}
    started = records.starts.create(
        **{"owner": "ada", "message": message, "title": "Long task", "max_attempts": 4} | options
    )
    return started.task_id


def read(records: Records, task_id: str) -> Snapshot:
    [stored] = records.read([task_id])
    assert stored is not None
    return Snapshot.from_json(stored.snapshot)


def claim(records: Records, task_id: str, delivery: Delivery, run: str = "run") -> str:
    return records.runs.claim(
        task_id, delivery, run, message=MESSAGE, max_attempts=4, hostname="here"
    )


def write(records: Records, task_id: str, delivery: Delivery, phase: Phase, **fields) -> bool:
    return (
        records.runs.write(StateWrite(task_id, delivery, phase, fields, meta="{}", **NAMES))
        in STORED
    )


def lapse(records: Records, task_id: str) -> None:
    """Let the time of a lease go by."""
    records.client.zadd("headway:leases", {task_id: records.clock.now() - 1})


def due(records: Records) -> list[str]:
    """Return the due tasks that a sweep returns, as if there had been sweeps all the time."""
    records.client.set("headway:last_sweep", records.clock.now())
    records.client.delete("headway:grace")
    return [task_id for task_id, _ in records.maintenance.sweep("leader").due]
