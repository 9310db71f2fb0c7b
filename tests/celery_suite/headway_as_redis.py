"""A pytest plugin: in Celery's own integration tests, `redis://` as a result backend is Headway's.

By that name, since the tests skip what they expect of Redis where a result backend's name is
another.
"""

from __future__ import annotations

import os

from celery.app import backends
from celery.contrib.testing.worker import test_worker_starting

if os.environ["RESULTS_OF"] == "headway":
    backends.BACKEND_ALIASES["redis"] = "headway.celery.backend:LiveBackend"


@test_worker_starting.connect
def make_backend(sender, **_):
    """Have the backend made before the worker, as Celery's command line does with Headway
    installed.
    """
    assert sender.backend
