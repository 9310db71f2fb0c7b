"""When a message is due and when it expires: times that are none are refused where they are
given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction
from itertools import product
from math import inf, nan
from typing import Any

import pytest
from celery import Task, group

from headway.celery.messages.captured import due_time
from headway.celery.storing.fencing import FENCE
from headway.celery.worker.delivery import LiveRequest
from headway.registry import task
from headway.store.records import Records
from tests import plain_celery as plain
from tests.by_broker import Hand

NOW = datetime.now(UTC)
FAR_EAST = timezone(timedelta(hours=14))


@pytest.mark.parametrize("countdown", [nan, inf, -inf, 1e12, -1e12, 1e308, 10**400])
def test_a_countdown_that_is_no_time_is_refused_by_the_sender(hand: Hand, countdown: float):
    with pytest.raises(ValueError, match="countdown is out of range"):
        plain.add.apply_async((1, 2), countdown=countdown)

    assert hand.redis.zcard("headway:outbox") == hand.redis.llen("celery") == 0


# What a client sends: its tasks are Celery's own, or it knows but their names.
SENDS: dict[str, Callable[..., Any]] = {
    "apply_async": lambda **time: Task.apply_async(plain.add, (1, 2), **time),
    "send_task": lambda **time: plain.celery.send_task("tests.unknown", (1, 2), **time),
    "signature": lambda **time: plain.celery.signature("tests.unknown").apply_async(**time),
    "group": lambda **time: group(
        plain.celery.signature("tests.unknown").set(**time), app=plain.celery
    ).apply_async(),
}


@pytest.mark.parametrize("seconds", [nan, inf, 1e12, 10**400])
@pytest.mark.parametrize("send", SENDS)
def test_a_time_that_is_none_is_named_to_a_client_too(
    hand: Hand, monkeypatch: pytest.MonkeyPatch, send: str, seconds: float
):
    amqp = plain.celery.amqp
    for protocol, name in product((1, 2), ("countdown", "expires")):
        monkeypatch.setitem(amqp.__dict__, "create_task_message", amqp.task_protocols[protocol])
        with pytest.raises(ValueError, match=re.escape(f"{name} is out of range: {seconds!r:.20}")):
            SENDS[send](**{name: seconds})

    assert hand.redis.zcard("headway:outbox") == hand.redis.llen("celery") == 0


def test_another_mistake_of_a_send_is_told_as_celery_tells_it(hand: Hand):
    with pytest.raises(ValueError, match="tomo"):
        plain.celery.send_task("tests.unknown", expires="tomorrow", countdown=5)


@pytest.mark.parametrize(
    ("time", "error"),
    [
        ({"countdown": "5"}, TypeError),
        ({"countdown": timedelta(seconds=5)}, TypeError),
        ({"countdown": [1]}, TypeError),
        ({"eta": "tomorrow"}, ValueError),
        ({"eta": 5}, TypeError),
        ({"eta": 1e12}, TypeError),
        ({"eta": timedelta(seconds=5)}, TypeError),
        ({"expires": nan, "countdown": 60}, ValueError),
        ({"expires": "tomorrow", "countdown": 60}, ValueError),
        ({"expires": inf, "countdown": 60}, ValueError),
        ({"expires": timedelta(seconds=5), "countdown": 60}, TypeError),
    ],
)
def test_what_is_no_time_is_refused_by_the_sender(
    hand: Hand, time: dict[str, Any], error: type[Exception]
):
    with pytest.raises(error):
        plain.add.apply_async((1, 2), **time)

    assert hand.redis.zcard("headway:outbox") == hand.redis.llen("celery") == 0


@pytest.mark.parametrize("countdown", [0, None, -1, -1e9, 0.0, False])
def test_a_countdown_that_is_over_sends_at_once(hand: Hand, countdown: float | None):
    plain.add.apply_async((1, 2), countdown=countdown)

    assert hand.take().headers["eta"] is None


@pytest.mark.parametrize(
    "eta", [NOW - timedelta(days=5), datetime(1, 1, 1), "2020-01-01T00:00:00Z", date(2020, 1, 1)]
)
def test_an_eta_that_is_past_sends_at_once(hand: Hand, eta: Any):
    result = plain.add.apply_async((1, 2), eta=eta)

    assert hand.take().headers["id"] == result.id
    assert (hand.phase(result.id), hand.keep()) == ("queued", [])


@pytest.mark.parametrize(
    ("time", "micros"),
    [
        ({"countdown": 1.5}, "+1500000"),
        ({"countdown": -1.5}, ""),
        ({"countdown": Fraction(1, 2)}, "+500000"),
        ({"countdown": True}, "+1000000"),
        ({"eta": datetime(2030, 1, 1, 14, tzinfo=FAR_EAST)}, "1893456000000000"),
        ({"eta": datetime(2030, 1, 1)}, "1893456000000000"),
        ({"eta": "2030-01-01T00:00:00"}, "1893456000000000"),
        ({"eta": date(2030, 1, 1)}, "1893456000000000"),
        ({"eta": datetime(9999, 12, 31, tzinfo=UTC)}, "253402214400000000"),
        ({"countdown": 2, "eta": datetime(2030, 1, 1)}, "+2000000"),  # as stock
        ({"countdown": 0, "eta": datetime(2030, 1, 1)}, "1893456000000000"),
    ],
)
def test_when_a_message_is_due(time: dict[str, Any], micros: str):
    assert due_time(time.get("countdown"), time.get("eta"), plain.celery) == micros


def test_the_last_day_of_all_can_be_waited_for(hand: Hand):
    result = plain.add.apply_async((1, 2), eta=datetime(9999, 12, 31, 23, 59, 59))

    [stored] = hand.records.read([result.id])
    assert json.loads(stored.snapshot)["scheduled_for"] == "9999-12-31T23:59:59.000Z"


@pytest.mark.parametrize("kind", ["int", "float", "datetime", "text"])
@pytest.mark.parametrize("countdown", [60, None])
def test_a_message_expires_when_its_first_sending_said_so(
    hand: Hand, kind: str, countdown: float | None
):
    at = datetime.now(UTC) + timedelta(seconds=30)
    expires = {"int": 30, "float": 30.5, "datetime": at, "text": at.isoformat()}[kind]
    result = plain.add.apply_async((1, 2), countdown=countdown, expires=expires)
    if countdown:
        hand.redis.zadd("headway:outbox", {result.id: 1})
        assert hand.keep() == [result.id]
    first = hand.take()

    left = datetime.fromisoformat(first.headers["expires"]) - datetime.now(UTC)
    assert timedelta(seconds=20) < left < timedelta(seconds=31)


@pytest.mark.parametrize("kind", ["sent so", "declared so"])
@pytest.mark.parametrize("way", ["lost", "given back"])
def test_what_has_begun_in_time_expires_no_more(
    hand: Hand, kind: str, way: str, monkeypatch: pytest.MonkeyPatch
):
    if kind == "declared so":
        monkeypatch.setattr(plain.add, "expires", 30)
        monkeypatch.setattr(plain.add, "_exec_options", None)  # Celery keeps them
    result = plain.add.apply_async((1, 2), **({"expires": 30} if kind == "sent so" else {}))
    first = hand.take()
    request = received(first)
    assert request.is_spent  # though it is unacknowledged: a broker drops what has expired
    assert hand.claim(first) == "claimed"
    if way == "lost":
        hand.lose_worker(result.id)
    else:
        token = first.headers[FENCE]
        hand.backend.runs.release(result.id, token, is_sent_again=request.is_spent)
        hand.keep()

    again = hand.take()

    assert again.headers["expires"] is None
    assert not received(first, expires="2026-01-01T00:00:00+00:00").revoked()
    assert hand.phase(result.id) == "queued"


def test_what_waits_while_all_is_paused_has_not_begun(hand: Hand):
    plain.add.apply_async((1, 2), expires=30)
    first = hand.take()
    hand.redis.hset("headway:paused", "since", "2026-11-22T08:00:00.000Z")
    assert hand.claim(first) == "paused"
    hand.redis.delete("headway:paused")
    hand.keep()

    assert hand.take().headers["expires"] == first.headers["expires"]


def test_what_comes_too_late_to_begin_is_cancelled(hand: Hand):
    result = plain.add.apply_async((1, 2), expires=30)

    assert received(hand.take(), expires="2026-01-01T00:00:00+00:00").revoked()

    assert hand.phase(result.id) == "cancelled"


def received(message: Any, **headers: Any) -> LiveRequest:
    """Return the request that a worker makes of a message."""
    request = LiveRequest(
        message,
        app=plain.celery,
        task=plain.add,
        hostname="here",
        decoded=True,
        headers={**message.headers, **headers},
        body=message.decode(),
        on_ack=lambda *_: None,
    )
    return request


@pytest.fixture(scope="module")
def expiring() -> None:
    @task("Expires", expires=30)
    def expires_soon() -> None: ...


@pytest.mark.parametrize("countdown", [None, 60])
def test_a_task_that_expires_does_so_after_its_request(
    client: Any, records: Records, expiring: None, countdown: float | None
):
    body = {"name": "expires_soon", "countdown": countdown}
    key = {"Idempotency-Key": "once"}
    first = client.post("/tasks", json=body, headers=key)
    again = client.post("/tasks", json=body, headers=key)

    message, _ = records.outbox.message(first.json["task_id"])
    left = datetime.fromisoformat(message["options"]["expires"]) - datetime.now(UTC)
    assert timedelta(seconds=20) < left <= timedelta(seconds=30)
    assert again.json["task_id"] == first.json["task_id"]
    if not countdown:
        [letter] = records.client.lrange("celery", 0, -1)
        assert json.loads(letter)["headers"]["expires"] == message["options"]["expires"]
