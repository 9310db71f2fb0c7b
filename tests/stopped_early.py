"""A worker of Headway that is told to stop while it starts: at its last step before it says
that it is ready.
"""

import os
import signal

from celery import bootsteps

from worker import celery

__all__ = ["celery"]


class StopsNow(bootsteps.StartStopStep):  # type: ignore[misc]
    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer):
        os.kill(os.getpid(), signal.SIGTERM)


celery.steps["consumer"].add(StopsNow)
