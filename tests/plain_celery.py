"""An existing Celery project that became live by two settings, with tasks of every temper.

Started by the tests as `celery -A tests.plain_celery worker`; its REDIS_URL comes from the
environment.
"""

from __future__ import annotations

import os
import signal
import time

from celery import Celery
from celery.exceptions import Ignore, Reject

from headway import progress

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:1/0")
PREFIX = os.environ.get("KEY_PREFIX", "")

celery = Celery(
    "plain",
    broker=os.environ.get("BROKER_URL", URL),
    backend=f"headway.celery.backend.LiveBackend+{URL}",
    task_cls="headway.celery.task:LiveTask",
)
celery.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    worker_soft_shutdown_timeout=4.0,
    headway_lease_seconds=float(os.environ.get("LEASE_SECONDS", "15")),
    result_backend_transport_options={"global_keyprefix": PREFIX},
    broker_transport_options={
        "global_keyprefix": PREFIX,
        "socket_timeout": 2,
        "socket_connect_timeout": 2,
        "health_check_interval": 2,
    },
)

stock = Celery("stock", broker=URL, backend=URL)  # a client that knows nothing of Headway


def use(url):
    """Have both apps, in the test's own process, use this Redis."""
    if url not in celery.conf.result_backend:  # a backend that was made before is for another Redis
        celery._backend_cache = None
        vars(celery._local).pop("backend", None)
    celery.conf.update(broker_url=url, result_backend=f"headway.celery.backend.LiveBackend+{url}")
    stock.conf.update(broker_url=url, result_backend=url)


@celery.task
def add(x, y):
    return x + y


@celery.task
def total(numbers):
    return sum(numbers)


@celery.task(bind=True)
def report(self, steps, pause=0.0):
    for done in range(steps):
        self.update_state(
            state="PROGRESS", meta={"current": done, "total": steps, "status": f"step {done}"}
        )
        time.sleep(pause)
    return {"current": steps, "total": steps, "status": "done", "result": [steps]}


@celery.task
def fail(message):
    raise ValueError(message)


@celery.task(bind=True)
def fail_then_succeed(self, failures):
    if self.request.retries < failures:
        raise self.retry(exc=ConnectionError("refused"), countdown=1, max_retries=5)
    return self.request.retries


@celery.task(bind=True)
def upload(self):
    self.update_state(state="UPLOADING", meta="half")
    wait_for_file(self.request.id)


@celery.task
def sleep(seconds):
    time.sleep(seconds)


@celery.task(soft_time_limit=1, time_limit=30)
def too_long_soft():
    time.sleep(20)


@celery.task(time_limit=1)
def too_long():
    time.sleep(20)


@celery.task
def die():
    os.kill(os.getpid(), signal.SIGKILL)


@celery.task
def die_once(folder):
    if not os.listdir(folder):
        note.run(folder)
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


@celery.task(bind=True)
def stubborn(self):
    """Report for ever, whatever is raised."""
    while True:
        try:
            self.update_state(state="PROGRESS", meta={"status": "still here"})
            time.sleep(0.05)
        except Exception:
            continue


@celery.task
def reject_once(folder):
    if not os.listdir(folder):
        note.run(folder)
        raise Reject("not now", requeue=True)
    return "taken"


@celery.task(ignore_result=True)
def silent():
    return "a value that nobody keeps"


@celery.task(bind=True)
def ignore(self):
    self.update_state(state="PROGRESS", meta={"current": 1, "total": 2, "status": "halfway"})
    raise Ignore


@celery.task(bind=True)
def hand_over(self):
    raise self.replace(add.si(20, 22))


@celery.task
def note(folder, *_):
    """Leave a mark, so that a test can count how often something ran."""
    path = os.path.join(folder, f"{time.time_ns()}")
    with open(path, "x"):
        pass


@celery.task(bind=True)
def note_and_sleep(self, folder, seconds):
    note.run(folder)
    time.sleep(seconds)
    return self.request.id


@celery.task
def tracked(rows):
    with progress.step("Reading", 1, 2):
        for _ in progress.track(range(rows), "Reading"):
            pass
    progress.log("all read")
    progress.set(current=rows, total=rows, status="read")
    raise RuntimeError("after the last report")


def wait_for_file(name, seconds=20):
    """Wait until the test leaves a file of this name, where HOLD_DIR says."""
    deadline = time.monotonic() + seconds
    path = os.path.join(os.environ["HOLD_DIR"], name)
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            raise TimeoutError(path)
        time.sleep(0.02)
