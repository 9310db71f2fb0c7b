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


def celery(env: dict[str, str], *arguments: str) -> str:
    """Run one of Celery's commands for the project; returns what it prints."""
    command = [sys.executable, "-m", "celery", "-A", "app", *arguments]
    done = subprocess.run(
        command, cwd=PROJECT, env=os.environ | env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


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
        task_id = celery(env, "call", "app.add", "--args", "[1, 2]")
        wait_for(lambda: "task succeeded" in events.output())
        printed = {name: celery(env, "inspect", name) for name in INSPECTED}
        result = celery(env, "result", task_id)
        printed["status"] = celery(env, "status")
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
