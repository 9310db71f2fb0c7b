"""Large results, with the test in the worker's place."""

from __future__ import annotations

from typing import Any

from celery import Celery

from headway.store.records import Records

MB = 1_000_000
MESSAGE = {"task": "long_task", "args": [], "kwargs": {}, "options": {"queue": "celery"}}


def celery_app(url: str, **conf: Any) -> Celery:
    """A Celery app whose results are live."""
    app = Celery("large", broker=url, set_as_current=False)
    app.conf.update(result_backend=f"headway.celery.backend.LiveBackend+{url}", **conf)
    return app


def start(records: Records) -> str:
    return records.starts.create(
        owner="ada", message=MESSAGE, title="Long task", max_attempts=4
    ).task_id


def text_of(records: Records, task_id: str) -> str:
    """Return a task's snapshot."""
    [stored] = records.read([task_id])
    assert stored is not None
    return stored.snapshot


def whole(records: Records, task_id: str) -> bytes:
    """Return the JSON of a task's result, read in its pieces."""
    found = records.results.read(task_id)
    assert found is not None
    size, pieces = found
    text = b"".join(pieces)
    assert len(text) == size
    return text


def left_over(records: Records) -> list[str]:
    """Return the keys of what was staged and not taken over."""
    return list(records.client.scan_iter("headway:staged:*"))
