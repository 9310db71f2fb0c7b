"""Somebody's Celery project, whose package is named `app`: live by the prefix of its result
backend alone.
"""

from __future__ import annotations

import os
import signal
import time

from celery import Celery, Task, shared_task

celery = Celery("shop", broker=os.environ["SHOP_REDIS"], backend=os.environ["SHOP_BACKEND"])


class Audited(Task):
    """A base class that calls nothing of what it overrides."""

    def __call__(self, *args, **kwargs):
        return self.run(*args, **kwargs)


@celery.task
def add(x, y):
    return x + y


@shared_task
def stocktake():
    return "all there"


@celery.task(base=Audited)
def die_once(mark):
    """Kill the process that runs it, the first time."""
    for _ in range(5):
        time.sleep(0.02)
    if not os.path.exists(mark):
        open(mark, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"
