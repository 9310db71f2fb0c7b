"""A Celery project whose tasks end in every way.

Started as `celery -A tests.ending_tasks worker`.
"""

from __future__ import annotations

import asyncio
import ctypes
import faulthandler
import os
import signal
import sys
import time

from celery import Celery
from celery.exceptions import Ignore, Reject

from headway import progress

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:1/0")

celery = Celery(
    "endings",
    broker=URL,
    backend=f"headway.celery.backend.LiveBackend+{URL}",
    task_cls="headway.celery.task:LiveTask",
)
celery.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    worker_lost_wait=0.5,
    worker_soft_shutdown_timeout=float(os.environ.get("SHUTDOWN_SECONDS", "4")),
    headway_lease_seconds=float(os.environ.get("LEASE_SECONDS", "15")),
    broker_connection_retry_on_startup=True,
)


class OwnBase(BaseException):
    """What nobody expects."""


def count_run(folder):
    with open(os.path.join(folder, str(time.time_ns())), "x"):
        pass


def crash():
    faulthandler.disable()  # it is meant, and no crash to be reported
    ctypes.string_at(0)


def recurse():
    return recurse()


def ignored():
    progress.update()
    raise Ignore


RAISES = {
    "exception": lambda: 1 / 0,
    "sys.exit()": sys.exit,
    "sys.exit(0)": lambda: sys.exit(0),
    "sys.exit(1)": lambda: sys.exit(1),
    "sys.exit(text)": lambda: sys.exit("usage: convert FILE"),
    "SystemExit": lambda: _raise(SystemExit),
    "KeyboardInterrupt": lambda: _raise(KeyboardInterrupt),
    "GeneratorExit": lambda: _raise(GeneratorExit),
    "CancelledError": lambda: _raise(asyncio.CancelledError),
    "BaseException": lambda: _raise(OwnBase("nobody's business")),
    "group": lambda: _raise(BaseExceptionGroup("several", [KeyboardInterrupt(), ValueError("no")])),
    "MemoryError": lambda: _raise(MemoryError("Unable to allocate 74.5 GiB")),
    "MemoryError()": lambda: _raise(MemoryError),
    "allocation": lambda: bytearray(1 << 62),
    "RecursionError": recurse,
    "Ignore": ignored,
    "Reject": lambda: _raise(Reject("not for me")),
    "os._exit(0)": lambda: os._exit(0),
    "os._exit(1)": lambda: os._exit(1),
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGSEGV": crash,
}


def _raise(error):
    raise error


@celery.task(max_retries=1)
def end(folder, how):
    """End in one of these ways, once the run is counted."""
    count_run(folder)
    if how != "return":
        RAISES[how]()
    return 42


@celery.task(max_retries=1, bind=True)
def retry(self, folder, throw):
    count_run(folder)
    if self.request.retries:
        return "again"
    failed = self.retry(countdown=0.1, throw=throw)
    return f"unreached: {failed!r}" if throw else "not the end"


@celery.task
def reject(folder):
    count_run(folder)
    if len(os.listdir(folder)) == 1:
        raise Reject("not now", requeue=True)
    return "taken"


@celery.task(soft_time_limit=1, time_limit=20)
def over_soft(folder):
    count_run(folder)
    time.sleep(30)


@celery.task(time_limit=1)
def over_hard(folder):
    count_run(folder)
    time.sleep(30)


@celery.task
def neighbour(folder, seconds):
    count_run(folder)
    time.sleep(seconds)
    return "undisturbed"


@celery.task
def meet(folder, place, others):
    """End when so many run at once."""
    with open(os.path.join(place, os.path.basename(folder)), "x"):
        pass
    deadline = time.monotonic() + 20
    while len(os.listdir(place)) < others:
        if time.monotonic() > deadline:
            raise TimeoutError("the others do not come")
        time.sleep(0.02)
    return "met"


@celery.task
def neighbour_once(folder, seconds):
    """Last so long the first time."""
    count_run(folder)
    if len(os.listdir(folder)) == 1:
        try:
            time.sleep(seconds)
        finally:
            with open(f"{folder}.finally", "x"):
                pass
    return "again"


@celery.task
def deaf_once(folder):
    """Let no exception of any kind end the first run."""
    count_run(folder)
    while len(os.listdir(folder)) == 1:
        try:
            time.sleep(600)
        except BaseException:
            continue


@celery.task
def until_told(folder):
    """Say nothing until the test leaves a file."""
    count_run(folder)
    while not os.path.exists(f"{folder}.go"):
        time.sleep(0.02)
    return "done after all"


@celery.task
def reports(folder):
    count_run(folder)
    while True:
        progress.update()
        time.sleep(0.02)


def exit_afterwards(self, *_):
    sys.exit(3)


@celery.task(on_success=exit_afterwards)
def exits_afterwards(folder):
    """Have a hook end it, once its result is stored."""
    count_run(folder)
    return 42
