"""A task that asks a person, for a worker: `celery -A worker worker -I bench.asking -Q asks`.

And what the bench does with many of it, from the process that starts them.
"""

from __future__ import annotations

import json
import time
from typing import Any

from headway import progress, service, task
from headway.celery.backend import LiveBackend
from headway.shapes import SnapshotDict
from headway.snapshot import Phase
from headway.store.records import Records

QUEUE = "asks"
OWNER = "bench"
ANSWER = "yes"
PAGE = 100
LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 30.0  # without one task that has come further


@task("Asks", queue=QUEUE)
def asks_to_go_on() -> Any:
    return progress.ask("Go on?", choices=[ANSWER, "no"])


def start(backend: LiveBackend, count: int) -> dict[str, float]:
    """Start so many, and return when each of them waits for its answer.

    Returns what Redis holds for them, of its memory and of times at which something is due.
    """
    records = backend.records
    client = records.client
    were_waiting = records.lists.counts(OWNER).get(Phase.WAITING, 0)
    was_due = _due(records)
    used = client.info("memory")["used_memory"]
    for _ in range(count):
        service.start(asks_to_go_on.name, {}, owner=OWNER)
    _reach(records, Phase.WAITING, were_waiting + count)
    return {
        "clients": len(client.client_list()),
        "due": _due(records) - was_due,
        "bytes": (client.info("memory")["used_memory"] - used) / count,
    }


def answer(backend: LiveBackend) -> dict[str, int]:
    """Answer all that wait, and return when they have ended: how many, and with what."""
    records = backend.records
    waiting = _of_phase(records, Phase.WAITING)
    for task_id, snapshot in waiting.items():
        assert snapshot["question"] is not None
        found = records.answer(task_id, snapshot["question"]["id"], f'"{ANSWER}"', OWNER)
        assert found.outcome == "queued", found
        backend.outbox.send_due(task_id)
    _reach(records, Phase.SUCCEEDED, len(waiting))
    ended = _of_phase(records, Phase.SUCCEEDED)
    right = [each for each in ended.values() if each["result"] == ANSWER and each["attempt"] == 2]
    return {"ended": len(ended), "right": len(right)}


def _due(records: Records) -> int:
    sets = ("leases", "outbox", "questions", "reserved")
    return sum(records.client.zcard(f"headway:{each}") for each in sets)


def _reach(records: Records, phase: Phase, count: int) -> None:
    """Return when so many tasks are in a phase. Raises TimeoutError where they come no further."""
    reached = -1
    deadline = 0.0
    while (now := records.lists.counts(OWNER).get(phase, 0)) < count:
        if now > reached:
            reached = now
            deadline = time.monotonic() + PATIENCE_SECONDS
        elif time.monotonic() > deadline:
            raise TimeoutError(f"{now} of {count} tasks are {phase}")
        time.sleep(LOOK_SECONDS)


def _of_phase(records: Records, phase: Phase) -> dict[str, SnapshotDict]:
    """Return the tasks in a phase, by id."""
    found: dict[str, SnapshotDict] = {}
    cursor: tuple[str, str] | None = ("", "")
    while cursor is not None:
        page, cursor = records.lists.page(OWNER, PAGE, [phase], cursor)
        snapshots = map(json.loads, page)
        found |= {each["task_id"]: each for each in snapshots}
    return found
