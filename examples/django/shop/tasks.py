import time

from celery import shared_task

from headway import progress


@shared_task(name="export")
def export(rows: int = 20) -> str:
    for _ in progress.track(range(rows), "Exporting"):
        time.sleep(0.1)
    return f"{rows} rows"
