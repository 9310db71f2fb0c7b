"""How many attempts a task has, and when the next one starts."""

from __future__ import annotations

import sys
import time
from datetime import date
from typing import Any

from celery.app.task import Context
from celery.exceptions import Retry

from headway.celery.context import whole_number
from headway.celery.messages.captured import eta_in_micros

# The attribute of a Retry for the attempts that its call allows; inf for no limit.
MAX_ATTEMPTS = "headway_max_attempts"
# The attribute of a Retry that is a planned wait, after which the task goes on where it was.
IS_WAIT = "headway_is_wait"
DEFAULT_ATTEMPTS = 4


def retry_of(value: Any) -> BaseException | None:
    """Return the Retry behind a state RETRY.

    Celery passes only its cause to `mark_as_retry`, while the Retry itself is being handled.
    """
    return value if isinstance(value, Retry) else sys.exc_info()[1]


def is_wait(value: Any) -> bool:
    """Whether the Retry behind a state RETRY is a wait that follows no failure."""
    return bool(getattr(retry_of(value), IS_WAIT, False))


def retry_delay(value: Any, app: Any) -> float:
    """Return the seconds until the next attempt starts."""
    when = getattr(retry_of(value), "when", None)
    if isinstance(when, date | str):
        when = int(eta_in_micros(when, app)) / 1e6 - time.time()
    return max(0.0, float(when or 0.0))


def attempts_of(task: Any, request: Context | None = None) -> int:
    """Return how many attempts a task has; one that retries forever always has some left."""
    retries = getattr(task, "max_retries", None)
    if retries is None:
        return DEFAULT_ATTEMPTS + whole_number(getattr(request, "retries", 0))
    return whole_number(retries) + 1


def retries_for_ever(task: Any) -> bool:
    return task is not None and getattr(task, "max_retries", None) is None
