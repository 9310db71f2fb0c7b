"""The tasks of tests/leaving_tasks.py at a worker whose loop is late for what it is called for, and
whose sweeps are not.
"""

from __future__ import annotations

import threading

from kombu.asynchronous.hub import Hub

from headway.celery.worker import maintenance
from tests.leaving_tasks import celery

__all__ = ["celery"]

LATE_SECONDS = 0.4

call_soon = Hub.call_soon


def call_late(hub, callback, *args):
    timer = threading.Timer(LATE_SECONDS, call_soon, (hub, callback, *args))
    timer.daemon = True
    timer.start()


Hub.call_soon = call_late
maintenance.SWEEP_SECONDS = 0.05
