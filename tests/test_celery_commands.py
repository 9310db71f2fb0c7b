"""Celery's own commands say of a live project what they say with the stock Redis backend."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.processes import ROOT, Process, Valkey, running, wait_for

PROJECT = ROOT / "tests" / "shop"
INSPECTED = ("ping", "registered", "active", "reserved", "scheduled", "revoked", "active_queues")
# From run to run: ids, dates, names of workers, numbers.
VARIES = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\d \S+|\S+@\S+|\d+(\.\d+)?")


END = "end of a command"
# One after the other in one process: it takes longer to start than they do.
ALL = f"""
import sys
from celery.bin.celery import celery
for words in sys.argv[1:]:
    ended = celery.main(["-A", "app", *words.split(" ", 3)], standalone_mode=False)
    print({END!r}, flush=True)
    if ended:
        sys.exit(f"{{words}}: {{ended}}")
"""


def celery(env: dict[str, str], *commands: str) -> list[str]:
    """Run Celery's commands for the project; returns what each prints."""
    done = subprocess.run(
        [sys.executable, "-c", ALL, *commands],
        cwd=PROJECT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *printed, rest = done.stdout.split(END)
    assert (len(printed), rest.strip()) == (len(commands), ""), done.stdout
    return [text.strip() for text in printed]


def said(valkey: Valkey, backend: str, folder: Path) -> dict[str, Any]:
    """Return what the commands say with this result backend, without what varies."""
    folder.mkdir()
    env = {
        "SHOP_REDIS": valkey.url,
        "SHOP_BACKEND": backend,
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    start = [sys.executable, "-m", "celery", "-A", "app"]
    worker = Process(
        [*start, "worker", "-c", "1", "-E", "--loglevel", "INFO"],
        folder / "worker.log",
        env,
        root=PROJECT,
    )
    events = Process([*start, "events", "--dump"], folder / "events.log", env, root=PROJECT)
    with running(worker), running(events):
        worker.wait_until(lambda: " ready." in worker.output())
        wait_for(lambda: "heartbeat" in events.output())
        [task_id] = celery(env, "call app.add --args [1,2]")
        wait_for(lambda: "task succeeded" in events.output())
        inspect = [f"inspect {name}" for name in INSPECTED]
        result, *texts = celery(env, f"result {task_id}", "status", *inspect)
        printed = dict(zip(("status", *INSPECTED), texts, strict=True))
        dumped = re.findall(r"task \w+|app\.add", events.output())
    named = {name: VARIES.sub("*", text) for name, text in printed.items()}
    return {**named, "result": result, "events": dumped}


def test_inspect_status_events_call_and_result(valkey: Valkey, tmp_path: Path):
    valkey.empty()
    stock = said(valkey, valkey.url, tmp_path / "stock")
    live = said(valkey, f"headway+{valkey.url}", tmp_path / "live")

    assert (stock["result"], "task succeeded" in stock["events"]) == ("3", True)
    for name in stock:
        assert live[name] == stock[name], name
