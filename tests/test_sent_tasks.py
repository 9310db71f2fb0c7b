"""A task that Celery sends has its record from then on, where its sender has Headway's backend."""

from __future__ import annotations

import inspect
from math import inf
from typing import Any

import pytest
from celery import Task, group
from celery.app.amqp import AMQP
from flask import Flask
from kombu.exceptions import OperationalError
from kombu.messaging import Producer
from kombu.transport.redis import Channel

from headway.celery.messages.sends import load_owner_by, nobody
from headway.store.errors import RedisUnavailable
from headway.store.records import Records
from headway.store.starts import Starts
from tests import plain_celery as plain
from tests.by_broker import Hand

HEADERS = {"headway_owner": "ada", "headway_title": "Sum"}


@pytest.fixture(autouse=True)
def as_before(hand: Hand) -> Any:
    yield
    load_owner_by(nobody)
    hand.backend.recorder._away_until = -inf


def send_as_web_process(**options: Any) -> Any:
    """Send as a process does in which no worker has made the tasks live ones."""
    return Task.apply_async(plain.add, (1, 2), headers=HEADERS, **options)


def kept(hand: Hand, task_id: str, *names: str) -> list[Any]:
    return list(hand.redis.hmget(f"headway:task:{task_id}", names))


@pytest.mark.parametrize(
    ("options", "phase", "queue"),
    [
        ({}, "queued", "celery"),
        ({"queue": "other"}, "queued", "other"),
        ({"ignore_result": True}, "queued", "celery"),
        ({"compression": "gzip"}, "queued", "celery"),
        ({"serializer": "pickle"}, "queued", "celery"),
        ({"priority": 3}, "queued", "celery"),
        ({"exchange": "topics", "routing_key": "a.b"}, "queued", None),
        ({"countdown": 60}, "scheduled", None),
    ],
)
def test_it_is_on_its_owners_page_at_once(
    hand: Hand, options: dict[str, Any], phase: str, queue: str | None
):
    task_id = send_as_web_process(**options).id

    snapshot = hand.snapshot(task_id)
    assert (snapshot["phase"], snapshot["queue"], snapshot["title"]) == (phase, queue, "Sum")
    assert (snapshot["name"], snapshot["attempt"]) == ("tests.plain_celery.add", 0)
    assert hand.records.lists.page("ada", 50)[0]


def test_message_and_record_are_one_write(hand: Hand, monkeypatch: pytest.MonkeyPatch):
    def put(*_: Any, **__: Any) -> None:
        raise AssertionError("a second round trip")

    monkeypatch.setattr(Channel, "_put", put)
    task_id = plain.add.delay(1, 2).id

    message = hand.take()
    assert (message.headers["id"], message.payload[0], hand.take()) == (task_id, [1, 2], None)
    assert hand.phase(task_id) == "queued"


def test_its_claim_goes_on_with_that_record(hand: Hand):
    task_id = send_as_web_process().id
    before = hand.snapshot(task_id)

    assert hand.claim(hand.take()) == "claimed"

    after = hand.snapshot(task_id)
    assert (after["phase"], after["attempt"], after["title"]) == ("running", 1, "Sum")
    assert (after["created_at"], after["version"] > before["version"]) == (
        before["created_at"],
        True,
    )
    assert kept(hand, task_id, "owner") == ["ada"]


def test_a_worker_may_be_faster(hand: Hand, monkeypatch: pytest.MonkeyPatch):
    publish = Producer.publish
    task_ids = []

    def publish_and_claim(self: Any, *args: Any, **options: Any) -> Any:
        sent = publish(self, *args, **options)
        task_ids.append(options["headers"]["id"])
        assert hand.claim(hand.take()) == "claimed"
        return sent

    monkeypatch.setattr(Producer, "publish", publish_and_claim)
    monkeypatch.setattr(hand.backend.recorder, "encoder", None)  # as with a broker elsewhere
    send_as_web_process()

    assert hand.phase(task_ids[0]) == "running"


def test_a_view_tells_its_visitor_at_once(app: Flask, hand: Hand):
    @app.post("/own-view")
    def view() -> dict[str, str]:
        return {"task_id": plain.add.delay(1, 2).id}

    ada = app.test_client()
    bob = app.test_client()
    for client in (ada, bob):
        client.get("/")
    task_id = ada.post("/own-view").get_json()["task_id"]

    assert ada.get(f"/status/{task_id}").get_json()["phase"] == "queued"
    assert bob.get(f"/status/{task_id}").status_code == 404


