"""A run that ends without its own word after it has asked for its next attempt, and how many
attempts are left then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from celery._state import _task_stack
from celery.app.task import Context
from celery.exceptions import Retry, TimeLimitExceeded

from headway.celery.later import retry_later
from headway.celery.messages.sends import waits_of
from tests.by_broker import Hand, running_as
from tests.test_successors import again, again_in_silence, phase_at_last


@contextmanager
def running_by_hand(hand: Hand, task: Any) -> Iterator[Context]:
    """Claim the next message of `task` and let it run in this thread."""
    message = hand.take()
    with running_as(task, message) as request:
        assert hand.backend.claims.claim(request.id, task) == "claimed"
        _task_stack.push(task)
        try:
            yield request
        finally:
            _task_stack.pop()


@pytest.mark.parametrize("countdown", [0, 3600])
def test_a_hard_time_limit_leaves_what_was_asked_for(hand: Hand, countdown: float):
    again_in_silence.delay()
    with running_by_hand(hand, again_in_silence) as request:
        again_in_silence.retry(countdown=countdown, throw=False)

    hand.backend.mark_as_failure(request.id, TimeLimitExceeded(1), request=request)

    shown = hand.snapshot(request.id)
    if countdown:
        assert (shown["phase"], shown["error"]["type"]) == ("retrying", "TimeLimitExceeded")
        assert shown["scheduled_for"] > shown["updated_at"]
        hand.redis.zadd("headway:outbox", {request.id: 1})
        assert hand.keep() == [request.id]
    assert phase_at_last(hand) == "succeeded"
    assert hand.snapshot(request.id)["attempt"] == 2


def test_a_hard_time_limit_without_that_is_a_failure(hand: Hand):
    again_in_silence.delay()
    with running_by_hand(hand, again_in_silence) as request:
        pass

    hand.backend.mark_as_failure(request.id, TimeLimitExceeded(1), request=request)

    assert (hand.phase(request.id), hand.keep()) == ("failed", [])


def test_a_hard_time_limit_at_the_last_attempt_is_a_failure(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
):
    again_in_silence.delay()
    with running_by_hand(hand, again_in_silence) as request:
        again_in_silence.retry(countdown=0, throw=False)
    monkeypatch.setattr(again_in_silence, "max_retries", 0)

    hand.backend.mark_as_failure(request.id, TimeLimitExceeded(1), request=request)

    assert (hand.phase(request.id), hand.keep()) == ("failed", [])


def test_attempts_that_were_no_fault_of_the_task_take_none_from_a_lost_one(
    hand: Hand, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(again, "max_retries", 1)
    task_id = again.delay().id
    for waits in range(3):
        with running_by_hand(hand, again) as request:
            assert waits_of(request) == waits
            asked = retry_later(again, ValueError("away"), 0, is_failure=False)
            with suppress(Retry):
                try:
                    raise asked
                finally:
                    hand.backend.mark_as_retry(task_id, ValueError("away"), request=request)

    for phase in ("queued", "running"):  # the second one was its last: maintenance has to fail it
        with running_by_hand(hand, again):
            pass
        hand.lose_worker(task_id)
        assert hand.phase(task_id) == phase
