"""A body that hands its task over raises what Celery knows, and no exception that is its own
cause.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.exceptions import Ignore

from headway.celery.run.body import _call_body
from headway.celery.task import LiveTask


@pytest.fixture
def task() -> LiveTask:
    app = Celery("replaced", task_cls=LiveTask, set_as_current=False)

    @app.task(shared=False)
    def replaced() -> None:
        pass

    return replaced


def run_that(task: LiveTask, *, hands_over: BaseException, raises: BaseException) -> BaseException:
    """Return what a run ends with that has handed its task over and then raises something."""
    run: Any = SimpleNamespace(task=task, successor=hands_over, origin=None)

    def body() -> None:
        raise raises

    with pytest.raises(Ignore) as caught:
        _call_body(run, body)
    return caught.value


def test_a_replacement_is_not_its_own_cause(task: LiveTask):
    replaced = Ignore("replaced")

    ended = run_that(task, hands_over=replaced, raises=replaced)

    assert ended is replaced
    # else tblib's pickles, and whatever follows causes, would never end
    assert ended.__cause__ is None


def test_what_is_raised_after_a_replacement_is_its_cause(task: LiveTask):
    error = ValueError("too late")

    ended = run_that(task, hands_over=Ignore("replaced"), raises=error)

    assert ended.__cause__ is error
