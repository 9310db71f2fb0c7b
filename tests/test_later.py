"""`retry_later`: a wait for what a task needs is no failed attempt of it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from celery import Celery

from headway import failures_of, retry_later
from headway.store.records import Records
from tests.bodies import do_what_waits, read


@pytest.mark.parametrize("waits", [0, 1, 3])
@pytest.mark.parametrize("max_retries", [0, 1, None])
def test_a_wait_is_no_failure(
    celery: Celery, records: Records, waits: int, max_retries: int | None
):
    told: list[tuple[int, int, int]] = []
    most = 2 if max_retries is None else max_retries + 1

    def body(self: Any) -> None:
        shown = read(records, self.request.id)
        told.append((failures_of(self), shown.failures, shown.max_attempts))
        if len(told) <= waits:
            raise retry_later(self, OSError("away"), 0, is_failure=False)
        if len(told) - waits == most:
            raise OSError("broken")
        raise retry_later(self, OSError("broken"), 0)

    name = f"body-{uuid4()}"
    task = celery.task(name=name, bind=True, shared=False, max_retries=max_retries)(body)

    task_id = task.delay().id
    do_what_waits(celery, records)

    ended = read(records, task_id)
    assert (ended.phase, ended.failures, ended.attempt) == ("failed", most, waits + most)
    failures = [0] * waits + list(range(most))
    assert [each[:2] for each in told] == [(n, n) for n in failures]
    if max_retries is not None:
        assert {each[2] for each in told} | {ended.max_attempts} == {most}


def test_no_wait_follows_the_last_failure_that_there_may_be(celery: Celery, records: Records):
    def body(self: Any) -> None:
        raise retry_later(self, OSError("broken"), 0)

    name = f"body-{uuid4()}"
    task = celery.task(name=name, bind=True, shared=False, max_retries=2)(body)

    task_id = task.delay().id
    do_what_waits(celery, records)

    ended = read(records, task_id)
    assert (ended.phase, ended.failures, ended.attempt) == ("failed", 3, 3)
