"""Schedules with several real workers whose clocks are apart, and with beat in two processes."""

from __future__ import annotations

import json
import math
import signal
import sys
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from celery import Celery

from headway.store.records import Records
from tests.bodies import read
from tests.faults.system import CLOCK
from tests.processes import ROOT, Process, Valkey, running, wait_for, worker

PROJECT = "tests.scheduled_project"
HOUR = 3600
AHEAD = (0, HOUR, -HOUR)  # seconds by which the workers' clocks are wrong
FEW = 6  # runs
SENT = "Sending due task beaten"


class Shop:
    """The project's workers and beat processes, and what their runs have noted."""

    def __init__(self, valkey: Valkey, folder: Path, stack: ExitStack) -> None:
        self._url = valkey.url
        self._folder = folder
        self._stack = stack
        self._client = valkey.connect()
        self._records = Records(self._client, 7)
        stack.callback(self._client.close)

    def worker(self, ahead: int, **env: str) -> Process:
        env = self._env(ahead) | env
        # Elsewhere than in the root, where processes are forked of one whose clock is right.
        started = worker(self._folder, env, "celery", PROJECT, root=self._folder)
        return self._stack.enter_context(running(started))

    def beat(self, name: str, ahead: int) -> Process:
        """Start a beat process with a schedule file of its own."""
        command = [sys.executable, "-m", "celery", "-A", PROJECT, "beat", "--pidfile="]
        options = ["-s", str(self._folder / name), "--loglevel", "INFO"]
        log = self._folder / f"{name}.log"
        started = Process([*command, *options], log, self._env(ahead), root=self._folder)
        return self._stack.enter_context(running(started))

    def start_lasting(self, seconds: float) -> None:
        """Return when a worker runs a task that lasts so long."""
        with Celery(broker=self._url, set_as_current=False) as client:
            client.send_task("lasts", (seconds,))
        wait_for(lambda: self.runs("lasting"))

    def queued(self) -> int:
        return int(self._client.llen("celery"))

    def runs(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(run) for run in self._client.lrange(name, 0, -1)]

    def started_at(self, task_id: str) -> float:
        """Return when a run was started, by Redis's clock."""
        created_at = read(self._records, task_id).created_at
        return datetime.fromisoformat(created_at).timestamp()

    def clocks(self) -> set[int]:
        """Return by how many hours the clocks of the workers that had a tick are wrong."""
        return {round((run["clock"] - time.time()) / HOUR) for run in self.runs("ticks")}

    def _env(self, ahead: int) -> dict[str, str]:
        clock = {"PYTHONPATH": f"{CLOCK}:{ROOT}", "CLOCK_AHEAD": str(ahead)}
        return {"SHOP_REDIS": self._url, **clock}


def test_each_time_has_one_run_whatever_the_workers_clocks_and_beat_runs_beside(
    valkey: Valkey, tmp_path: Path
):
    with ExitStack() as stack:
        shop = Shop(valkey, tmp_path, stack)
        for ahead in AHEAD:
            shop.worker(ahead)
        beats = [shop.beat("one", 0), shop.beat("another", HOUR)]
        wait_for(lambda: len(shop.runs("ticks")) >= FEW and shop.clocks() == {0, 1, -1}, 60)
        wait_for(lambda: all(beat.output().count(SENT) >= FEW for beat in beats))
        for beat in beats:
            assert beat.stop() == 0
        sent = sum(beat.output().count(SENT) for beat in beats)
        wait_for(lambda: len(shop.runs("beaten")) >= sent)

        ids = [run["task_id"] for run in shop.runs("ticks")]
        beaten = [run["task_id"] for run in shop.runs("beaten")]
        started = sorted(shop.started_at(task_id) for task_id in ids)

    assert len(set(ids)) == len(ids), "a run was run twice"
    # A time comes each second, so more runs than seconds would be two of one time.
    assert len(ids) <= math.floor(started[-1]) - math.floor(started[0]) + 2
    assert len(set(beaten)) == len(beaten) == sent


def test_a_worker_starts_nothing_more_while_it_finishes_what_runs(valkey: Valkey, tmp_path: Path):
    """Nobody takes what it would start: with the next worker all of it would run at once."""
    with ExitStack() as stack:
        shop = Shop(valkey, tmp_path, stack)
        worker = shop.worker(0, REMAP_SIGTERM="")
        wait_for(lambda: shop.runs("ticks"))
        shop.start_lasting(FEW)

        worker.popen.send_signal(signal.SIGTERM)
        worker.popen.wait(60)

        assert shop.queued() <= 1, "a run for each second of the shutdown"
