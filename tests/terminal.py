"""Headway's commands, called within the test's own process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from click.testing import CliRunner, Result

from headway.cli.groups import headway
from headway.push import follow
from headway.snapshot import Phase
from headway.store.model import StateWrite
from headway.store.records import Records
from tests.by_hand import HERE, claim

TASK_ID = "7f3a1c52-9b1e-4c7d-8a55-0d2f6f1b9e01"
MESSAGE = {"task": "report", "args": [], "kwargs": {}, "options": {"queue": "celery"}}


def call(*words: str, **env: str) -> Result:
    """Return what `headway` says to these words."""
    settings = {"HEADWAY_REDIS_URL": None, **env}
    return CliRunner().invoke(
        headway, words, env=settings, prog_name="headway", catch_exceptions=False
    )


def snapshots(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def create(records: Records, task_id: str = TASK_ID, owner: str = "", title: str = "Report") -> str:
    """Make the record of a task that no worker takes."""
    return records.starts.create(
        owner=owner, message=MESSAGE, title=title, max_attempts=4, task_id=task_id
    ).task_id


def running(records: Records, task_id: str = TASK_ID, title: str = "Report") -> str:
    """A task that the test runs."""
    claim(records, create(records, task_id, title=title))
    return task_id


def report(
    records: Records, phase: Phase = Phase.RUNNING, task_id: str = TASK_ID, **fields: Any
) -> None:
    """Write what a run of the test's says."""
    assert (
        records.runs.write(StateWrite(task_id, HERE, phase, fields, "{}", "report", 4)) == "written"
    )


@contextmanager
def meanwhile(*steps: Callable[[], object]) -> Iterator[None]:
    """Do this once a watcher has read its task for the first time."""
    has_read = threading.Event()
    errors: list[Exception] = []
    read = follow._read

    def read_and_tell(records: Records, task_id: str) -> follow.Update:
        seen = read(records, task_id)
        has_read.set()
        return seen

    def work() -> None:
        try:
            assert has_read.wait(20)
            for step in steps:
                step()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(follow, "_read", read_and_tell)
        thread.start()
        try:
            yield
        finally:
            thread.join()
    assert not errors, errors
