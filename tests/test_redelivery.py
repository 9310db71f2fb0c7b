"""Each way in which a message comes again: what has run, or may have run, never runs a second
time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery._state import _task_stack

from headway.celery.messages import broker, sends
from headway.celery.messages.captured import request_of
from headway.celery.messages.sends import identified
from headway.message_headers import RECORDED, SEND, recorded
from headway.snapshot import Phase
from headway.store.model import Delivery, Source, StateWrite
from headway.store.records import Records
from tests import plain_celery as plain
from tests.by_broker import Hand, by_protocol, running_as


def end(hand: Hand, task_id: str, phase: Phase = Phase.SUCCEEDED) -> None:
    """End a run, as the delivery that holds it."""
    fence, generation = hand.redis.hmget(f"headway:task:{task_id}", "fence", "generation")
    write = StateWrite(task_id, Delivery(fence, int(generation)), phase, {}, "{}", "add", 4)
    assert hand.records.runs.write(write) in ("written", "cancelling")


# Ways to send, each of which leaves one message in the queue and returns its task's id


def plainly(hand: Hand) -> str:
    return str(plain.add.delay(1, 2).id)


def with_its_record(hand: Hand) -> str:
    message = plain.celery.signature(
        "tests.plain_celery.add", args=(1, 2), kwargs={}, queue="celery"
    )
    started = hand.records.starts.create(
        owner="ada",
        message=recorded(identified(message, "by-hand"), "by-hand"),
        title="Add",
        max_attempts=4,
        task_id="by-hand",
    )
    hand.redis.zadd("headway:outbox", {started.task_id: 1})
    assert hand.keep() == ["by-hand"]
    return "by-hand"


def for_later(hand: Hand) -> str:
    task_id = str(plain.add.apply_async((1, 2), countdown=60).id)
    hand.redis.zadd("headway:outbox", {task_id: 1})
    assert hand.keep() == [task_id]
    return task_id


def after_its_worker_was_lost(hand: Hand) -> str:
    task_id = plainly(hand)
    assert hand.claim(hand.take()) == "claimed"
    hand.lose_worker(task_id)
    return task_id


def after_a_retry(hand: Hand) -> str:
    task_id = plainly(hand)
    message = hand.take()
    assert hand.claim(message) == "claimed"
    retry_by(hand, message)
    end(hand, task_id, Phase.RETRYING)
    hand.redis.zadd("headway:outbox", {task_id: 1})
    assert hand.keep() == [task_id]
    return task_id


def after_its_message_was_lost(hand: Hand) -> str:
    task_id = after_its_worker_was_lost(hand)
    hand.redis.delete("celery")
    hand.records.maintenance.republish([task_id])
    assert hand.keep() == [task_id]
    return task_id


WAYS = [
    plainly,
    with_its_record,
    for_later,
    after_its_worker_was_lost,
    after_a_retry,
    after_its_message_was_lost,
]
Way = Callable[[Hand], str]


@pytest.mark.parametrize("way", WAYS)
def test_what_ran_and_expired_is_not_run_when_the_broker_gives_it_back(hand: Hand, way: Way):
    task_id = way(hand)
    message = hand.take()
    assert hand.claim(message) == "claimed"

    hand.let_record_expire(task_id)  # before its message is acknowledged: its worker was killed
    assert hand.unacked() == [task_id]
    hand.let_time_pass()

    assert hand.claim(hand.take()) == "expired"
    assert hand.phase(task_id) == "none"


@pytest.mark.parametrize("way", WAYS)
def test_what_ran_and_ended_leaves_the_brokers_hands_with_its_end(hand: Hand, way: Way):
    task_id = way(hand)
    assert hand.claim(hand.take()) == "claimed"

    end(hand, task_id)  # and its worker is killed before it acknowledges

    assert hand.unacked() == []
    assert hand.redis.zcard("unacked_index") == 0


@pytest.mark.parametrize("way", WAYS)
def test_what_is_given_to_somebody_else_leaves_the_hands_of_its_dead_worker(hand: Hand, way: Way):
    task_id = way(hand)
    assert hand.claim(hand.take()) == "claimed"
    hand.lose_worker(task_id)

    assert hand.unacked() == []
    assert hand.claim(hand.take()) == "claimed"
    assert hand.unacked() == [task_id]


@pytest.mark.parametrize("way", [plainly, with_its_record, for_later])
def test_what_never_began_runs_when_the_broker_gives_it_back(hand: Hand, way: Way):
    task_id = way(hand)
    hand.take()  # by a worker that is killed before it has begun
    hand.let_time_pass()

    assert hand.claim(hand.take()) == "claimed"
    assert hand.phase(task_id) == "running"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED])
def test_a_second_copy_of_one_send_is_dropped_after_the_end(hand: Hand, way: Way, phase: Phase):
    task_id = way(hand)
    hand.redis.lpush("celery", hand.redis.lindex("celery", 0))
    assert hand.claim(hand.take()) == "claimed"
    end(hand, task_id, phase)

    assert hand.claim(hand.take()) == "final"


def retry_by(hand: Hand, message: Any) -> None:
    """Ask for the next attempt as a run of `message` does."""
    with running_as(plain.add, message):
        _task_stack.push(plain.add)
        plain.add.signature_from_request(plain.add.request, countdown=60, retries=1).apply_async()
        _task_stack.pop()


def test_what_waits_for_its_next_attempt_is_no_longer_in_the_hands_of_the_last(hand: Hand):
    task_id = plainly(hand)
    message = hand.take()
    hand.claim(message)
    retry_by(hand, message)

    end(hand, task_id, Phase.RETRYING)  # and its worker is killed before it acknowledges

    assert hand.unacked() == []


def test_a_successor_that_overtakes_takes_its_predecessors_message_out_of_the_brokers_hands(
    hand: Hand,
):
    task_id = plainly(hand)
    message = hand.take()
    hand.claim(message)
    retry_by(hand, message)  # and its worker is killed before it says that it retries
    hand.redis.zrem("headway:leases", task_id)
    hand.redis.zadd("headway:outbox", {task_id: 1})
    assert hand.keep() == [task_id]

    assert hand.claim(hand.take()) == "claimed"

    assert hand.unacked() == [task_id]  # the successor's alone
    assert hand.redis.zcard("unacked_index") == 1


def test_what_a_dead_worker_never_began_is_withdrawn_when_it_is_sent_again(hand: Hand):
    kept = plainly(hand)
    gone = with_its_record(hand)
    for _ in range(2):
        hand.take()

    broker.withdraw(plain.celery, {gone})

    assert hand.unacked() == [kept]
    assert hand.redis.zcard("unacked_index") == 1


def test_a_message_for_later_is_acknowledged_as_it_is_kept(hand: Hand):
    plain.stock.send_task("tests.plain_celery.add", (1, 2), task_id="later", countdown=60)
    message = hand.take()

    assert hand.defer(message)

    assert hand.unacked() == []
    assert hand.phase("later") == "scheduled"


def test_a_message_for_later_that_comes_again_is_kept_once(hand: Hand):
    plain.stock.send_task("tests.plain_celery.add", (1, 2), task_id="later", countdown=60)
    hand.redis.lpush("celery", hand.redis.lindex("celery", 0))
    hand.defer(hand.take())
    hand.redis.zadd("headway:outbox", {"later": 1})
    assert hand.keep() == ["later"]

    hand.defer(hand.take())

    assert hand.claim(hand.take()) == "claimed"
    assert hand.take() is None


# A new send is no redelivery


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED])
@pytest.mark.parametrize("way", [plainly, with_its_record, for_later, after_a_retry])
def test_a_new_send_of_an_id_whose_task_has_ended_runs(hand: Hand, way: Way, phase: Phase):
    task_id = way(hand)
    hand.claim(hand.take())
    end(hand, task_id, phase)

    plain.add.apply_async((3, 4), task_id=task_id)

    assert hand.claim(hand.take()) == "claimed"
    assert hand.phase(task_id) == "running"
    attempt, failures, error, finished = hand.redis.hmget(
        f"headway:task:{task_id}", "attempt", "failures", "error", "finished_at"
    )
    assert (attempt, failures, error, finished) == ("1", "0", "null", "null")
    end(hand, task_id)


def test_a_new_send_for_later_waits_and_runs(hand: Hand):
    task_id = plainly(hand)
    hand.claim(hand.take())
    end(hand, task_id)

    plain.add.apply_async((3, 4), task_id=task_id, countdown=60)

    assert hand.phase(task_id) == "scheduled"
    hand.redis.zadd("headway:outbox", {task_id: 1})
    assert hand.keep() == [task_id]
    assert hand.claim(hand.take()) == "claimed"
    claimed = hand.snapshot(task_id)
    end(hand, task_id)
    for shown in (claimed, hand.snapshot(task_id)):
        assert shown["name"] == shown["title"] == "tests.plain_celery.add"
        assert (shown["attempt"], shown["max_attempts"], shown["failures"]) == (1, 4, 0)


def test_a_new_send_for_later_of_what_has_not_ended_is_an_error(hand: Hand):
    task_id = plainly(hand)
    hand.claim(hand.take())

    with pytest.raises(ValueError, match="has not ended"):
        plain.add.apply_async((3, 4), task_id=task_id, countdown=60)


def test_a_former_send_stays_done_when_it_comes_again_after_a_later_one(hand: Hand):
    task_id = plainly(hand)
    first = hand.redis.lindex("celery", 0)
    hand.claim(hand.take())
    end(hand, task_id)
    plain.add.apply_async((3, 4), task_id=task_id)
    hand.claim(hand.take())
    end(hand, task_id)

    hand.redis.lpush("celery", first)

    assert hand.claim(hand.take()) == "stale"


def test_a_new_send_is_not_stopped_by_the_former_ones_effect(hand: Hand):
    task_id = plainly(hand)
    hand.claim(hand.take())
    fence = hand.redis.hget(f"headway:task:{task_id}", "fence")
    about = ("charge", "one", "begin")
    assert hand.records.effects.advance_effect(task_id, Delivery(fence), *about)[0] == "written"
    end(hand, task_id)

    plain.add.apply_async((3, 4), task_id=task_id)
    hand.claim(hand.take())

    fence = hand.redis.hget(f"headway:task:{task_id}", "fence")
    about = ("charge", "two", "begin")
    assert hand.records.effects.advance_effect(task_id, Delivery(fence), *about)[0] == "written"


# The id of a send


def published(headers: dict[str, Any]) -> dict[str, Any]:
    sends.identify(headers)
    return headers


def test_each_send_of_a_client_has_an_id_of_its_own():
    first = published({"id": "job"})
    second = published({"id": "job"})

    assert first[SEND] != second[SEND]
    assert RECORDED not in first


def test_a_run_that_is_repeated_sends_its_callbacks_with_the_same_id(hand: Hand):
    plainly(hand)
    message = hand.take()
    seen = []
    for _ in range(2):
        with running_as(plain.add, message):
            _task_stack.push(plain.add)
            seen += [published({"id": "next"})[SEND], published({"id": "other"})[SEND]]
            _task_stack.pop()

    assert seen[:2] == seen[2:]
    assert seen[0] != seen[1]


def test_a_runs_headers_that_are_passed_on_do_not_say_that_another_task_had_a_record(hand: Hand):
    task_id = with_its_record(hand)
    headers = hand.take().headers
    plain.add.apply_async(
        (1, 2), task_id="other", headers={RECORDED: headers[RECORDED], SEND: headers[SEND]}
    )

    assert headers[RECORDED] == task_id
    assert hand.claim(hand.take()) == "claimed"


def test_a_stock_clients_second_send_cannot_be_told_from_a_redelivery(hand: Hand):
    for _ in range(2):
        plain.stock.send_task("tests.plain_celery.add", (1, 2), task_id="stock")
        message = hand.redis.lindex("celery", 0)
        # this process is no stock client; take its mark away
        assert SEND in json.loads(message)["headers"]
        hand.redis.lset("celery", 0, message.replace(f'"{SEND}"', '"another"'))
    assert hand.claim(hand.take()) == "claimed"
    end(hand, "stock")

    assert hand.claim(hand.take()) == "final"


@pytest.mark.parametrize("headers", [{}, {"id": "x"}, {"lang": "py", "id": "x"}])
def test_a_message_that_is_marked_can_still_be_read(records: Records, headers: dict[str, str]):
    message = {"body": "", "headers": headers, "properties": {}}
    records.client.hset("unacked", "tag", json.dumps([message, "", "celery"]))
    signature = {"task": "add", "args": [], "kwargs": {}, "options": {}}
    held = Source(held="unacked unacked_index tag")

    records.runs.claim(
        "x", Delivery("run"), "run", message=signature, max_attempts=4, hostname="here", source=held
    )

    [marked, *_] = json.loads(str(records.client.hget("unacked", "tag")))
    assert marked == {**message, "headers": {**headers, RECORDED: "x"}}


@pytest.fixture
def old_protocol() -> Iterator[None]:
    with by_protocol(1, plain.celery):
        yield


def test_a_message_of_protocol_1_that_waits_is_not_missed(hand: Hand, old_protocol: None):
    plain.add.apply_async((1, 2), task_id="old")

    assert broker.missing(plain.celery, "celery", ["old", "other"]) == {"other"}


def test_a_message_of_protocol_1_says_that_it_had_a_record(hand: Hand, old_protocol: None):
    plain.add.apply_async((1, 2), task_id="old")
    request = request_of(hand.take())
    assert not hand.backend.claims.source_of(request).recorded
    request.properties["delivery_tag"] = hand.redis.hkeys("unacked")[0]
    task = plain.celery.tasks["tests.plain_celery.add"]
    task.request_stack.push(request)
    try:
        assert hand.backend.claims.claim("old", task) == "claimed"
    finally:
        task.request_stack.pop()

    hand.let_record_expire("old")
    hand.let_time_pass()

    assert hand.backend.claims.source_of(request_of(hand.take())).recorded
