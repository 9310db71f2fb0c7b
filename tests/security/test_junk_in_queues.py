"""Junk in a queue, or on a worker's channel: the same worker goes on.

Messages that can be read and not run: tests/test_bad_messages.py.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from headway.store.records import Records
from tests import plain_celery as plain
from tests.processes import Process, wait_for

COMMANDS = "/0.celery.pidbox"  # the channel of commands to all workers
MESSAGE: dict[str, Any] = {
    "body": "W1tdLHt9LHt9XQ==",
    "content-encoding": "utf-8",
    "content-type": "application/json",
    "headers": {"lang": "py", "id": "x", "task": plain.add.name},
    "properties": {
        "body_encoding": "base64",
        "correlation_id": "x",
        "delivery_info": {"exchange": "", "routing_key": "celery"},
        "delivery_mode": 2,
        "delivery_tag": "x",
        "priority": 0,
        "reply_to": None,
    },
}
JUNK: dict[str, bytes] = {
    "nothing": b"",
    "no UTF-8": b"\xff\xfe",
    "NUL": b"\0",
    "no JSON": b"{no json",
    "deep": b"[" * 100_000,
    "a list": b"[]",
    "a text": b'"x"',
    "a number": b"5",
    "an endless number": b"9" * 400,
    "null": b"null",
    "NaN": b"NaN",
    "no keys": b"{}",
    "an unknown type": b'{"__type__": "evil", "__value__": 1}',
    "an invalid time": b'{"__type__": "datetime", "__value__": 1}',
    "an invalid decimal": b'{"__type__": "decimal", "__value__": "x"}',
}


def changed(*path: str, to: Any = None) -> bytes:
    """Return the message with another value of a key, or without the key."""
    message = copy.deepcopy(MESSAGE)
    part = message
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = to
    if to is ...:
        del part[path[-1]]
    return json.dumps(message).encode()


JUNK |= {
    "no properties": changed("properties", to=...),
    "properties that are a list": changed("properties", to=[]),
    "no tag": changed("properties", "delivery_tag", to=...),
    "a tag that is a list": changed("properties", "delivery_tag", to=[]),
    "a tag that is true": changed("properties", "delivery_tag", to=True),
    "no delivery": changed("properties", "delivery_info", to=...),
    "a delivery that is a number": changed("properties", "delivery_info", to=5),
    "no exchange": changed("properties", "delivery_info", "exchange", to=...),
    "no routing key": changed("properties", "delivery_info", "routing_key", to=...),
    "an unknown encoding": changed("properties", "body_encoding", to="evil"),
    "an encoding that is a list": changed("properties", "body_encoding", to=[]),
    "no base64": changed("body", to="é"),
    "a body that is a number": changed("body", to=5),
    "a body that is an object": changed("body", to={"x": 1}),
}


@pytest.fixture
def alone(plain_worker: Process) -> Iterator[Process]:
    """The worker, which has to be as it was afterwards: the same connection, nothing held."""
    before = plain_worker.output()
    yield plain_worker
    assert plain_worker.popen.poll() is None
    after = plain_worker.output()[len(before) :]
    assert "Unrecoverable error" not in after
    assert "Connection to broker lost" not in after
    assert " ready." not in after


@pytest.mark.parametrize("junk", JUNK)
def test_what_is_no_message_is_taken_and_the_next_is_run(
    alone: Process, shared_records: Records, junk: str
):
    shared_records.client.lpush("celery", JUNK[junk])

    assert plain.add.delay(1, 2).get(timeout=20) == 3
    wait_for(lambda: not shared_records.client.hlen("unacked"))
    assert not shared_records.client.llen("celery")


def test_what_comes_on_its_channels_and_is_no_message_ends_no_worker(
    alone: Process, shared_records: Records
):
    with shared_records.client.pipeline() as pipe:  # so that they are read together
        for junk in JUNK.values():
            pipe.publish(COMMANDS, junk)
        assert set(pipe.execute()) == {1}

    assert plain.add.delay(1, 2).get(timeout=20) == 3
    # After a command that it cannot read, Celery subscribes again and misses what is published
    # in between.
    assert wait_for(lambda: plain.celery.control.ping(timeout=1, limit=1))
