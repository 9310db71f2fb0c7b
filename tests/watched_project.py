"""Somebody's Celery project, with any result backend: tasks of each end, and a schedule of beat's.

Started by the tests as `celery -A tests.watched_project worker`.
"""

from __future__ import annotations

import os
import time

from celery import Celery

celery = Celery("watched", broker=os.environ["SHOP_REDIS"], backend=os.environ["SHOP_BACKEND"])
celery.conf.beat_schedule = {
    "stock": {
        "task": "watched.add",
        "schedule": 0.2,
        "args": (1, 2),
        "options": {"queue": "by beat", "priority": 3, "headers": {"shelf": "left"}},
    }
}


@celery.task(name="watched.add")
def add(x, y):
    return x + y


@celery.task(name="watched.fail")
def fail():
    raise ValueError("no stock")


@celery.task(name="watched.wait")
def wait():
    """Run until somebody ends it."""
    while True:
        time.sleep(0.02)
