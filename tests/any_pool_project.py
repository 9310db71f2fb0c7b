"""A Celery project that is live by its result backend alone, for workers with any pool.

Started by the tests as `celery -A tests.any_pool_project worker`.
"""

from __future__ import annotations

import os

from celery import Celery, Task, chord, shared_task, signals

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:1/0")

celery = Celery("any_pool", broker=URL, backend=f"headway+{URL}")
celery.conf.update(
    broker_connection_retry_on_startup=True,
    worker_pool_start_method=os.environ.get("START_METHOD", "fork"),
    beat_schedule={"by beat": {"task": "any_pool.by_beat", "schedule": 0.2}},
)


class Own(Task):
    """It calls nothing of what it overrides."""

    def before_start(self, task_id, args, kwargs):
        pass

    def __call__(self, *args, **kwargs):
        return self.run(*args, **kwargs)


@celery.task(name="any_pool.plain")
def plain(x=1):
    return x


@celery.task(name="any_pool.based", base=Own)
def based(x=1):
    return x


@shared_task(name="any_pool.shared")
def shared(x=1):
    return x


@shared_task(name="any_pool.shared_based", base=Own)
def shared_based(x=1):
    return x


@celery.task(name="any_pool.total")
def total(numbers):
    return sum(numbers)


@celery.task(name="any_pool.by_beat", bind=True)
def by_beat(self):
    self.backend.records.client.set("sent by beat", self.request.id)


@celery.task(name="any_pool.replaced", bind=True, base=Own)
def replaced(self):
    raise self.replace(chord([shared_based.s(1), based.s(2)], total.s()))


@signals.celeryd_after_setup.connect
def register_late(**_):
    """Register tasks once the worker has looked at those of its app."""

    @celery.task(name="any_pool.late")
    def late(x=1):
        return x

    @celery.task(name="any_pool.late_based", base=Own)
    def late_based(x=1):
        return x
