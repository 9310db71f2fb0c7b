"""Work by hand: the test itself plays the worker, or a client that knows nothing of Socket.IO."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import websocket
from flask.testing import FlaskClient

from headway.celery.run.saved import Saved, numbered
from headway.celery.run.streams import NO_STREAMS
from headway.files.store import FileStore
from headway.files.types import media_type
from headway.message_headers import PARENT
from headway.questions import Asked
from headway.shapes import TaskMessage
from headway.snapshot import Phase, Snapshot
from headway.store.model import STORED, Delivery, StateWrite
from headway.store.records import Records
from tests.browser import Visitor
from tests.processes import wait_for

HERE = Delivery("test", 0)
# What a server says of itself, at each endpoint: docs/protocol.md.
SERVER_KEYS = {
    "live",
    "now",
    "workers",
    "slots",
    "queued",
    "queues",
    "paused",
    "problem",
    "labels",
}


def save_text(number: int, value: object = None, by: str = HERE.token) -> str:
    """Return the save of a run that has saved something new, or of one that repeats `by`'s."""
    return numbered(Saved(json.dumps(value), {}, {}, NO_STREAMS).as_json(), number, json.dumps(by))


def hand_task(records: Records, visitor: Visitor) -> str:
    """A task of the visitor's that no worker takes: the test plays the worker."""
    response = visitor.http.post(
        f"{visitor.address}/tasks", json={"name": "long_task", "countdown": 3600}, timeout=10
    )
    assert response.status_code == 202, response.text
    task_id = str(response.json()["task_id"])
    claim(records, task_id)
    return task_id


def claim(records: Records, task_id: str) -> None:
    message = {"task": "long_task", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
    assert (
        records.runs.claim(task_id, HERE, "run", message=message, max_attempts=4, hostname="test")
        == "claimed"
    )


def as_left(records: Records, task_id: str, *writes: tuple[Phase, dict[str, Any]]) -> None:
    """Claim a task and write these changes, as a worker that is gone since would have."""
    here = Delivery(task_id, 0)
    kept = records.outbox.message(task_id)
    assert kept is not None
    message = kept[0]
    records.runs.claim(here.token, here, "run", message=message, max_attempts=4, hostname="test")
    for phase, fields in writes:
        if phase == Phase.QUEUED:
            records.maintenance.release([(task_id, here.token)])
            here = Delivery()  # who gave it back writes no more
        change = StateWrite(
            task_id,
            here,
            phase,
            fields,  # type: ignore[arg-type]  # of any name, as tests write them
            meta="{}",
            name=message["task"],
            max_attempts=4,
            retry_in=3600.0,
        )
        assert records.runs.write(change) in STORED


def ask(records: Records, task_id: str) -> None:
    """Ask the owner something, as the run that `as_left` has begun would."""
    kept = records.outbox.message(task_id)
    assert kept is not None
    question = Asked("q", "q", "Import the new rows?", ["Import", "Skip"], None, 3600.0)
    assert records.runs.ask(task_id, Delivery(task_id), question, kept[0]) == "waiting"


def write(records: Records, task_id: str, current: int, phase: Phase = Phase.RUNNING) -> None:
    fields = {"current": current, "total": 1000}
    assert (
        records.runs.write(
            StateWrite(task_id, HERE, phase, fields, meta="{}", name="long_task", max_attempts=4)
        )
        == "written"
    )


def claimed(records: Records, message: TaskMessage) -> str:
    """Return a new task of Ada's that is claimed: the test writes in the place of its run."""
    task_id = str(uuid4())
    records.starts.create(
        owner="ada", message=message, title="Task", max_attempts=4, task_id=task_id
    )
    claim(records, task_id)
    return task_id


def start_part(records: Records, parent: str, title: str = "Part") -> str:
    """Return a part of a task, which runs: the test writes in the place of its run."""
    [stored] = records.read([parent])
    assert stored is not None
    options = {"queue": "celery", "headers": {PARENT: parent}}
    message: TaskMessage = {"task": "long_task", "args": [], "kwargs": {}, "options": options}
    started = records.starts.create(
        owner=stored.owner, message=message, title=title, max_attempts=4
    )
    claim(records, started.task_id)
    return started.task_id


def claimed_by(client: FlaskClient, records: Records) -> str:
    """Return a new task of a client's that is claimed."""
    client.get("/")
    task_id = str(client.post("/longtask").get_json()["task_id"])
    claim(records, task_id)
    return task_id


def shown(records: Records, task_id: str) -> Snapshot | None:
    """Return a task's snapshot; None where nothing is known of it."""
    [stored] = records.read([task_id])
    return Snapshot.from_json(stored.snapshot) if stored else None


def reached(records: Records, task_id: str, *phases: Phase, seconds: float = 20) -> Snapshot:
    """Return a task's snapshot once it is in one of these phases."""

    def found() -> Snapshot | None:
        now = shown(records, task_id)
        return now if now and now.phase in phases else None

    try:
        return wait_for(found, seconds)
    except AssertionError as error:
        raise AssertionError(f"{task_id} is {shown(records, task_id)}") from error


@contextmanager
def subscribed(records: Records, pattern: str) -> Iterator[Any]:
    """Give a subscription to all channels of this pattern, confirmed."""
    pubsub = records.client.pubsub(ignore_subscribe_messages=True)
    pubsub.psubscribe(pattern)
    pubsub.get_message(timeout=20)
    yield pubsub
    pubsub.close()


def published(pubsub: Any) -> list[dict[str, Any]]:
    """Return what has been published since the last call: Redis answers a ping after all of it."""
    pubsub.ping()
    messages: list[dict[str, Any]] = []
    while (message := pubsub.get_message(timeout=20))["type"] != "pong":
        messages.append(message)
    return messages


def open_websocket(address: str) -> websocket.WebSocket:
    """A Socket.IO connection that answers nothing by itself."""
    connection = websocket.create_connection(
        address.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket", timeout=20
    )
    connection.recv()
    connection.send("40")
    while not connection.recv().startswith("40"):
        pass
    return connection


def give(records: Records, store: FileStore, task_id: str, name: str, data: bytes) -> str:
    """Give out a file as a run does; returns its key."""
    stored = store.store(task_id, [data], 10_000)
    about = (name, stored.size, media_type(name, stored.head), stored.key)
    assert records.files.note(task_id, HERE, *about)[0] == "written"
    return stored.key
