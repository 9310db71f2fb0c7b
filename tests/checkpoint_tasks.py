"""Tasks that save where they are, in the project of tests/ending_tasks.py.

Started as `celery -A tests.checkpoint_tasks worker`.
"""

from __future__ import annotations

import os
import time

from headway import progress
from tests.ending_tasks import celery, count_run

ROW_SECONDS = 0.02


def note(folder, row):
    """Do a row's work: leave a line in a file."""
    with open(f"{folder}.rows", "a") as file:
        file.write(f"{row}\n")
    time.sleep(ROW_SECONDS)


@celery.task
def counts_rows(folder, rows):
    count_run(folder)
    with open(f"{folder}.pid", "w") as file:
        file.write(str(os.getpid()))
    total = progress.saved or 0
    for row in progress.track(range(rows), "Counting", resume=True):
        note(folder, row)
        total += row
        progress.save(total)
    return total


@celery.task
def asks(folder):
    count_run(folder)
    return progress.ask("Go on?", choices=["yes", "no"])
