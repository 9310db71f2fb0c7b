"""Junk where Headway keeps its own, by every key and field: no 500, no stopped sweep, and the
others' tasks go on.
"""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headway.snapshot import Phase
from headway.store import damaged
from headway.store.model import StateWrite
from headway.store.records import Records
from tests.by_hand import HERE, claim, write
from tests.push_service import FakeBrowser

PAGE = {"Accept": "text/html"}
PARTS = ("history", "message", "error", "attempt", "title", "step", "status", "current", "static")
PARTS += (
    "streams",
    "stream_formats",
    "files",
    "uploads",
    "answers",
    "asked",
    "asked_as",
    "question",
    "traceback:1",
    "result_size",
    "result_at",
    "result_kind",
    "log_seq",
    "version",
    "phase",
    "total",
)
SHARED = (
    "leases",
    "reserved",
    "outbox",
    "queues",
    "kill_deadlines",
    "unnotified",
    "epoch",
    "generation",
)
SHARED += (
    "paused",
    "leader",
    "last_sweep",
    "grace",
    "workers",
    "libraries",
    "damaged",
    "questions",
    "news",
    "sockets",
)


def failed_task(client: FlaskClient, records: Records) -> str:
    """Return a task that has run, said something and failed once."""
    task_id = str(client.post("/longtask").json["task_id"])
    claim(records, task_id)
    for current in range(1, 5):
        records.runs.write(
            StateWrite(task_id, HERE, Phase.RUNNING, {"current": current}, "{}", "long_task", 4)
        )
    records.output.log(task_id, HERE, [("INFO", "It has begun.")])
    records.output.write_stream(task_id, HERE, "out", 0, b"text", closes=True, max_bytes=100)
    records.files.note(task_id, HERE, "a", 1, "text/plain", "0" * 32)
    error = {"type": "ValueError", "message": "no"}
    failure = {"traceback": "Traceback ...", "environment": "here"}
    fields: Any = {"error": error, "traceback": failure}
    records.runs.write(StateWrite(task_id, HERE, Phase.FAILED, fields, "{}", "long_task", 4))
    return task_id


def read_all(client: FlaskClient, task_id: str) -> dict[str, int]:
    """Return the statuses of all that reads this task, or lists it."""
    paths = [
        "",
        "/streams",
        "/streams/out",
        "/files",
        "/files/a",
        "/log",
        "/log.txt",
        "/result",
        "?level=INFO&find=begun",
    ]
    asked = [f"/tasks/{task_id}{path}" for path in paths]
    asked += ["/", "/tasks", "/tasks?phase=failed", "/tasks?q=long", f"/status/{task_id}"]
    asked += [f"/status?task_id={task_id}", f"/start/long_task?from={task_id}"]
    return {
        f"{path} {accept}": client.get(path, headers={"Accept": accept}).status_code
        for path in asked
        for accept in ("text/html", "application/json")
    }


def change_all(client: FlaskClient, task_id: str) -> dict[str, int]:
    """Return the statuses of all that changes this task."""
    endpoints = ("answer", "cancel", "retry", "schedule", "share")
    bodies = {"schedule": {"countdown": 60}, "answer": {"question_id": "q", "value": "yes"}}
    return {
        endpoint: client.post(f"/tasks/{task_id}/{endpoint}", json=bodies[endpoint]).status_code
        if endpoint in bodies
        else client.post(f"/tasks/{task_id}/{endpoint}").status_code
        for endpoint in endpoints
    }


def junk_keys(records: Records, task_id: str, owner: str) -> list[str]:
    """Return the key of each kind that Headway has, and that it might have of this task."""
    keys = records.keys
    own = [keys.record(task_id), keys.log(task_id), keys.points(task_id), keys.celery(task_id)]
    own += [keys.result(task_id), keys.owner(owner), keys.index(owner), keys.stream(task_id, "out")]
    own += [keys.phase(owner, phase) for phase in Phase]
    own += [keys.waiting("celery"), keys.worker("test"), keys.parts(task_id)]
    own += [keys.upload("0" * 32), keys.uploaded(f"owner:{owner}"), keys.devices(owner)]
    own += [keys.device(FakeBrowser().subscription.digest), keys.told(owner)]
    own += [keys.sockets("test")]
    return own + [keys.shared(name) for name in SHARED]


def owner_of(records: Records, task_id: str) -> str:
    [stored] = records.read([task_id])
    assert stored is not None
    return stored.owner


def replace(records: Records, key: str) -> None:
    """Have a key hold another type than it should."""
    was = records.client.type(key)
    records.client.delete(key)
    if was == "list":
        records.client.set(key, "junk")
    else:
        records.client.rpush(key, "junk")


def test_each_key_of_another_type_is_an_error_of_nothing_else(app: Any, records: Records):
    me, other = app.test_client(), app.test_client()
    task_id = failed_task(me, records)
    owner = owner_of(records, task_id)
    known = set(records.client.scan_iter("*headway:*"))
    wanted = junk_keys(records, task_id, owner)
    faults = {}

    for key in sorted({*wanted, *map(str, known)}):
        replace(records, key)
        answers = read_all(me, task_id) | change_all(me, task_id)
        records.maintenance.heartbeat("test", 1, [(task_id, "test")], [task_id], name="test")
        records.maintenance.unconfirmed()
        records.maintenance.unended()
        records.maintenance.paused()
        records.maintenance.epoch()
        records.devices.take_news(10)
        records.devices.of(owner)
        asked = {"device": FakeBrowser().subscription.digest}
        answers["push"] = me.get("/push", query_string=asked).status_code
        answers["push on"] = me.post("/push", json=FakeBrowser().said).status_code
        sweep = records.maintenance.sweep("test")
        begun = other.post("/longtask")
        theirs = begun.json["task_id"]
        claim(records, theirs)
        bad = {path: status for path, status in answers.items() if status >= 500}
        if bad or begun.status_code != 202 or sweep.broken:
            faults[key] = (bad, begun.status_code, sweep.broken)
        assert other.get(f"/status/{theirs}").json["phase"] == "running"
        replaced = task_id
        task_id = failed_task(me, records)
        assert task_id in {task["task_id"] for task in me.get("/tasks").json["tasks"]}, replaced

    assert faults == {}


