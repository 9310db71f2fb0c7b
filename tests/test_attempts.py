"""How many attempts a task has, by its own `max_retries` and the retries that it has asked for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from celery.app.task import Context

from headway.celery.storing.attempts import DEFAULT_ATTEMPTS, attempts_of, retries_for_ever


@pytest.mark.parametrize(
    ("max_retries", "retries", "attempts"),
    [
        (0, 0, 1),
        (3, 0, 4),
        (3, 2, 4),
        (None, 0, DEFAULT_ATTEMPTS),
        (None, 10, DEFAULT_ATTEMPTS + 10),  # so that its next lost process does not end it
        ("many", 0, 1),
    ],
)
def test_retries_without_limit_use_up_no_attempt(max_retries: object, retries: int, attempts: int):
    task = SimpleNamespace(max_retries=max_retries)

    assert attempts_of(task, Context(retries=retries)) == attempts


@pytest.mark.parametrize(("max_retries", "for_ever"), [(None, True), (0, False), (3, False)])
def test_only_a_task_without_limit_may_fail_for_ever(max_retries: object, for_ever: bool):
    assert retries_for_ever(SimpleNamespace(max_retries=max_retries)) is for_ever
