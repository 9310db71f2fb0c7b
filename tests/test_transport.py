"""Kombu's Redis transport where Headway needs more of it: purging, and closing what has broken."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from celery import Celery, chord
from celery.result import AsyncResult
from flask import Flask
from flask.testing import FlaskClient
from kombu.common import ignore_errors
from kombu.connection import Connection

from app import create_app
from app.config import QUEUES
from headway.celery.backend import LiveBackend
from headway.celery.transport import Transport
from headway.store.records import Records
from tests.by_broker import by_protocol
from tests.by_hand import HERE
from tests.by_records import claim
from tests.processes import ROOT, Valkey

ADDRESS = "ada@example.com"
EMBED = b"what follows the arguments"

pytestmark = pytest.mark.usefixtures("no_app_is_active_from_elsewhere")


@pytest.fixture(scope="module")
def one_app(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    folder = tmp_path_factory.mktemp("data")
    return create_app(
        {"REDIS_URL": valkey.url, "DATA_DIR": str(folder), "SECRET_KEY": "a secret for the tests"}
    )


@pytest.fixture
def app(one_app: Flask, redis_url: str) -> Flask:
    """One app for all tests here: Celery's pools stay open as long as their app is there."""
    return one_app


@pytest.fixture
def celery(app: Flask) -> Celery:
    app.extensions["headway"].celery.set_current()
    return app.extensions["headway"].celery


def started(client: FlaskClient, name: str, **args: str) -> str:
    response = client.post("/tasks", json={"name": name, "args": args})
    assert response.status_code == 202, response.text
    return str(response.get_json()["task_id"])


def phase(client: FlaskClient, task_id: str) -> str:
    return str(client.get(f"/status/{task_id}").get_json()["phase"])


def purge(celery: Celery, queue: str = "celery") -> int:
    with celery.connection_for_write() as connection:
        return int(connection.default_channel.queue_purge(queue))


# Purging


def test_celery_purge_cancels_what_it_removes_from_all_queues(
    client: FlaskClient, env: dict[str, str]
):
    tasks = [started(client, "long_task") for _ in range(4)] + [
        started(client, "send_async_email", email=ADDRESS)
    ]

    command = [sys.executable, "-m", "celery", "-A", "worker", "purge", "-f"]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | env, capture_output=True, text=True, timeout=60
    )

    assert "Purged 5 messages from 2 known task queues" in done.stdout, done
    assert [phase(client, task) for task in tasks] == ["cancelled"] * 5


def test_what_is_purged_is_not_sent_again(client: FlaskClient, records: Records, celery: Celery):
    task = started(client, "long_task")

    assert purge(celery) == 1

    assert records.maintenance.unconfirmed() == {}
    assert records.client.zscore("headway:outbox", task) is None


def test_what_runs_waits_for_later_or_is_in_another_queue_is_not_purged(
    client: FlaskClient, records: Records, celery: Celery
):
    running = started(client, "long_task")
    records.client.lpush("celery", records.client.lindex("celery", 0))  # its message has come twice
    records.client.rpop("celery")
    assert claim(records, running, HERE) == "claimed"
    later = client.post("/tasks", json={"name": "long_task", "countdown": 60}).get_json()["task_id"]
    other = started(client, "send_async_email", email=ADDRESS)

    assert purge(celery) == 1

    assert [phase(client, task) for task in (running, later, other)] == [
        "running",
        "scheduled",
        "queued",
    ]


@pytest.mark.parametrize("priority", [0, 3, 9])
def test_a_task_without_a_record_is_cancelled_too(celery: Celery, redis_url: str, priority: int):
    result = celery.tasks["long_task"].apply_async(priority=priority)

    assert purge(celery) == 1

    assert AsyncResult(result.id, app=celery).state == "REVOKED"


@pytest.fixture
def protocol_1(celery: Celery) -> Iterator[None]:
    with by_protocol(1, celery):
        yield


def test_a_task_of_protocol_1_is_cancelled_and_its_chord_ends(
    celery: Celery, redis_url: str, protocol_1: None
):
    task = celery.tasks["long_task"]
    alone = task.apply_async()
    body = chord([task.si()])(task.si())

    assert purge(celery) == 2

    assert AsyncResult(alone.id, app=celery).state == "REVOKED"
    assert AsyncResult(body.id, app=celery).state == "FAILURE"


