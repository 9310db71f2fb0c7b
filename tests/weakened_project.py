"""A Celery project with settings that the tests choose.

Started by the tests as `celery -A tests.weakened_project worker`.
"""

from __future__ import annotations

import json
import os
import signal
import time

from celery import Celery, signals

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:1/0")

celery = Celery("weakened", broker=URL, backend=f"headway+{URL}", set_as_current=False)
celery.conf.update(
    broker_connection_retry_on_startup=True,
    headway_lease_seconds=2,
    **json.loads(os.environ.get("SETTINGS", "{}")),
)


@celery.task(name="weakened.setting", shared=False)
def setting(name):
    return repr(celery.conf[name])


@celery.task(name="weakened.die_once", shared=False, default_retry_delay=1)
def die_once(mark):
    if not os.path.exists(mark):
        open(mark, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


@celery.task(name="weakened.run", shared=False)
def run(seconds):
    celery.backend.records.client.incr("runs")
    time.sleep(seconds)
    return "run"


@signals.task_prerun.connect
def hold(**_):
    """Wait for the test to kill this process, before the task is claimed."""
    if held := os.environ.get("HELD"):
        open(held, "w").close()
        time.sleep(60)
