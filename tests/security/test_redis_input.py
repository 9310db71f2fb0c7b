"""Junk in Redis, whoever wrote it: no 500, nothing of it for browsers, and good tasks stay shown.

Messages to workers: tests/test_bad_messages.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from headway.push.checks import is_event, is_object, stamp_of
from headway.store.connection import connect
from headway.store.records import Records
from tests.browser import Visitor
from tests.by_hand import hand_task, write
from tests.processes import Valkey, wait_for
from tests.security.conftest import Served

ID = "7f3a1c52-0000-4000-8000-000000000001"
JUNK = {
    "bytes": b"\xff\xfe\x00",
    "text": b"<script>alert(1)</script>",
    "a number": b"5",
    "null": b"null",
    "an empty list": b"[]",
    "an event without a payload": b'["snapshot"]',
    "a payload that is a text": b'["snapshot","<b>"]',
    "three": b'["snapshot",{"task_id":"%s","version":9},1]' % ID.encode(),
    "another event": b'["evil",{"task_id":"%s"}]' % ID.encode(),
    "a version that is none": b'["snapshot",{"task_id":"%s","version":"x"}]' % ID.encode(),
    "a version without an end": b'["snapshot",{"task_id":"%s","version":99999' % ID.encode(),
    "a huge version": b'["snapshot",{"task_id":"%s","version":%s,"a":1}]'
    % (ID.encode(), b"9" * 5000),
    "another task": b'["snapshot",{"task_id":"%s","version":9,"a":1}]' % (ID[:-1] + "9").encode(),
    "NaN": b'["snapshot",{"task_id":"%s","version":9,"current":NaN}]' % ID.encode(),
    "deep": b'["log",' + b"[" * 50_000,
    "a log of another task": b'["log",{"task_id":"x","lines":[]}]',
    "a stream of another task": b'["stream",{"task_id":"x","name":"a","offset":0,"text":""}]',
    "another encoding": '["log",{"task_id":"x"}]'.encode("utf-16"),
    "half a character": b'["log",{"task_id":"%s","lines":["\xc3"]}]' % ID.encode(),
}


@pytest.fixture
def client(valkey: Valkey) -> Iterator[Any]:
    client = connect(valkey.url)
    yield client
    client.close()


@pytest.mark.parametrize("junk", JUNK)
def test_what_is_no_event_of_a_room_goes_no_further(junk: str):
    stamp = stamp_of(JUNK[junk])

    assert not is_event(f"task:{ID}", JUNK[junk], stamp)


@pytest.mark.parametrize("name", [f"task:{ID}", "owner:ada"])
def test_what_headway_publishes_is_an_event(name: str):
    snapshot = f'["snapshot",{{"task_id":"{ID}","version":9,"state":"ä\\u0000"}}]'.encode()

    assert stamp_of(snapshot) == (ID, 9)
    assert is_event(name, snapshot, (ID, 9))
    assert is_event(name, f'["log",{{"task_id":"{ID}","lines":[]}}]'.encode(), ("", 0))
    assert is_event(
        name, f'["stream",{{"task_id":"{ID}","name":"a","offset":0}}]'.encode(), ("", 0)
    )


def test_the_common_channel_takes_objects():
    assert is_object(b'{"method":"emit"}')
    assert not any(map(is_object, JUNK.values()))


def test_junk_on_the_channels_reaches_no_browser_and_ends_nothing(served: Served, client: Any):
    records = Records(client, 7)
    keys = records.keys
    visitor = Visitor(served.address).connect()
    task_id = hand_task(records, visitor)
    visitor.call("watch", {"task_ids": [task_id]})
    subscribed = client.pubsub_numsub(keys.message_queue)

    for channel in client.pubsub_channels("*"):
        for junk in (*JUNK.values(), b"nan", b"inf", b"1e300"):
            client.publish(channel, junk.replace(ID.encode(), task_id.encode()[:-1] + b"x"))
    write(records, task_id, 7)

    wait_for(lambda: any(one["current"] == 7 for one in visitor.pushed(task_id)))
    assert {one["task_id"] for one in visitor.snapshots} == {task_id}
    assert visitor.others == []
    assert client.pubsub_numsub(keys.message_queue) == subscribed
    assert served.process.output().count("unknown messages from Redis so far") >= 1
    assert "Traceback" not in served.process.output()


DAMAGES: dict[str, Any] = {
    "no UTF-8": {"title": b'"\xff\xfe"', "static": b'"title":"\xff\xfe"'},
    "no JSON": {"static": b'"result_size":<script>'},
    "NaN": {"current": b"NaN"},
    "deep": {"status": b"[" * 50_000},
    "no version": {"version": b""},
    "a version that is none": {"version": b"x"},
    "a phase that is none": {"phase": b"\x00"},
    "counts that are none": {"attempt": b"many", "max_fraction": b"x", "generation": b"{}"},
}


@pytest.mark.parametrize("damage", [*DAMAGES, "another type", "lost version"])
def test_a_damaged_record_is_not_shown_and_the_others_are(app: Any, records: Records, damage: str):
    client = app.test_client()
    good, bad = (client.post("/longtask").json["task_id"] for _ in range(2))
    key = records.keys.record(bad)
    if damage == "another type":
        records.client.delete(key)
        records.client.set(key, b"\xff")
    elif damage == "lost version":
        records.client.hdel(key, "version")
    else:
        records.client.hset(key, mapping=DAMAGES[damage])

    listed = client.get("/tasks")
    both = client.get(f"/status?task_id={good}&task_id={bad}")
    one = client.get(f"/status/{bad}")

    assert (listed.status_code, both.status_code) == (200, 200)
    assert one.status_code in (200, 404)
    shown = {task["task_id"]: task for task in json.loads(listed.data)["tasks"]}
    assert good in shown
    assert good in {task["task_id"] for task in json.loads(both.data)["snapshots"]}
    assert client.get("/").status_code == 200
    assert client.get(f"/tasks/{good}/log").status_code == 200


def test_junk_in_shared_sets_costs_no_page(app: Any, records: Records):
    redis = records.client
    client = app.test_client()
    client.post("/longtask")
    for junk in (b"\xff\xfe", b"", b"a", b"a 99999999999999999999", b"a\x00 5", b"[] []"):
        redis.zadd("headway:workers", {junk: 9e15})
        redis.sadd("headway:queues", junk)
        for name in ("headway:leases", "headway:outbox", "headway:waiting:celery"):
            redis.zadd(name, {junk: 1})
    redis.hset("headway:worker:a\x00", "queues", "not JSON")
    redis.set("headway:worker:[]", "another type")
    redis.set("headway:waiting:a", "another type")
    owner = next(redis.scan_iter("headway:owner:*"))
    redis.zadd(owner, {b"\xff": 9e15, b"": 9e15, b"../x": 9e15, ID: 9e15})

    for path in ("/", "/tasks", f"/status?task_id={ID}", "/healthz"):
        answer = client.get(path)
        assert answer.status_code == 200, path
    assert len(json.loads(client.get("/tasks").data)["tasks"]) == 1
    assert client.post("/longtask").status_code == 202
