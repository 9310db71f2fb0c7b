"""Messages that a worker cannot run: it goes on, its places stay free, and the task that can be
named ends as failed.

One worker of tests/plain_celery.py takes them all.
"""

from __future__ import annotations

import base64
import json
import pickle
from typing import Any
from uuid import uuid4

import pytest

from headway.snapshot import FINAL, Phase
from headway.store.records import Records
from tests import plain_celery as plain
from tests.by_hand import reached, shown
from tests.processes import Process, Valkey, wait_for

ADD = "tests.plain_celery.add"
EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
GOOD: list[Any] = [[1, 2], {}, EMBED]

BAD: dict[str, tuple[dict[str, Any], dict[str, Any], Any]] = {
    # headers, other keys of the message, body
    "unknown task": ({"task": "tests.gone"}, {}, GOOD),
    "unknown task, unknown body": (
        {"task": "tests.gone"},
        {"content-type": "application/x-odd"},
        "?",
    ),
    "empty body": ({}, {}, []),
    "body of two": ({}, {}, [[1], {}]),
    "body of four": ({}, {}, [[1], {}, {}, {}]),
    "body a number": ({}, {}, 5),
    "body null": ({}, {}, None),
    "body a text": ({}, {}, "args"),
    "keyword arguments a list": ({}, {}, [[1, 2], [], EMBED]),
    "keyword arguments null": ({}, {}, [[1, 2], None, EMBED]),
    "arguments a number": ({}, {}, [5, {}, EMBED]),
    "arguments null": ({}, {}, [None, {}, EMBED]),
    "too many arguments": ({}, {}, [[1, 2, 3], {}, EMBED]),
    "what follows a list": ({}, {}, [[1, 2], {}, ["x"]]),
    "a chain that is none": ({}, {}, [[1, 2], {}, EMBED | {"chain": 5}]),
    "callbacks that are none": ({}, {}, [[1, 2], {}, EMBED | {"callbacks": 5}]),
    "one time limit": ({"timelimit": [5]}, {}, GOOD),
    "three time limits": ({"timelimit": [5, 5, 5]}, {}, GOOD),
    "time limits of text": ({"timelimit": ["soon", "later"]}, {}, GOOD),
    "a time limit that is none": ({"timelimit": 5}, {}, GOOD),
    "an odd eta": ({"eta": "tomorrow"}, {}, GOOD),
    "an eta of a number": ({"eta": 5}, {}, GOOD),
    "an odd expiry": ({"expires": "never"}, {}, GOOD),
    "an expiry of a list": ({"expires": [1]}, {}, GOOD),
    "stamps that are none": ({"stamped_headers": 5, "expires": "2099-01-01T00:00:00Z"}, {}, GOOD),
    "stamped without stamps": ({"stamped_headers": ["a"], "stamps": None}, {}, GOOD),
    "no JSON": ({}, {}, b"{no json"),
    "no UTF-8": ({}, {}, b"\xff\xfe["),
    "unknown content type": ({}, {"content-type": "application/x-odd"}, GOOD),
    "content that is not accepted": (
        {},
        {"content-type": "application/x-python-serialize", "content-encoding": "binary"},
        pickle.dumps(([1, 2], {}, EMBED)),
    ),
    "unknown compression": ({"compression": "application/x-odd"}, {}, GOOD),
    "a task's name that is a list": ({"task": [ADD]}, {}, GOOD),
    "a task's name that is null": ({"task": None}, {}, GOOD),
    "no task at all": ({"task": ...}, {}, GOOD),
    "protocol 1, keyword arguments a list": (
        {"task": ..., "id": ...},
        {},
        {"task": ADD, "id": "x", "args": [1, 2], "kwargs": []},
    ),
}
RUNS = {
    # Odd, and Celery runs them.
    "retries of text": ({"retries": "many", "replaced_task_nesting": []}, {}, GOOD),
    "unknown encoding": ({}, {"content-encoding": "klingon"}, GOOD),
    "time limits that are null": ({"timelimit": None}, {}, GOOD),
    "what follows is null": ({}, {}, [[1, 2], {}, None]),
    "a group that is a number": ({"group": 5, "parent_id": 7}, {}, GOOD),
}
NAMELESS = {
    "no id": ({"id": ...}, {}, GOOD),
    "an id that is a number": ({"id": 5}, {}, GOOD),
    "an id that is a list": ({"id": []}, {}, GOOD),
    "an id with quotes": ({"id": 'a"b'}, {}, []),
    "no headers": (..., {}, GOOD),
    "headers that are a list": ([], {}, GOOD),
}


def put(records: Records, case: tuple[Any, dict[str, Any], Any], task_id: str) -> None:
    """Put a message into the queue as a broker in Redis keeps it."""
    headers, more, body = case
    if isinstance(headers, dict):
        headers = {"lang": "py", "task": ADD, "id": task_id, "retries": 0, **headers}
        headers = {key: value for key, value in headers.items() if value is not ...}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    message = {
        "body": base64.b64encode(raw).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": {
            "body_encoding": "base64",
            "correlation_id": task_id,
            "delivery_info": {"exchange": "", "routing_key": "celery"},
            "delivery_mode": 2,
            "delivery_tag": str(uuid4()),
            "priority": 0,
            "reply_to": None,
        },
        **more,
    }
    if headers is ...:
        del message["headers"]
    records.client.lpush("celery", json.dumps(message))


@pytest.fixture(scope="module")
def sent(plain_worker: Process, valkey: Valkey) -> dict[str, str]:
    """All of them at once, more than the worker has places for."""
    client = valkey.connect()
    records = Records(client, 7)
    ids = {}
    for name, case in (BAD | RUNS | NAMELESS).items():
        ids[name] = str(uuid4())
        put(records, case, ids[name])
    client.close()
    return ids


@pytest.mark.parametrize("name", BAD)
def test_a_task_whose_message_cannot_be_run_ends_as_failed(
    shared_records: Records, sent: dict[str, str], name: str
):
    end = reached(shared_records, sent[name], *FINAL)

    assert end.phase == "failed"
    assert end.error["message"].strip()


@pytest.mark.parametrize("name", RUNS)
def test_a_message_that_is_only_odd_is_run(
    shared_records: Records, sent: dict[str, str], name: str
):
    end = reached(shared_records, sent[name], *FINAL)

    assert (end.phase, end.result) == ("succeeded", 3)


def test_the_same_worker_goes_on_with_all_its_places(
    shared_records: Records, plain_worker: Process, sent: dict[str, str]
):
    results = [plain.sleep.delay(1) for _ in range(4)]
    running = [Phase.RUNNING] * len(results)
    wait_for(
        lambda: (
            [now.phase for result in results if (now := shown(shared_records, result.id))]
            == running
        )
    )

    assert [plain.add.delay(1, n).get(timeout=20) for n in range(8)] == list(range(1, 9))
    assert plain_worker.popen.poll() is None
    wait_for(lambda: not shared_records.client.hlen("unacked"))
    output = plain_worker.output()
    assert output.count(" ready.") == 1
    assert "Unrecoverable error" not in output
    assert "Connection to broker lost" not in output


def test_a_task_of_a_newer_web_process_keeps_its_record_and_ends(
    shared_records: Records, plain_worker: Process
):
    message = {"task": "tests.newer", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
    task_id = shared_records.starts.create(
        owner="ada", message=message, title="Something new", max_attempts=4
    ).task_id
    plain.celery.send_task("tests.newer", task_id=task_id)

    end = reached(shared_records, task_id, *FINAL)

    assert (end.title, end.error["type"]) == ("Something new", "NotRegistered")
