"""A task's body, run in the test's own process as a worker's process runs it, and what it has
told.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from celery import Celery
from celery.app.trace import build_tracer

from headway.celery.task import LiveTask
from headway.celery.worker.live_tasks import make_all_live
from headway.snapshot import Snapshot
from headway.store.records import Records
from tests.by_hand import published, shown, subscribed


def live_celery(redis_url: str) -> Celery:
    """Return a Celery app whose tasks and results are live."""
    return Celery(
        "progress",
        broker=redis_url,
        backend=f"headway.celery.backend.LiveBackend+{redis_url}",
        task_cls="headway.celery.task:LiveTask",
        set_as_current=False,
    )


def run(celery: Celery, body: Callable[..., Any], *, bind: bool = False) -> str:
    """Run a body up to its outcome, which is not stored; returns the task's id."""
    return run_task(celery.task(name=f"body-{uuid4()}", bind=bind, shared=False)(body))


def run_task(task: Any, task_id: str = "") -> str:
    if not isinstance(task, LiveTask):
        make_all_live(task.app)  # as a worker does when it starts
    task_id = task_id or str(uuid4())
    task.push_request(
        id=task_id,
        task=task.name,
        called_directly=False,
        retries=0,
        delivery_info={"exchange": "", "routing_key": "q"},
    )
    try:
        task.before_start(task_id, (), {})
        task()
    finally:
        task.pop_request()
    return task_id


def do_what_waits(celery: Celery, records: Records) -> None:
    """Do a worker's work: run all messages in the default queue, and what these send."""
    while text := records.client.rpop("celery"):
        message = json.loads(text)
        args, kwargs, embed = json.loads(b64decode(message["body"]))
        headers = message["headers"]
        request = {**headers, **embed, "args": args, "kwargs": kwargs}
        request["delivery_info"] = {"exchange": "", "routing_key": "celery"}
        task = celery.tasks[headers["task"]]
        build_tracer(task.name, task, app=celery)(headers["id"], args, kwargs, request)


@contextmanager
def pushes(records: Records) -> Iterator[Callable[[], list[Snapshot]]]:
    """Give a function that returns all snapshots that have been pushed so far."""
    seen: list[Snapshot] = []
    with subscribed(records, "flask-socketio:task:*") as pubsub:

        def so_far() -> list[Snapshot]:
            for message in published(pubsub):
                event, payload = json.loads(message["data"])
                if event == "snapshot":
                    seen.append(Snapshot.from_json(json.dumps(payload)))
            return seen

        yield so_far


def read(records: Records, task_id: str) -> Snapshot:
    snapshot = shown(records, task_id)
    assert snapshot is not None
    return snapshot


def log_of(records: Records, task_id: str) -> list[tuple[str, str]]:
    """Return the level and text of each line of a task's log."""
    lines = records.queries.read_log(task_id, 0)["lines"]
    return [(line["level"], line["text"]) for line in lines]
