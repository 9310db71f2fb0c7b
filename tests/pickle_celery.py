"""A Celery project that accepts pickles.

Started by the tests as `celery -A tests.pickle_celery worker`.
"""

from __future__ import annotations

import os

from celery import Celery

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:1/0")

celery = Celery(
    "pickles",
    broker=URL,
    backend=f"headway.celery.backend.LiveBackend+{URL}",
    task_cls="headway.celery.task:LiveTask",
)
celery.conf.update(
    accept_content=["json", "pickle", "msgpack"],
    result_serializer="pickle",
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
)


@celery.task(name="pickles.kinds")
def kinds(value, **more):
    return type(value).__name__, sorted(more)


@celery.task(name="pickles.again", bind=True)
def again(self, values):
    if not self.request.retries:
        raise self.retry(exc=ValueError("once more"), countdown=0)
    return values


@celery.task(name="pickles.die_once")
def die_once(values, folder):
    if not os.listdir(folder):
        with open(os.path.join(folder, "ran"), "x"):
            os.kill(os.getpid(), 9)
    return values