def test_what_was_set_aside_is_told_once_and_kept(app: Any, records: Records):
    client = app.test_client()
    task_id = client.post("/longtask").json["task_id"]
    key = records.keys.owner(owner_of(records, task_id))
    replace(records, key)

    client.post("/longtask")
    sweeps = [records.maintenance.sweep("test") for _ in range(2)]

    assert [sweep.set_aside for sweep in sweeps] == [[key], []]
    assert records.client.lrange(f"headway:damaged:{key}", 0, -1) == ["junk"]
    assert 0 < records.client.ttl(f"headway:damaged:{key}") <= 7 * 24 * 3600


def test_a_count_that_is_none_stops_no_sweep(records: Records):
    for name in ("generation", "last_sweep", "epoch", "leader"):
        for junk in ("junk", "nan", "-inf", "1e400", "", "9" * 400):
            records.client.set(records.keys.shared(name), junk)
            assert records.maintenance.sweep("test").broken == {}
            assert records.client.get(records.keys.shared("leader")) == "test", (name, junk)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda some: (
        st.lists(some, max_size=4) | st.dictionaries(st.text(max_size=5), some, max_size=3)
    ),
    max_leaves=6,
)
EDGES = (
    *(b"\xff\xfe", b"NaN", b"1e999", b"-1", b"0", b"1e-320", b"1e300", b"", b"9" * 5000),
    *(b"[" * 20_000, b'"\\ud800"', b"{x}", b'"{x}"', b'"2026-11-29T00:00:00"', b'"<script>"'),
    *(b'{"traceback":5}', b'{"task":5}', b'{"args":5,"kwargs":[]}'),
    b'{"task":"long_task","args":[1]}',
)
JUNK = st.sampled_from(EDGES) | VALUES.map(lambda value: json.dumps(value).encode())


@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    fields=st.dictionaries(st.sampled_from(PARTS), JUNK, max_size=3),
    line=JUNK,
    point=st.lists(JUNK, min_size=1, max_size=3),
    meta=JUNK,
)
def test_junk_in_the_parts_of_a_record_is_no_500(
    app: Any,
    records: Records,
    fields: dict[str, bytes],
    line: bytes,
    point: list[bytes],
    meta: bytes,
):
    client = app.test_client()
    task_id = failed_task(client, records)
    keys = records.keys
    if fields:
        records.client.hset(keys.record(task_id), mapping=fields)
    if "static" not in fields:  # it would be shown instead of what it was put together of
        records.client.hdel(keys.record(task_id), "static")
    records.client.rpush(keys.log(task_id), line, b'{"seq":1}')
    records.client.rpush(keys.points(task_id), *point, b'[1,"x",null]')
    records.client.set(keys.celery(task_id), meta)

    statuses = read_all(client, task_id) | change_all(client, task_id)

    assert {path: status for path, status in statuses.items() if status >= 500} == {}
    assert client.post("/longtask").status_code == 202


@pytest.mark.parametrize("name", ["result", "result_at", "result_size", "result_kind"])
def test_junk_beside_a_result_is_no_500(app: Any, records: Records, name: str):
    client = app.test_client()
    task_id = client.post("/longtask").json["task_id"]
    claim(records, task_id)
    write(records, task_id, 1000, Phase.SUCCEEDED)
    record = records.keys.record(task_id)
    records.client.hset(record, mapping={"result": "[1]", "result_size": "3"})

    for junk in EDGES:
        records.client.hset(record, name, junk)
        paths = [f"/tasks/{task_id}{path}" for path in ("", "/result", "/result.csv")]
        statuses = [client.get(path, headers=PAGE).status_code for path in paths]
        assert max(statuses) < 500, junk


def test_what_is_sound_beside_junk_is_shown(app: Any, records: Records, caplog: Any):
    client = app.test_client()
    task_id = failed_task(client, records)
    keys = records.keys
    record = keys.record(task_id)
    history = records.client.hget(record, "history")
    records.client.hset(record, mapping={"history": f"junk\n{history}\n{{}}", "attempt": "1"})
    records.client.rpush(keys.log(task_id), "junk", b"\xff", *(["[]"] * 10_000))
    records.client.rpush(keys.points(task_id), "junk", "[1]", "[1,2,3,4]")
    records.client.rpush(keys.log(task_id), *(records.client.lrange(keys.log(task_id), 0, 0)))

    with caplog.at_level(logging.WARNING):
        page = client.get(f"/tasks/{task_id}", headers=PAGE)

    assert page.status_code == 200
    for text in ("Attempt 1 started", "It has begun.", "Traceback ...", "Progress over time"):
        assert text in page.text
    assert "junk" not in page.text
    assert sum("damaged" in one.getMessage() for one in caplog.records) <= 1


@given(JUNK)
def test_only_what_can_be_shown_is_intact(junk: bytes):
    text = junk.decode(errors="replace")

    assert not damaged.is_intact(text)
    assert damaged.log_lines([text]) == []
    assert damaged.history_events([text]) == []
    assert 0 <= damaged.count(text) < 1e16
