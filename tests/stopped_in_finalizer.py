"""A worker that gets its signal while the main thread finalizes an object: Python drops what is
raised there, also by a signal's handler.

Started as `celery -A tests.stopped_in_finalizer worker`.
"""

import os
import signal

from celery.signals import worker_ready

from tests.checkpoint_tasks import celery

__all__ = ["celery"]


class Signals:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)


@worker_ready.connect
def finalize_soon(sender, **_):
    sender.hub.call_later(0.1, Signals)
