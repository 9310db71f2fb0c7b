"""A task with as many effects as a large mailing: its record ends as any other's does."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from headway.shapes import Changes
from headway.snapshot import Phase
from headway.store.model import StateWrite
from headway.store.records import Records
from tests.test_checkpoints import claimed

EFFECTS = (
    10_000  # a mailing has as many recipients, and one call of Redis's scripts takes fewer values
)
ERROR: Changes = {"error": {"type": "OSError", "message": "away"}}


@pytest.mark.parametrize(
    ("phase", "fields"),
    [(Phase.SUCCEEDED, {"result": [{"email": "bob"}]}), (Phase.FAILED, ERROR)],
)
def test_its_end_is_stored_and_what_it_has_done_is_kept(
    records: Records, phase: Phase, fields: Changes
):
    task_id = str(uuid4())
    run = claimed(records, task_id, "first")
    record = records.keys.record(task_id)
    done = {f"effect:email {n}": 'done ["sent"]' for n in range(EFFECTS)}
    records.client.hset(record, mapping={"effects": "1", **done})

    write = StateWrite(task_id, run, phase, fields, "{}", "long_task", 4)
    assert records.runs.write(write) == "written"

    [stored] = records.read([task_id])
    assert stored is not None
    assert json.loads(stored.snapshot)["phase"] == phase
    assert records.client.hlen(record) >= EFFECTS
    assert not records.client.hexists(record, "run")  # what only a run needs is gone, as of others
