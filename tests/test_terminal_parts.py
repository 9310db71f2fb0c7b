"""A task's parts in a terminal: listed apart, followed to their end, cancelled with it."""

from __future__ import annotations

from uuid import uuid4

import pytest

from headway.message_headers import PARENT
from headway.snapshot import Phase
from headway.store.records import Records
from tests.by_hand import claim, shown
from tests.terminal import MESSAGE, TASK_ID, call, meanwhile, report, running


@pytest.fixture
def part(records: Records) -> str:
    """A running part of a running task."""
    running(records)
    options = {"queue": "celery", "headers": {PARENT: TASK_ID}}
    started = records.starts.create(
        owner="",
        message={**MESSAGE, "options": options},
        title="Part",
        max_attempts=4,
        task_id=str(uuid4()),
    )
    claim(records, started.task_id)
    return started.task_id


def test_parts_are_listed_when_they_are_asked_for(redis_url: str, records: Records, part: str):
    tasks = call("--redis-url", redis_url, "list").stdout
    parts = call("--redis-url", redis_url, "list", "--parts", TASK_ID).stdout
    unknown = call("--redis-url", redis_url, "list", "--parts", "unknown")

    assert [line.split()[0] for line in tasks.splitlines()] == [TASK_ID]
    assert [line.split()[0] for line in parts.splitlines()] == [part]
    assert unknown.exit_code == 4


def test_a_task_is_followed_until_its_parts_have_ended(redis_url: str, records: Records, part: str):
    report(records, Phase.SUCCEEDED, result="sent")
    error = {"type": "OSError", "message": "no such file"}

    with meanwhile(lambda: report(records, Phase.FAILED, part, error=error)):
        result = call("--redis-url", redis_url, "watch", TASK_ID)

    first, *_, last = result.stdout.splitlines()
    assert first.endswith("0 of 1 parts · sent")
    assert last.endswith("1 part · 1 failed, first Part · sent")
    assert result.exit_code == 0


def test_a_task_is_cancelled_with_its_parts(redis_url: str, records: Records, part: str):
    assert call("--redis-url", redis_url, "cancel", TASK_ID).exit_code == 0

    found = shown(records, part)
    assert found is not None
    assert found.phase == Phase.CANCELLING
