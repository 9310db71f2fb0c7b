"""Tasks that run every so often, one by Headway's schedule and one by beat's; each run is noted.

Started as `celery -A tests.scheduled_project worker`, and `... beat`.
"""

from __future__ import annotations

import json
import os
import time

import redis
from celery import Celery, current_task

from headway import task

REDIS = os.environ["SHOP_REDIS"]
celery = Celery("scheduled", broker=REDIS, backend=f"headway+{REDIS}")
celery.conf.beat_schedule = {"beaten": {"task": "beaten", "schedule": 1.0}}


def note(name: str, task_id: str) -> None:
    """Note a run, with this machine's clock."""
    with redis.Redis.from_url(REDIS) as client:
        client.rpush(name, json.dumps({"task_id": task_id, "clock": time.time()}))


@task("Tick", every="1s", queue="celery")
def tick() -> None:
    note("ticks", current_task.request.id)


@celery.task(bind=True, name="beaten")
def beaten(self) -> None:
    note("beaten", self.request.id)


@celery.task(bind=True, name="lasts")
def lasts(self, seconds: float) -> None:
    note("lasting", self.request.id)
    time.sleep(seconds)
