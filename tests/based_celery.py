"""Tasks with base classes of their own, as projects have them.

Started by the tests as `celery -A tests.based_celery worker`.
"""

from __future__ import annotations

import os
import time

from celery import Celery, Task
from celery.worker.request import Request

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:1/0")

celery = Celery(
    "based",
    broker=URL,
    backend=f"headway.celery.backend.LiveBackend+{URL}",
    task_cls="headway.celery.task:LiveTask",
)
celery.conf.update(
    task_acks_late=True, worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True
)
context: list[str] = []


class StockBase(Task):
    """It calls nothing of what it overrides."""

    max_retries = 7

    def before_start(self, task_id, args, kwargs):
        context[:] = ["prepared"]

    def __call__(self, *args, **kwargs):
        context.append("within")
        try:
            return self.run(*args, **kwargs)
        finally:
            context.clear()


class ContextTask(celery.Task):
    """As Flask's documents had it."""

    def __call__(self, *args, **kwargs):
        context.append("within")
        try:
            return self.run(*args, **kwargs)
        finally:
            context.clear()


class OwnHooks(celery.Task):
    def before_start(self, task_id, args, kwargs):
        context[:] = ["prepared"]


class CountingRequest(Request):
    def on_accepted(self, *args, **kwargs):
        self.app.backend.records.client.incr("accepted")
        return super().on_accepted(*args, **kwargs)


class OwnRequest(Task):
    Request = CountingRequest


BASES = {
    "stock": StockBase,
    "context": ContextTask,
    "hooks": OwnHooks,
    "request": OwnRequest,
    "none": None,
}


def define(kind):
    options = {"bind": True, "shared": False} | ({"base": BASES[kind]} if BASES[kind] else {})

    @celery.task(name=f"{kind}.where", **options)
    def where(self):
        return [context.pop(0) for _ in tuple(context)]

    @celery.task(name=f"{kind}.report", **options)
    def report(self, steps):
        for done in range(steps):
            self.update_state(state="PROGRESS", meta={"current": done, "total": steps})
            time.sleep(0.02)

    @celery.task(name=f"{kind}.again", **options)
    def again(self):
        if self.request.retries < 2:
            self.retry(countdown=0, throw=False)
            return "too early"
        return "done"


for kind in BASES:
    define(kind)


class ByClass(Task):
    name = "class.where"

    def run(self):
        return list(context)


celery.register_task(ByClass())
