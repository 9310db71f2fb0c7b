"""A task that has ended can be forgotten: all that is kept of it goes, and no late message runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headway.snapshot import Phase
from headway.store.model import Delivery, Sent, Source, StateWrite
from headway.store.records import Records
from tests.by_hand import HERE, shown, subscribed

ADA = "ada"
ID = "7f3a1c52-9b1e-4c7d-8a55-0d2f6f1b9e01"
FAILED = {"error": {"type": "ValueError", "message": "no"}, "traceback": '"line 7"'}


def message(**options: Any) -> dict[str, Any]:
    return {"task": "any", "args": ["a secret"], "kwargs": {}, "options": {"queue": "q"} | options}


def send(records: Records, send_id: str = "first") -> None:
    """Send it as a program does, by `.delay()`: no header of its message says that it is known."""
    records.starts.enqueue(ID, Sent("any", "", ADA, "q", "", send_id, 4), "its message")


def claim(records: Records, send_id: str = "first", token: str = HERE.token, **more: Any) -> str:
    how = {"message": message(**more), "max_attempts": 4, "hostname": "here"}
    return records.runs.claim(ID, Delivery(token, 0), token, source=Source(send_id), **how)


def write(records: Records, phase: Phase, token: str = HERE.token, **fields: Any) -> str:
    delivery = Delivery(token, 0)
    return records.runs.write(StateWrite(ID, delivery, phase, fields, '{"a": 1}', "any", 4))


def ended(records: Records, phase: Phase = Phase.FAILED) -> None:
    send(records)
    assert claim(records) == "claimed"
    assert records.output.log(ID, HERE, [("INFO", "a line")])
    write(records, Phase.RUNNING, current=1, total=2)
    assert (
        records.output.write_stream(ID, HERE, "answer", 0, b"a", closes=False, max_bytes=9)
        == "written"
    )
    assert write(records, phase, **FAILED if phase is Phase.FAILED else {"result": 1}) == "written"


def keys_of_it(records: Records) -> set[str]:
    return {str(key) for key in records.client.keys("*") if ID in str(key)}


def test_all_that_is_kept_of_it_goes(records: Records):
    ended(records)
    kept = records.client.pttl(records.keys.record(ID))

    assert records.forget_ended(ID) == "forgotten"

    assert shown(records, ID) is None
    assert keys_of_it(records) == {records.keys.record(ID)}
    assert records.client.hgetall(records.keys.record(ID)) == {"sends": " first"}
    assert 0 < records.client.pttl(records.keys.record(ID)) <= kept
    for key in records.client.keys("headway:*"):  # nor in any set or list, before a reader tidies
        if records.client.type(key) == "zset":
            assert records.client.zscore(key, ID) is None
    assert not records.client.hexists(records.keys.index(ADA), ID)
    assert records.lists.page(ADA, 10) == ([], None)
    assert not any(records.lists.counts(ADA).values())
    assert records.forget_ended(ID) == "unknown"


@pytest.mark.parametrize("phase", ["queued", "running", "cancelling"])
def test_what_has_not_ended_cannot_be_forgotten(records: Records, phase: str):
    send(records)
    if phase != "queued":
        claim(records)
    if phase == "cancelling":
        records.cancel(ID)

    assert records.forget_ended(ID) == "not_final"

    now = shown(records, ID)
    assert now is not None
    assert now.phase == phase


def test_each_of_its_rooms_is_told(records: Records):
    ended(records)
    version = json.loads(records.lists.page(ADA, 1)[0][0])["version"]

    with subscribed(records, "flask-socketio:*") as pubsub:
        records.forget_ended(ID)
        told = [pubsub.get_message(timeout=20) for _ in range(2)]

    assert [one["channel"] for one in told] == [
        f"flask-socketio:task:{ID}",
        f"flask-socketio:owner:{ADA}",
    ]
    event = ["forgotten", {"task_id": ID, "version": version}]
    assert [json.loads(one["data"]) for one in told] == [event, event]


def test_its_late_message_never_runs(records: Records):
    send(records)
    records.cancel(ID)  # before any worker has its message, which does not say that it is known
    records.forget_ended(ID)

    assert claim(records) == "final"
    assert claim(records, send_id="") == "final"  # of a client without Headway
    later = {"message": message(), "max_attempts": 4, "when": "+1000000", "run": Delivery()}
    assert records.outbox.defer(ID, 0, source=Source("first"), **later) == "final"
    assert shown(records, ID) is None


def test_its_run_that_is_still_going_brings_nothing_back(records: Records):
    ended(records)
    records.forget_ended(ID)

    assert write(records, Phase.RUNNING, current=1) == "final"
    assert write(records, Phase.SUCCEEDED, token="", result=1) == "final"
    assert not records.output.log(ID, HERE, [("INFO", "late")])
    assert shown(records, ID) is None


def test_a_new_send_of_its_id_runs_and_the_former_one_does_not(records: Records):
    ended(records)
    records.forget_ended(ID)

    send(records, "second")
    assert claim(records, "first", token="late") == "stale"
    assert claim(records, "second", token="new") == "claimed"

    assert records.lists.counts(ADA)["running"] == 1


def test_a_new_send_of_its_id_for_later_waits_for_its_time(records: Records):
    ended(records)
    records.forget_ended(ID)

    later = {"message": message(), "max_attempts": 4, "when": "+1000000", "run": Delivery()}
    assert records.outbox.defer(ID, 0, source=Source("first"), **later) == "final"
    assert records.outbox.defer(ID, 0, source=Source("second"), **later) == "deferred"

    now = shown(records, ID)
    assert now is not None
    assert now.phase == "scheduled"


def test_one_whose_chord_has_yet_to_be_told_waits(records: Records):
    send(records)
    chord = {"chord": {"task": "body"}}
    assert claim(records, **chord) == "claimed"
    key = records.keys.shared("unnotified")
    write(records, Phase.SUCCEEDED, result=1)
    records.client.zadd(key, {ID: 1})
    records.client.hset(records.keys.record(ID), "dependents", "always")

    assert records.forget_ended(ID) == "busy"
    records.maintenance.mark_notified(ID)
    assert records.forget_ended(ID) == "forgotten"


def test_of_one_cancelled_before_it_began_its_message_still_finds_whom_to_tell(records: Records):
    send(records)
    records.cancel(ID)

    assert records.forget_ended(ID) == "forgotten"

    assert json.loads(records.client.get(records.keys.celery(ID)))["status"] == "REVOKED"
    assert records.maintenance.may_notify(ID)


def test_a_send_of_its_id_that_comes_unannounced_runs_and_the_former_one_does_not(
    records: Records,
):
    ended(records)
    records.forget_ended(ID)

    assert claim(records, "first", "late") == "final"
    assert claim(records, "second", "another") == "claimed"
    assert claim(records, "first", "late") == "stale"
