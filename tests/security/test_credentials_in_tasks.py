"""A task says a password that no setting names, by each way it has: nothing of it is stored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery import Celery, Task

from headway import progress
from headway.snapshot import title_line
from headway.store.records import Records
from tests.test_masking import everything

SECRET = "mArk3d-pw"
TEXTS = [
    f"redis://ops:{SECRET}@db/0",
    f"?next=redis%3A%2F%2Fops%3A{SECRET}%40db",
    f"connect(password={SECRET})",
    json.dumps({"password": SECRET}),
    f"Authorization: Bearer {SECRET}",
]


@pytest.fixture
def celery(redis_url: str) -> Celery:
    app = Celery("told", backend=f"headway+{redis_url}", set_as_current=False)
    app.conf.update(task_always_eager=True, task_store_eager_result=True)
    return app


@pytest.mark.parametrize("text", TEXTS)
def test_a_credential_in_what_a_task_says_is_stored_masked(
    celery: Celery, records: Records, text: str
):
    kept = []

    @celery.task(shared=False, bind=True)
    def says(self: Task[Any, Any]) -> None:
        for report in ({"status": text}, {"step": {"name": text}}, {"of the task's own": [text]}):
            self.update_state(state="PROGRESS", meta=report)
            kept.append(everything(records))
        progress.set(status=text)
        progress.log(text)
        with progress.stream("answer") as out:
            out.write(text)
        with progress.step(text):
            progress.flush()
            kept.append(everything(records))
        raise OSError(text)

    says.delay()

    kept.append(everything(records))
    assert all("***" in each for each in kept)
    assert SECRET not in "".join(kept)


def test_a_result_stays_what_the_task_gives(celery: Celery, records: Records):
    @celery.task(shared=False)
    def returns() -> str:
        return TEXTS[0]

    assert returns.delay().get() == TEXTS[0]
    assert SECRET in everything(records)


@pytest.mark.parametrize("text", TEXTS)
def test_a_credential_in_a_title_is_masked(text: str):
    assert "***" in title_line(f"Copy {text}")
    assert SECRET not in title_line(f"Copy {text}")