def test_each_task_of_a_group_has_one(hand: Hand):
    result = group(plain.add.s(n, n) for n in range(3)).apply_async()

    assert [hand.phase(one.id) for one in result.results] == ["queued"] * 3


def test_what_a_foreign_process_sends_has_one_from_its_claim(hand: Hand):
    task_id = plain.stock.send_task("tests.plain_celery.add", (1, 2), headers=HEADERS).id

    assert hand.phase(task_id) == "none"
    assert hand.claim(hand.take()) == "claimed"
    assert kept(hand, task_id, "owner", "title") == ["ada", '"Sum"']


def test_what_headway_starts_is_sent_once(app: Flask, hand: Hand, records: Records):
    client = app.test_client()
    client.get("/")

    started = client.post("/tasks", json={"name": "long_task"}).get_json()

    assert records.client.llen("celery") == 1
    assert hand.phase(started["task_id"]) == "queued"
    assert kept(hand, started["task_id"], "message") != [None]


@pytest.mark.parametrize("is_elsewhere", [False, True])
def test_without_redis_it_is_sent_all_the_same(
    hand: Hand, monkeypatch: pytest.MonkeyPatch, is_elsewhere: bool
):
    if is_elsewhere:
        monkeypatch.setattr(hand.backend.recorder, "encoder", None)
    calls = []

    def fail(*_: Any) -> None:
        calls.append(1)
        raise RedisUnavailable("away")

    monkeypatch.setattr(Starts, "enqueue", fail)
    sent = [send_as_web_process().id for _ in range(3)]

    assert sorted(hand.take().headers["id"] for _ in sent) == sorted(sent)
    assert len(calls) == 1, "only the first one asks a Redis that is away"


def test_what_cannot_be_sent_has_none(hand: Hand, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("no broker")

    monkeypatch.setattr(Producer, "publish", fail)
    monkeypatch.setattr(hand.backend.recorder, "encoder", None)  # as with a broker elsewhere
    with pytest.raises(OperationalError):
        send_as_web_process(task_id="lost")

    assert hand.phase("lost") == "none"


def test_maintenance_takes_no_such_message_for_lost(hand: Hand):
    send_as_web_process()
    hand.redis.delete("celery")

    assert hand.records.maintenance.unconfirmed() == {}
    assert hand.keep() == []


def test_a_record_whose_message_never_arrives_goes_in_time(hand: Hand):
    task_id = send_as_web_process().id

    assert 0 < hand.redis.pttl(f"headway:task:{task_id}") <= hand.records.ttl


def test_cancelled_before_a_worker_has_it(hand: Hand):
    chord = plain.total.s().set(task_id="body")
    task_id = send_as_web_process(chord=chord, group_id="group").id

    assert hand.records.cancel(task_id).outcome == "cancelled"
    assert not hand.records.maintenance.sweep("leader").ended, "nobody knows yet who depends on it"
    assert hand.redis.zscore("headway:unnotified", task_id)
    assert hand.claim(hand.take()) == "final"

    message, title = hand.records.outbox.message(task_id) or ({}, "")
    assert (message["task"], message["args"], title) == ("tests.plain_celery.add", [1, 2], "Sum")
    assert not hand.redis.zscore("headway:unnotified", task_id), "its chord was told"


class TestForLater:
    def test_a_worker_keeps_its_message(self, hand: Hand):
        task_id = send_as_web_process(countdown=60).id
        before = hand.snapshot(task_id)

        assert hand.defer(hand.take())

        after = hand.snapshot(task_id)
        assert (after["phase"], after["title"]) == ("scheduled", "Sum")
        assert after["created_at"] == before["created_at"]
        assert after["scheduled_for"] == before["scheduled_for"]
        assert kept(hand, task_id, "owner", "message") != ["ada", None]
        assert hand.redis.zscore("headway:outbox", task_id)

    def test_cancelled_before_that_it_is_not_wanted(self, hand: Hand):
        told: list[str] = []
        hand.backend.dependents.notify_by_request = lambda request: told.append(request.id)
        task_id = send_as_web_process(countdown=60).id
        hand.records.cancel(task_id)

        assert hand.defer(hand.take())
        del hand.backend.dependents.notify_by_request

        assert (hand.phase(task_id), told) == ("cancelled", [task_id])
        assert not hand.redis.zscore("headway:outbox", task_id)

    def test_before_that_it_has_no_other_time(self, hand: Hand):
        task_id = send_as_web_process(countdown=60).id

        assert hand.records.reschedule(task_id, "").outcome == "not_waiting"


def test_celery_sends_by_what_is_replaced(hand: Hand):
    assert "_create_task_sender" in inspect.getsource(AMQP.send_task_message.func)
