"""A task that a person cancels is not run again, also where its run has left it to a next one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headway.celery.storing.fencing import REPLACEMENT
from headway.shapes import TaskMessage
from headway.snapshot import Phase
from headway.store.records import Records
from tests.by_hand import HERE, claimed, shown

MESSAGE: TaskMessage = {
    "task": "long_task",
    "args": [],
    "kwargs": {},
    "options": {"queue": "celery"},
}


@pytest.mark.parametrize(
    "take",
    [
        lambda records, task_id: records.outbox.take_due(task_id),
        lambda records, task_id: records.maintenance.sweep("leader").due or None,
    ],
    ids=["its process", "maintenance"],
)
def test_a_cancelled_task_ends_where_its_replacement_would_be_sent(
    records: Records, take: Callable[[Records, str], object]
):
    task_id = claimed(records, MESSAGE)
    records.outbox.defer(task_id, REPLACEMENT, message=MESSAGE, max_attempts=4, when="+0", run=HERE)
    assert records.cancel(task_id).outcome == "cancelling"
    records.runs.abandon(task_id, HERE)

    assert take(records, task_id) is None

    end = shown(records, task_id)
    assert end is not None
    assert end.phase == Phase.CANCELLED
    for kept in ("headway:outbox", "headway:kill_deadlines"):
        assert records.client.zscore(kept, task_id) is None
