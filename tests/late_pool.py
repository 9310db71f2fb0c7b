"""tests.plain_celery, with a pool that is slow to see to a process that has died: it hears late
of the others.
"""

import time

from celery.concurrency.asynpool import AsynPool

from tests.plain_celery import celery  # noqa: F401  for the worker

LATE_SECONDS = 1.0

_flush = AsynPool.process_flush_queues


def _flush_late(pool, process):
    time.sleep(LATE_SECONDS)
    _flush(pool, process)


AsynPool.process_flush_queues = _flush_late
