"""A worker whose maintenance makes one round only, and that notes where a process of its pool
sleeps before it exits.

Started as `celery -A tests.stopping_pool worker`.
"""

import os
import time
from pathlib import Path
from types import SimpleNamespace

from billiard import pool

from headway.celery.worker import maintenance
from tests.checkpoint_tasks import celery, counts_rows

__all__ = ["celery", "counts_rows"]


def sleep(seconds):
    """Sleep; leave a file where that is as long as billiard's second."""
    if seconds >= 1:
        Path(os.environ["SLEPT"]).touch()
    time.sleep(seconds)


maintenance.SWEEP_SECONDS = 3600.0
pool.time = SimpleNamespace(sleep=sleep)
