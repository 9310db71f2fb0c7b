"""A task that notes what it does after its run was asked to stop, beside those of
tests/checkpoint_tasks.py.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from headway import progress
from headway.celery.run.progress_sender import FLUSH_SECONDS
from tests.checkpoint_tasks import note
from tests.ending_tasks import celery, count_run

FOR_EVER_SECONDS = 600


@celery.task(bind=True)
def counts_late_rows(self, folder, rows):
    """Count rows; those that begin once the run was asked to stop stand in a file of their own."""
    count_run(folder)
    records = celery.backend.records
    for row in progress.track(range(rows), "Counting", resume=True):
        if records.client.hexists(records.keys.record(self.request.id), "stop_requested"):
            note(f"{folder}.late", row)
        note(folder, row)
        progress.save(row)


@celery.task(bind=True)
def saves_when_asked_to_stop(self, folder, way):
    """Save once this run was asked to stop, in one of the ways, and leave a file if it goes on."""
    if os.listdir(folder):
        return "went on"
    records = celery.backend.records

    def until_asked():
        count_run(folder)
        while not records.client.hexists(records.keys.record(self.request.id), "stop_requested"):
            time.sleep(0.02)

    def further():
        Path(f"{folder}.further").touch()
        time.sleep(FOR_EVER_SECONDS)

    if way == "save":
        until_asked()
        progress.save(1)
        further()
    for row in progress.track(range(10), "Counting", resume=True):
        if row == 2:
            until_asked()
            time.sleep(2 * FLUSH_SECONDS)  # a row that takes less need not be stored at its end
        if row > 2:
            further()
