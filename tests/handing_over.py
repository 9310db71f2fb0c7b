"""Tasks that ask for their next attempt, or for a replacement, and then do all that a body may do.

Started by the tests as `celery -A tests.handing_over worker`, with HEADWAY=1 as live tasks and else
as stock ones.
"""

from __future__ import annotations

import os
import time

from celery import Celery, chain, group
from celery.exceptions import Ignore, Reject

from headway import progress

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:1/0")
LIVE = {
    "backend": f"headway.celery.backend.LiveBackend+{URL}",
    "task_cls": "headway.celery.task:LiveTask",
}

celery = Celery(
    "handing-over", broker=URL, **(LIVE if os.environ.get("HEADWAY") == "1" else {"backend": URL})
)
celery.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    result_expires=600,
)
ATTEMPTS = 3


def note(task):
    """Leave a mark, so that a test can count how often a task ran."""
    with open(os.path.join(os.environ["RUNS"], f"{task.request.id} {time.time_ns()}"), "x"):
        pass
    return task.request.retries < ATTEMPTS - 1


@celery.task(bind=True)
def raises_it(self, countdown=0):
    if note(self):
        raise self.retry(countdown=countdown)
    return "done"


@celery.task(bind=True)
def throws_it(self, countdown=0):
    if note(self):
        self.retry(countdown=countdown)
    return "done"


@celery.task(bind=True)
def returns_then(self, countdown=0):
    if note(self):
        self.retry(countdown=countdown, throw=False)
        return "too early"
    return "done"


@celery.task(bind=True)
def swallows_it(self, countdown=0):
    try:
        if note(self):
            self.retry(countdown=countdown)
    except Exception as error:
        return f"caught {type(error).__name__}"
    return "done"


@celery.task(bind=True)
def in_a_finally(self, countdown=0):
    try:
        return "done"
    finally:
        if note(self):
            raise self.retry(countdown=countdown)


@celery.task(bind=True)
def over_an_error(self, countdown=0):
    try:
        raise ZeroDivisionError
    except ZeroDivisionError as error:
        if note(self):
            raise self.retry(exc=error, countdown=countdown) from error
    return "done"


@celery.task(bind=True)
def reports_then_retries(self, countdown=0):
    self.update_state(state="PROGRESS", meta={"current": 1, "total": 2})
    if note(self):
        self.retry(countdown=countdown, throw=False)
        self.update_state(state="PROGRESS", meta={"current": 2, "total": 2})
        progress.set(current=2, total=2)
        return "too early"
    return "done"


@celery.task(bind=True)
def asks_twice(self, countdown=0):
    if note(self):
        self.retry(countdown=3600, throw=False)
        self.retry(countdown=countdown, throw=False)
        return "too early"
    return "done"


@celery.task(bind=True, ignore_result=True)
def keeps_it_to_itself(self, countdown=0):
    if note(self):
        raise self.retry(countdown=countdown)
    return "done"


@celery.task(bind=True, autoretry_for=(ValueError,), retry_backoff=False, default_retry_delay=0)
def by_itself(self, countdown=0):
    if note(self):
        raise ValueError("again")
    return "done"


@celery.task(bind=True)
def then_fails(self, countdown=0):
    if note(self):
        self.retry(countdown=countdown, throw=False)
        raise RuntimeError("after it")
    return "done"


@celery.task(bind=True)
def then_ignores(self, countdown=0):
    if note(self):
        self.retry(countdown=countdown, throw=False)
        raise Ignore
    return "done"


@celery.task(bind=True)
def then_rejects(self, countdown=0):
    if note(self):
        self.retry(countdown=countdown, throw=False)
        raise Reject("no", requeue=False)
    return "done"


@celery.task(bind=True, max_retries=1)
def too_often(self, countdown=0):
    note(self)
    raise self.retry(exc=ValueError("the last one"), countdown=countdown)


@celery.task(bind=True, max_retries=1)
def as_often_as_the_call_says(self, countdown=0):
    if note(self):
        raise self.retry(countdown=countdown, max_retries=5)
    return "done"


@celery.task(bind=True)
def at_no_time(self, countdown=0):
    note(self)
    raise self.retry(countdown=float("nan"))


@celery.task(bind=True)
def with_no_json(self, countdown=0):
    note(self)
    raise self.retry(args=[object()], countdown=countdown)


@celery.task(bind=True, max_retries=None)
def many_times(self, times):
    if self.request.retries < times:
        raise self.retry(countdown=0)
    return self.request.retries


@celery.task(bind=True)
def replaced_many_times(self, times):
    if times:
        raise self.replace(replaced_many_times.si(times - 1))
    return "done"


@celery.task(bind=True)
def last(self):
    note(self)
    return "done"


@celery.task(bind=True)
def replaced(self, by):
    note(self)
    successors = {
        "a task": last.si(),
        "a chain": chain(last.si(), last.si()),
        "a group": group(last.si(), last.si()),
        "one for later": last.si().set(countdown=1),
        "one by name": celery.signature("tests.handing_over.last", immutable=True),
    }
    raise self.replace(successors[by])


@celery.task(bind=True)
def replaced_and_swallowed(self):
    note(self)
    try:
        self.replace(last.si())
    except Exception:
        return "too early"
