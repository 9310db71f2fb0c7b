"""A message that waits for its time is the one that stock Celery sends, whatever `apply_async`
was given.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from celery import Celery, Task, chord, group
from celery.beat import ScheduleEntry, Scheduler
from celery.schedules import schedule
from kombu import Connection, Exchange, Queue
from kombu.exceptions import EncodeError

from headway.celery.messages.captured import CapturingTransport
from headway.celery.task import LiveTask
from headway.message_headers import RECORDED, SEND
from tests import plain_celery as plain
from tests.by_broker import Hand

IN_A_DAY = datetime.now(UTC) + timedelta(days=1)
OTHER_EACH_TIME = {"id", "root_id", "origin", SEND, RECORDED}
OPTIONS: dict[str, Any] = {
    "none": {},
    "queue": {"queue": "other"},
    "a Queue": {"queue": Queue("other")},
    "a Queue of an exchange": {"queue": Queue("other", Exchange("direct"), routing_key="key")},
    "a topic Queue": {"queue": Queue("other", Exchange("topics", type="topic"), routing_key="a.#")},
    "exchange": {"exchange": "topics", "routing_key": "a.b"},
    "an Exchange": {"exchange": Exchange("topics", type="topic"), "routing_key": "a.b"},
    "declare": {"declare": [Queue("other")]},
    "priority": {"priority": 3},
    "headers": {"headers": {"when": IN_A_DAY, "who": UUID(int=1), "n": 1}},
    "stamps": {"stamped_headers": ["stamp"], "stamp": "value"},
    "links": {"link": plain.add.s(1), "link_error": [plain.note.s("x")]},
    "chord": {"chord": plain.total.s(), "group_id": "group", "group_index": 2},
    "limits": {"time_limit": 60, "soft_time_limit": 30},
    "expires at": {"expires": IN_A_DAY},
    "expires as text": {"expires": IN_A_DAY.isoformat()},
    "no result": {"ignore_result": True},
    "shadow": {"shadow": "other name"},
    "reply_to": {"reply_to": "someone"},
    "compression": {"compression": "gzip"},
    "retry": {"retry": True, "retry_policy": {"max_retries": 1}},
    "hidden arguments": {"argsrepr": "(***)", "kwargsrepr": "{***}"},
    "parents": {"root_id": "root", "parent_id": "parent", "add_to_parent": False},
    "nesting": {"replaced_task_nesting": 2, "retries": 3},
}


def stock_message(options: dict[str, Any]) -> dict[str, Any]:
    """Return what stock Celery sends."""
    with Connection(transport=CapturingTransport) as connection:
        producer = plain.celery.amqp.Producer(connection, auto_declare=False)
        Task.apply_async(plain.add, (1, 2), {}, producer=producer, **options)
        return connection.transport.captured


def sent_later(hand: Hand, task_id: str) -> dict[str, Any]:
    """Have a kept message's time come, and return what is sent."""
    sent: list[dict[str, Any]] = []
    hand.redis.zadd("headway:outbox", {task_id: 1})
    [(due, message)] = hand.records.maintenance.sweep("leader").due
    assert due == task_id
    with (
        Connection(transport=CapturingTransport) as connection,
        pytest.MonkeyPatch.context() as patch,
    ):
        producer = plain.celery.amqp.Producer(connection, auto_declare=False)
        patch.setattr(plain.celery, "producer_or_acquire", lambda _=None: producer)
        hand.backend.outbox.send(task_id, message)
        sent.append(connection.transport.captured)
    return sent[0]


def essence(message: dict[str, Any]) -> dict[str, Any]:
    headers = {
        key: value for key, value in message["headers"].items() if key not in OTHER_EACH_TIME
    }
    headers["stamped_headers"] = headers["stamped_headers"] or []
    properties = message["properties"]
    there = {key: properties[key] for key in ("priority", "reply_to", "delivery_info")}
    return {"headers": headers, "body": message["body"], **there}


@pytest.mark.parametrize("name", OPTIONS)
def test_what_is_sent_later_is_what_stock_celery_sends(hand: Hand, name: str):
    options = OPTIONS[name] if "root_id" in OPTIONS[name] else {**OPTIONS[name], "root_id": "root"}
    stock = essence(stock_message({"reply_to": "someone", **options}))

    result = plain.add.apply_async((1, 2), {}, countdown=60, **{"reply_to": "someone", **options})

    assert hand.phase(result.id) == "scheduled"
    assert hand.redis.llen("celery") == 0
    ours = essence(sent_later(hand, result.id))
    if name == "compression":  # of the first send alone, as Celery's own retries have it
        assert stock["headers"].pop("compression") == "application/x-gzip"
        stock["body"] = ours["body"]
    different = {key: (ours[key], stock[key]) for key in stock if ours[key] != stock[key]}
    assert different == {}
    assert ours["headers"] == stock["headers"]


@pytest.mark.parametrize("kind", ["producer", "publisher", "connection"])
def test_a_connection_to_the_same_broker_makes_no_difference(hand: Hand, kind: str):
    with plain.celery.connection_for_write() as connection:
        given = connection if kind == "connection" else plain.celery.amqp.Producer(connection)
        result = plain.add.apply_async((1, 2), countdown=60, **{kind: given})

    assert hand.phase(result.id) == "scheduled"