def test_a_message_that_cannot_be_read_is_purged_as_well(celery: Celery, records: Records):
    celery.tasks["long_task"].apply_async(task_id="unreadable")
    records.client.lset(
        "celery",
        0,
        records.client.lindex("celery", 0).replace("application/json", "application/x-no"),
    )
    records.client.lpush(
        "celery", '{"body": "", "properties": {"delivery_info": {}, "delivery_tag": "x"}}'
    )

    assert purge(celery) == 2

    assert AsyncResult("unreadable", app=celery).state == "REVOKED"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (EMBED, b"null"),
        (EMBED, b"5"),
        (b"{", b"no JSON {"),
        (b'"id": "odd"', b'"id": 5'),
        (b'"headers": {', b'"headers": [], "others": {'),
    ],
)
def test_an_odd_message_leaves_no_other_one_uncancelled(
    celery: Celery, records: Records, old: bytes, new: bytes
):
    celery.tasks["long_task"].apply_async(task_id="odd")
    message = records.client.lpop("celery")
    records.client.lpush("celery", rewritten(message, old, new))
    tasks = [celery.tasks["long_task"].apply_async() for _ in range(2)]
    records.client.lmove("celery", "celery", "RIGHT", "LEFT")  # it is in between

    assert purge(celery) == 3

    assert [AsyncResult(task.id, app=celery).state for task in tasks] == ["REVOKED"] * 2


def rewritten(message: str, old: bytes, new: bytes) -> bytes:
    """Return a queued message with a part of it, or of its body, replaced once."""
    if old != EMBED:
        assert old in message.encode()
        return message.encode().replace(old, new, 1)
    fields = json.loads(message)
    args, kwargs, _ = json.loads(base64.b64decode(fields["body"]))
    fields["body"] = base64.b64encode(json.dumps([args, kwargs, json.loads(new)]).encode()).decode()
    return json.dumps(fields).encode()


def test_a_chord_whose_part_is_purged_ends(celery: Celery, redis_url: str):
    task = celery.tasks["long_task"]
    body = chord([task.si()])(task.si())

    assert purge(celery) == 1

    assert AsyncResult(body.id, app=celery).state == "FAILURE"


# Closing


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    connection = Connection(redis_url, transport_options={"socket_timeout": 2})
    yield connection
    connection.release()


def test_a_worker_uses_this_transport(celery: Celery):
    assert isinstance(celery.backend, LiveBackend)
    with celery.connection_for_read() as connection:
        assert isinstance(connection.transport, Transport)


@pytest.mark.parametrize("lost", ["client", "connection"])
def test_a_channel_that_has_lost_its_connection_closes_with_a_connection_error(
    connection: Connection, lost: str
):
    channel = connection.default_channel
    had = channel.connection, channel.connection.client
    if lost == "client":
        channel.connection.client = None
    else:
        channel.connection = None

    with pytest.raises(connection.connection_errors):
        channel._connparams()

    channel.connection = had[0]
    channel.connection.client = had[1]


def test_a_connection_that_was_half_collected_can_be_closed(connection: Connection):
    """As in `Consumer.on_connection_error_after_connected`, where an AttributeError would end
    the worker.
    """
    with connection.SimpleQueue("celery") as queue:
        queue.put("message")
    channel = connection.default_channel
    message = channel.basic_get("celery")
    assert channel.qos._delivered == {message.delivery_tag: message}
    channel._disconnect_pools()
    channel._close_clients()
    connection.transport.client = None  # `collect` came as far as this

    ignore_errors(connection, connection.close)


def test_a_channel_that_cannot_be_closed_leaves_no_other_open(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
):
    channels = [connection.channel() for _ in range(3)]
    lost = connection.connection_errors[0]

    def fail() -> None:
        raise lost("The connection to the broker has been closed.")

    monkeypatch.setattr(channels[1], "close", fail)

    connection.release()

    assert [channel.closed for channel in channels] == [True, False, True]


# Queues


def test_a_worker_without_options_takes_all_queues(celery: Celery):
    assert set(celery.amqp.queues.consume_from) == set(QUEUES)


@pytest.mark.parametrize(
    ("setting", "queues"),
    [([], ",".join(QUEUES)), (["QUEUES=mail"], "mail"), (["QUEUES=celery,other"], "celery,other")],
)
def test_make_worker_takes_all_queues_or_those_it_is_told(setting: list[str], queues: str):
    shown = subprocess.run(
        ["make", "-n", "worker", *setting],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout

    assert f" -Q {queues} " in shown
