"""Runs a task again later: after a failure, or while what it needs is away."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from celery import Task

from headway.celery.messages.sends import waits_of
from headway.celery.storing.attempts import IS_WAIT, MAX_ATTEMPTS
from headway.message_headers import WAITS


def failures_of(task: Task) -> int:
    """Return how many attempts of a bound task's run have failed before it.

    Celery's `request.retries` counts the waits of `retry_later(is_failure=False)` too.
    """
    return int(task.request.retries) - waits_of(task.request)


def retry_later(
    task: Task,
    error: Exception,
    seconds: float,
    *,
    is_failure: bool = True,
    headers: Mapping[str, Any] | None = None,
) -> Exception:
    """Return the Retry by which a bound task runs again in so many seconds, to be raised.

    The card shows `error` meanwhile. With `is_failure=False` it uses up no attempt, as where a
    server that the task needs is away: labels have words for such a wait, and the bar stays.
    `headers` are the next run's own, beside those of this one. Raises `error` where no attempt is
    left.
    """
    limit = task.max_retries
    waits = waits_of(task.request) + (not is_failure)
    own = {**(task.request.headers or {}), **(headers or {}), WAITS: waits}
    again: Exception = task.retry(
        exc=error,
        countdown=seconds,
        max_retries=None if limit is None else limit + waits,  # Celery counts these too
        headers=own,
        throw=False,
    )
    setattr(again, IS_WAIT, not is_failure)
    setattr(again, MAX_ATTEMPTS, inf if limit is None else limit + 1)
    return again