@pytest.mark.parametrize("kind", ["producer", "connection"])
def test_a_message_for_another_broker_goes_there(hand: Hand, redis_url: str, kind: str):
    with Connection(redis_url.replace("/0", "/5")) as connection:
        given = connection if kind == "connection" else plain.celery.amqp.Producer(connection)
        result = plain.add.apply_async((1, 2), countdown=60, **{kind: given})
        with connection.SimpleQueue("celery") as queue:
            headers = queue.get(timeout=20).headers

    assert (headers["id"], bool(headers["eta"])) == (result.id, True)
    assert hand.phase(result.id) == "none"


def test_where_no_worker_sees_to_the_outbox_a_message_is_sent_as_celery_sends_it(hand: Hand):
    hand.redis.set("headway:last_sweep", hand.records.clock.now() - 61_000_000)

    result = plain.add.apply_async((1, 2), countdown=60)

    message = hand.take()
    assert (message.headers["id"], hand.phase(result.id)) == (result.id, "scheduled")
    assert hand.defer(message)  # by a worker that comes later
    assert hand.phase(result.id) == "scheduled"


CANVAS = {
    "group": lambda: group([plain.add.s(1, 1)] * 3).apply_async(countdown=60),
    "skew": lambda: (
        group([plain.add.s(n, 1) for n in range(3)]).skew(start=60, step=60).apply_async()
    ),
    "set": lambda: group([plain.add.s(n, 1).set(countdown=60) for n in range(3)]).apply_async(),
    "chunks": lambda: (
        plain.add.chunks([(n, n) for n in range(6)], 2).group().apply_async(countdown=60)
    ),
    "chord": lambda: chord([plain.add.s(n, 1) for n in range(3)])(plain.total.s(), countdown=60),
    "chord's header": lambda: chord(
        [plain.add.s(n, 1) for n in range(3)], plain.total.s()
    ).apply_async(countdown=60),
    "set in a header": lambda: chord([plain.add.s(n, 1).set(countdown=60) for n in range(3)])(
        plain.total.s()
    ),
}


@pytest.mark.parametrize("name", CANVAS)
def test_each_part_of_a_canvas_waits_for_its_time(hand: Hand, name: str):
    CANVAS[name]()

    scores = dict(hand.redis.zrange("headway:outbox", 0, -1, withscores=True))
    seconds = sorted(round((score - hand.records.clock.now()) / 1e6) for score in scores.values())
    assert [round(each, -1) for each in seconds] == (
        [60, 120, 180] if name == "skew" else [60, 60, 60]
    )
    assert hand.redis.llen("celery") == 0


def test_a_beat_entry_with_options_waits_for_its_time(hand: Hand):
    entry = ScheduleEntry(
        "each", plain.add.name, schedule=schedule(1), args=(1, 2), app=plain.celery
    )
    entry.options = {"countdown": 60, "queue": Queue("other")}

    result = Scheduler(plain.celery, lazy=True).apply_async(entry, advance=False)

    assert hand.phase(result.id) == "scheduled"
    assert (
        json.loads(hand.redis.hget(f"headway:task:{result.id}", "message"))["options"]["queue"]
        == "other"
    )


def test_what_celery_refuses_to_send_is_refused_for_later_too(hand: Hand):
    unknown = {"compression": "odd"}
    refused = (
        (TypeError, (1, 2, 3), {}),
        (EncodeError, (object(), 1), {}),
        (KeyError, (1, 2), unknown),
    )
    for wrong, args, options in refused:
        with pytest.raises(wrong):
            plain.add.apply_async(args, countdown=60, **options)
    assert hand.redis.zcard("headway:outbox") == 0


def test_a_priority_survives_a_worker_that_keeps_a_message(hand: Hand):
    Task.apply_async(plain.add, (1, 2), countdown=60, priority=6)
    hand._channel.queue_declare("celery")
    message = next(filter(None, iter(hand.take, None)))

    assert hand.defer(message)

    assert sent_later(hand, message.headers["id"])["properties"]["priority"] == 6


def test_a_message_for_an_exchange_arrives_also_where_nobody_has_met_that_yet(
    hand: Hand, redis_url: str
):
    app = Celery(
        "topical",
        broker=redis_url,
        backend=f"headway.celery.backend.LiveBackend+{redis_url}",
        task_cls=LiveTask,
        set_as_current=False,
    )
    app.conf.task_queues = [
        Queue("celery"),
        Queue("topical", Exchange("topical", type="topic"), routing_key="a.#"),
    ]
    task = app.task(do_nothing, name="topical", shared=False)

    result = task.apply_async(countdown=60, queue="topical", routing_key="a.b")
    hand.redis.zadd("headway:outbox", {result.id: 1})
    [(task_id, message)] = hand.records.maintenance.sweep("leader").due
    app.backend.outbox.send(task_id, message)

    assert json.loads(hand.redis.lindex("topical", 0))["headers"]["id"] == result.id


def do_nothing() -> None: ...


def test_without_a_backend_of_headway_a_message_has_no_header_of_its():
    code = """
from celery import Celery, signals
from headway import progress, task
import headway.celery.backend

@signals.before_task_publish.connect
def note(headers=None, **_):
    print(*[name for name in headers if name.startswith("headway")], "-", headers["task"])

Celery("shop", broker="memory://", backend="cache+memory://").send_task("add")
"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert (done.stdout, done.stderr) == ("- add\n", "")
