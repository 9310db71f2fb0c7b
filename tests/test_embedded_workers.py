"""A worker in a thread of another program, as Celery's own tools for tests start it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from headway.snapshot import Phase
from headway.store.records import Records
from tests.by_hand import shown
from tests.processes import ROOT

PROJECT = """
import signal, sys, threading
from celery import Celery
from celery.contrib.testing.worker import start_worker

app = Celery("embedded", broker=sys.argv[1], backend=f"headway+{sys.argv[1]}")
begun, released = threading.Event(), threading.Event()

@app.task
def add(x, y):
    return x + y

@app.task
def wait():
    begun.set()
    released.wait(30)

app.backend  # before the worker, which is not Celery's command line
"""
RUN = """
handler = signal.getsignal(signal.SIGQUIT)
with start_worker(app, perform_ping_check=False):
    result = add.delay(1, 2)
    assert result.get(timeout=20) == 3
    assert signal.getsignal(signal.SIGQUIT) is handler
print(result.id)
"""
STOP = """
worker = start_worker(app, pool="threads", perform_ping_check=False, shutdown_timeout=0.1)
try:
    with worker:
        result = wait.delay()
        assert begun.wait(30)
except RuntimeError:
    pass  # the worker waits for its thread
for thread in threading.enumerate():
    if "(start)" in thread.name:  # the worker's, which ends now
        thread.join(20)
released.set()
print(result.id)
"""


def run(program: str, url: str) -> str:
    """Run a program that has a worker in a thread; returns what it prints at its end."""
    command = [sys.executable, "-c", PROJECT + program, url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("program", [RUN, STOP], ids=["ends", "is ended while it runs a task"])
def test_a_worker_in_a_thread_runs_live_tasks_and_leaves_its_program_alone(
    program: str, redis_url: str, records: Records
):
    task_id = run(program, redis_url)

    snapshot = shown(records, task_id)
    assert snapshot is not None
    assert snapshot.attempt == 1  # so it was claimed
    if program is RUN:
        assert snapshot.phase is Phase.SUCCEEDED
