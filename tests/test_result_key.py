"""The snapshot's key `result` is there in SUCCESS only, at every endpoint.

Every other key always is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

from headway.questions import Asked
from headway.snapshot import STATE, Phase, Snapshot
from headway.store.model import Delivery, StateWrite
from headway.store.records import Records
from tests.by_hand import published, subscribed

MESSAGE = {"task": "long_task", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
RUN = Delivery("run", 0)
KEYS = {field.name for field in fields(Snapshot)} - {"result"}
ERROR = {"type": "ValueError", "message": "no"}
ENDS: dict[Phase, dict[str, Any]] = {
    Phase.SUCCEEDED: {"result": [1]},
    Phase.FAILED: {"error": ERROR},
    Phase.CANCELLED: {"error": None},
    Phase.RETRYING: {"error": ERROR},
}


def start(records: Records, when: str = "") -> str:
    started = records.starts.create(
        owner="ada", message=MESSAGE, title="Long task", max_attempts=4, when=when
    )
    check(started.snapshot)
    return started.task_id


def write(records: Records, task_id: str, phase: Phase, **said: Any) -> str:
    return records.runs.write(
        StateWrite(task_id, RUN, phase, said, meta="{}", name="long_task", max_attempts=4)
    )


def bring(records: Records, phase: Phase) -> str:
    """Start a task and bring it into a phase."""
    task_id = start(records, "+60000000" if phase == Phase.SCHEDULED else "")
    if phase in (Phase.SCHEDULED, Phase.QUEUED):
        return task_id
    records.runs.claim(task_id, RUN, "run", message=MESSAGE, max_attempts=4, hostname="here")
    write(records, task_id, Phase.RUNNING, current=1, total=2)
    if phase == Phase.CANCELLING:
        check(records.cancel(task_id).snapshot)
    elif phase == Phase.WAITING:
        asked = Asked("q", "q", "Go on?", ["yes", "no"], None, None)
        assert records.runs.ask(task_id, RUN, asked, MESSAGE) == "waiting"
    elif phase != Phase.RUNNING:
        write(records, task_id, phase, **ENDS[phase])
    return task_id


def check(text: str | bytes | None) -> dict[str, Any]:
    """Check the keys of a snapshot's JSON, and return it."""
    assert text is not None
    shown: dict[str, Any] = json.loads(text)
    assert shown.keys() - {"result"} == KEYS
    assert ("result" in shown) == (shown["state"] == "SUCCESS")
    return shown


@pytest.fixture
def pushes(records: Records) -> Iterator[Any]:
    with subscribed(records, "flask-socketio:*") as pubsub:
        yield pubsub


@pytest.mark.parametrize("phase", Phase)
def test_each_endpoint_has_the_key_in_success_only(
    records: Records, client: Any, pushes: Any, phase: Phase
):
    with client.session_transaction() as session:
        session["visitor"] = "ada"

    task_id = bring(records, phase)

    [stored] = records.read([task_id])
    assert stored is not None
    shown = check(stored.snapshot)
    assert (shown["phase"], shown["state"]) == (phase, STATE[phase])
    assert shown.get("result") == ENDS.get(phase, {}).get("result")
    assert client.get(f"/status/{task_id}").json == shown
    assert client.get(f"/status?task_id={task_id}").json["snapshots"] == [shown]
    assert client.get("/tasks").json["tasks"] == [shown]
    pushed = [json.loads(message["data"]) for message in published(pushes)]
    assert pushed
    assert {event for event, _ in pushed} == {"snapshot"}
    for _, snapshot in pushed:
        check(json.dumps(snapshot))
    assert pushed[-1][1]["version"] == shown["version"]


@pytest.mark.parametrize("result", [None, 0, "", [], {}, False])
def test_a_result_that_is_nothing_is_one(records: Records, result: Any):
    task_id = bring(records, Phase.RUNNING)

    write(records, task_id, Phase.SUCCEEDED, result=result)

    [stored] = records.read([task_id])
    assert stored is not None
    assert check(stored.snapshot)["result"] == result


@pytest.mark.parametrize("phase", Phase)
def test_a_record_of_an_earlier_version_is_shown_alike(records: Records, phase: Phase):
    task_id = bring(records, phase)
    [now] = records.read([task_id])
    as_before(records, task_id)

    [stored] = records.read([task_id])

    assert stored == now


def test_a_record_of_an_earlier_version_goes_on_alike(records: Records):
    task_id = bring(records, Phase.RUNNING)
    as_before(records, task_id)

    assert write(records, task_id, Phase.RUNNING, current=2, total=2) == "written"
    [running] = records.read([task_id])
    as_before(records, task_id)
    assert write(records, task_id, Phase.SUCCEEDED, result=42) == "written"
    [ended] = records.read([task_id])

    assert running is not None
    assert ended is not None
    assert check(running.snapshot)["current"] == 2
    assert check(ended.snapshot)["result"] == 42


def test_a_large_result_of_an_earlier_version_is_not_shown(records: Records):
    task_id = bring(records, Phase.SUCCEEDED)
    whole = json.dumps("x" * 1_000_000)
    records.client.hset(f"headway:task:{task_id}", "result", whole)
    as_before(records, task_id)

    [stored] = records.read([task_id])

    assert stored is not None
    shown = check(stored.snapshot)
    assert (shown["result"], shown["result_size"]) == (None, len(whole))
    assert len(stored.snapshot) < 10_000
    found = records.results.read(task_id)
    assert found is not None
    assert (found[0], b"".join(found[1])) == (len(whole), whole.encode())


def as_before(records: Records, task_id: str) -> None:
    """Put a record's still part together as an earlier version did."""
    names = (
        "name",
        "title",
        "result",
        "error",
        "attempt",
        "max_attempts",
        "created_at",
        "scheduled_for",
        "started_at",
    )
    names = (*names, "finished_at", "updated_at", "current")
    key = f"headway:task:{task_id}"
    [shown] = records.read([task_id])
    assert shown is not None
    known = json.loads(shown.snapshot)
    # An ended record has some of them in `static` alone now.
    values = [
        json.dumps(known.get(name)) if value is None else value
        for name, value in zip(names, records.client.hmget(key, names), strict=True)
    ]
    fields = dict(zip(names, values, strict=True)) | {"failures": known["failures"]}
    records.client.hset(key, mapping=fields)
    static = ",".join(f'"{name}":{value}' for name, value in zip(names, values, strict=True))
    records.client.hset(key, "static", static)
    records.client.hdel(key, "result_size")


def test_python_refuses_the_key_anywhere_else(records: Records):
    shown = {key: None for key in KEYS} | {"phase": "failed", "state": "FAILURE"}

    assert Snapshot.from_json(json.dumps(shown)).result is None
    with pytest.raises(TypeError):
        Snapshot.from_json(json.dumps(shown | {"result": None}))
    with pytest.raises(TypeError):
        Snapshot.from_json(json.dumps(shown | {"phase": "succeeded", "state": "SUCCESS"}))
