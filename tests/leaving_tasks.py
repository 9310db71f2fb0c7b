"""A task that notes what it does after its run was asked to leave, beside those of
tests/checkpoint_tasks.py.
"""

from __future__ import annotations

from headway import progress
from tests.checkpoint_tasks import note
from tests.ending_tasks import celery, count_run


@celery.task(bind=True)
def counts_late_rows(self, folder, rows):
    """Count rows; those that begin once the run was asked to leave stand in a file of their own."""
    count_run(folder)
    records = celery.backend.records
    for row in progress.track(range(rows), "Counting", resume=True):
        if records.client.hexists(records.keys.record(self.request.id), "leave"):
            note(f"{folder}.late", row)
        note(folder, row)
        progress.save(row)
