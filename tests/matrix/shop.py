"""A small Celery project for the matrix: live by its result backend alone."""

from __future__ import annotations

import os
import signal
import time

from celery import Celery, Task
from celery.exceptions import Reject

import headway.celery.backend  # noqa: F401  # so that a purge cancels what it removes
from headway import progress

URL = os.environ["SHOP_REDIS"]

app = Celery("shop", broker=URL, backend=f"headway+{URL}")
app.conf.broker_connection_retry_on_startup = True


@app.task
def add(x, y):
    return x + y


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fail():
    raise ValueError("no")


@app.task(bind=True)
def report(self, released):
    """Report one step in two, and wait for a file before the second."""
    self.update_state(state="PROGRESS", meta={"current": 1, "total": 2, "status": "half"})
    wait_for_file(released)
    progress.set(current=2, total=2, status="whole")
    return "reported"


@app.task
def die_once(mark):
    """Kill the process that runs it, the first time."""
    if not os.path.exists(mark):
        open(mark, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


@app.task
def exit_once(mark):
    """End the process that runs it as if all were well, the first time."""
    if not os.path.exists(mark):
        open(mark, "w").close()
        os._exit(0)
    return "alive"


class Exiting(Task):
    """Ends its process in a hook, the first time, before the body begins."""

    def before_start(self, task_id, args, kwargs):
        super().before_start(task_id, args, kwargs)
        if not os.path.exists(args[0]):
            open(args[0], "w").close()
            raise SystemExit


@app.task(base=Exiting)
def exit_early(mark):
    return "alive"


@app.task
def reject():
    raise Reject("not for me", requeue=False)


@app.task(bind=True, max_retries=2)
def second_time(self):
    if not self.request.retries:
        raise self.retry(exc=ConnectionError("refused"), countdown=0.1)
    return self.request.retries


@app.task(bind=True)
def replaced(self):
    raise self.replace(add.si(20, 22))


@app.task
def count(mark):
    """Leave a line, so that a test can count how often this ran."""
    with open(mark, "a") as lines:
        lines.write("run\n")


def wait_for_file(path, seconds=60):
    deadline = time.monotonic() + seconds
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            raise TimeoutError(path)
        time.sleep(0.02)
