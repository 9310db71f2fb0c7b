import os
import time

from celery import Celery

from headway import progress

REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")
celery = Celery("shop", broker=REDIS_URL, backend=f"headway+{REDIS_URL}")  # the one line


@celery.task(name="export")
def export(rows: int = 20) -> str:
    for _ in progress.track(range(rows), "Exporting"):
        time.sleep(0.1)
    return f"{rows} rows"
