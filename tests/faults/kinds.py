"""Kinds of work that only the fault suite starts, and the journal in which their bodies say
what really ran.
"""

from __future__ import annotations

import json
import os
import signal
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from headway import task

JOURNAL = "FAULTS_JOURNAL"  # the environment's name for the journal's path


def note(task: Any, event: str) -> None:
    """Append a line to the journal: whole, also beside other processes, and there when the
    process is killed next.
    """
    line = json.dumps(
        {"task_id": task.request.id, "event": event, "pid": os.getpid(), "at": time.monotonic()}
    )
    with Path(os.environ[JOURNAL]).open("ab", buffering=0) as journal:
        journal.write(line.encode() + b"\n")


@task("Work {label}", bind=True)
def work(self: Any, label: str, steps: int = 3, seconds: float = 0.05) -> str:
    """Report each of `steps`, `seconds` apart, and return the label."""
    note(self, "begin")
    for done in range(steps):
        self.update_state(
            state="PROGRESS", meta={"current": done, "total": steps, "status": f"Step {done}"}
        )
        time.sleep(seconds)
    note(self, "end")
    return label


@task("Silence {label}", bind=True)
def silence(self: Any, label: str, seconds: float = 0.5) -> str:
    """Report nothing at all."""
    note(self, "begin")
    time.sleep(seconds)
    note(self, "end")
    return label


@task("Poison {label}", bind=True, max_retries=3)
def poison(self: Any, label: str) -> None:
    """Kill the process that runs it, at every attempt."""
    note(self, "begin")
    os.kill(os.getpid(), signal.SIGKILL)


@task("Clock {label}", bind=True)
def clock(self: Any, label: str) -> dict[str, float]:
    """Return what each clock of the worker says."""
    return {
        "time": time.time(),
        "datetime": datetime.now().timestamp(),
        "celery": self.app.now().timestamp(),
    }
