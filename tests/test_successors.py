"""A retry or a replacement is never lost on its way: not with Redis away, not with its process
killed in between.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from celery.app.trace import build_tracer

from headway.message_headers import SEND, TITLE
from headway.store.errors import RedisUnavailable
from tests import plain_celery as plain
from tests.by_broker import Hand


@plain.celery.task(bind=True, name="tests.again", shared=False)
def again(self: Any) -> str:
    if self.request.retries < 1:
        raise self.retry(countdown=0)
    return "done"


@plain.celery.task(bind=True, name="tests.again_in_silence", shared=False)
def again_in_silence(self: Any) -> str:
    if self.request.retries < 1:
        self.retry(countdown=0, throw=False)
    return "done"


@plain.celery.task(bind=True, name="tests.replaced", shared=False)
def replaced(self: Any) -> str:
    raise self.replace(plain.add.si(1, 2))


@plain.celery.task(bind=True, name="tests.patient", shared=False, max_retries=None)
def patient(self: Any) -> None:
    raise self.retry(countdown=0)


@plain.celery.task(bind=True, name="tests.again_with_headers", shared=False)
def again_with_headers(self: Any) -> str:
    if self.request.retries < 1:
        raise self.retry(countdown=0, headers={"trace": "7"})
    return "done"


WAYS = [again, again_in_silence, replaced]


def run(message: Any) -> None:
    """Run a message as a process of the pool does."""
    task = plain.celery.tasks[message.headers["task"]]
    args, kwargs, embed = message.payload
    details = {
        "properties": message.properties,
        "delivery_info": message.delivery_info,
        "hostname": "here",
    }
    request = {**message.headers, **details, **embed, "is_eager": False}
    build_tracer(task.name, task, app=plain.celery)(message.headers["id"], args, kwargs, request)


def fail(times: int, call: Callable[..., Any], error: Exception) -> Callable[..., Any]:
    """Return a function that raises so often, and then does what it stands for."""
    left = [error] * times

    def failing(*args: Any, **kwargs: Any) -> Any:
        if left:
            raise left.pop()
        return call(*args, **kwargs)

    return failing


def phase_at_last(hand: Hand) -> str:
    """Run what is in the queue, one message after another; returns the phase that this ends in."""
    task_id = ""
    while (message := hand.take()) is not None:
        task_id = message.headers["id"]
        run(message)
    return hand.phase(task_id)


@pytest.mark.parametrize("task", WAYS)
def test_a_successor_is_sent_at_once(hand: Hand, task: Any):
    task.delay()

    assert phase_at_last(hand) == "succeeded"
    assert (hand.keep(), hand.redis.zcard("headway:outbox")) == ([], 0)


@pytest.mark.parametrize("task", WAYS)
def test_a_round_between_asking_and_ending_delays_nothing(
    hand: Hand, monkeypatch: pytest.MonkeyPatch, task: Any
):
    def after_a_round(end: Callable[..., None]) -> Callable[..., None]:
        def ended(*args: Any, **kwargs: Any) -> None:
            assert hand.keep() == []
            end(*args, **kwargs)

        return ended

    for part, end in ((hand.backend, "mark_as_retry"), (hand.backend.runs, "abandon")):
        monkeypatch.setattr(part, end, after_a_round(getattr(part, end)))
    task.delay()
    run(hand.take())

    assert hand.redis.llen("celery") == 1
    assert phase_at_last(hand) == "succeeded"


@pytest.mark.parametrize("task", WAYS)
@pytest.mark.parametrize("where", ["outbox.defer", "runs.write", "runs.abandon", "outbox.take_due"])
def test_redis_may_be_away_for_a_moment(
    hand: Hand, monkeypatch: pytest.MonkeyPatch, task: Any, where: str
):
    part, _, method = where.partition(".")
    store = getattr(hand.records, part)
    monkeypatch.setattr(store, method, fail(2, getattr(store, method), RedisUnavailable("away")))
    monkeypatch.setattr("headway.celery.storing.persistence.PAUSE_SECONDS", (0.0, 0.0))
    task_id = task.delay().id
    run(hand.take())

    if where == "outbox.take_due" and hand.redis.llen("celery") == 0:
        assert hand.keep() == [task_id]
    assert phase_at_last(hand) == "succeeded"


@pytest.mark.parametrize("task", WAYS)
def test_maintenance_sends_what_a_killed_process_has_not(
    hand: Hand, monkeypatch: pytest.MonkeyPatch, task: Any
):
    task_id = task.delay().id
    with monkeypatch.context() as killed:
        killed.setattr(hand.backend.outbox, "send_due", lambda _: None)
        run(hand.take())
    assert hand.redis.llen("celery") == 0

    assert hand.keep() == [task_id]
    assert phase_at_last(hand) == "succeeded"


@pytest.mark.parametrize("task", WAYS)
def test_what_is_taken_for_sending_and_not_sent_comes_again(
    hand: Hand, monkeypatch: pytest.MonkeyPatch, task: Any
):
    task_id = task.delay().id
    with monkeypatch.context() as killed:
        killed.setattr(hand.backend.outbox, "send", lambda *_: exec("raise OSError('killed')"))
        run(hand.take())
    assert (hand.redis.llen("celery"), hand.keep()) == (0, [])
    hand.redis.zincrby("headway:outbox", -5_000_001, task_id)

    assert hand.keep() == [task_id]
    assert phase_at_last(hand) == "succeeded"


@pytest.mark.parametrize("task", WAYS)
def test_a_run_that_is_lost_after_asking_runs_again(
    hand: Hand, monkeypatch: pytest.MonkeyPatch, task: Any
):
    task_id = task.delay().id
    with monkeypatch.context() as killed:  # before it has stored how it ends
        killed.setattr(hand.backend, "mark_as_retry", lambda *_, **__: None)
        killed.setattr(hand.backend.runs, "abandon", lambda _: None)
        killed.setattr(hand.backend.outbox, "send_due", lambda _: None)
        run(hand.take())
    assert (hand.phase(task_id), hand.keep()) == ("running", [])

    hand.lose_worker(task_id)

    assert phase_at_last(hand) == "succeeded"
    [stored] = hand.records.read([task_id])
    assert json.loads(stored.snapshot)["attempt"] == 2


def test_one_that_may_retry_for_ever_runs_again_when_its_worker_dies(hand: Hand):
    task_id = patient.delay().id
    for _ in range(6):
        run(hand.take())
    assert hand.claim(hand.take()) == "claimed"
    snapshot = hand.snapshot(task_id)
    assert snapshot["attempt"] == 7 <= snapshot["max_attempts"]

    hand.lose_worker(task_id)

    assert hand.phase(task_id) == "queued"


def test_a_retry_with_headers_of_its_own_is_of_the_same_send(hand: Hand):
    again_with_headers.apply_async(headers={TITLE: "Again"})
    first = hand.take()
    run(first)

    second = hand.take()

    kept = {name: first.headers[name] for name in (SEND, TITLE)}
    assert second.headers.items() >= {**kept, "trace": "7"}.items()
