"""A planned stop of a worker whose tasks save: each ends at its next save, whatever the number."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from headway.snapshot import Phase
from tests import leaving_tasks
from tests.by_project import Project, project, runs
from tests.processes import Process, Valkey, running, wait_for, worker

TASKS = 10
FOR_EVER = 1_000_000  # rows
LONG = "300"  # seconds


class Leaving(Project):
    module = "tests.leaving_tasks"

    def worker(self, **env: str) -> Process:
        options = ("-P", self.pool, "-c", str(TASKS))
        return worker(self.folder, self._env | env, self.queue, self.module, *options)


def rows_in(path: str) -> int:
    """Return how many rows a file has, none where it is not there."""
    file = Path(f"{path}.rows")
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_ten_tasks_end_at_their_next_save(valkey: Valkey, tmp_path: Path):
    settings = {"SHUTDOWN_SECONDS": LONG, "LEASE_SECONDS": LONG}
    with project("prefork", valkey, tmp_path, Leaving, **settings) as stops:
        started = [stops.start(leaving_tasks.counts_late_rows, FOR_EVER) for _ in range(TASKS)]
        wait_for(lambda: all(rows_in(str(counts)) > 2 for _, counts in started), 60)

        stops.process.popen.send_signal(signal.SIGTERM)
        stops.process.popen.wait(100)  # none of them ends by itself, nor is it killed before

        for task_id, counts in started:
            assert stops.snapshot(task_id).phase == Phase.QUEUED
            assert runs(counts) == 1
            # The row at whose end it was asked, and the one at which it hears of that.
            assert rows_in(f"{counts}.late") <= 2
            assert stops.records.client.hexists(f"headway:task:{task_id}", "saved")


@pytest.mark.parametrize("way", ["save", "loop"])
@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "solo"])
def test_a_run_of_each_pool_ends_at_its_first_save_and_the_worker_with_it(
    pool: str, way: str, valkey: Valkey, tmp_path: Path
):
    settings = {"SHUTDOWN_SECONDS": LONG, "LEASE_SECONDS": LONG}
    with project(pool, valkey, tmp_path, Leaving, **settings) as stops:
        task_id, counts = stops.start(leaving_tasks.saves_when_asked_to_stop, way)
        wait_for(lambda: runs(counts) == 1)

        stops.process.popen.send_signal(signal.SIGTERM)
        stops.process.popen.wait(100)  # the rest of the run would last longer, as may what runs

        stopped = stops.snapshot(task_id)
        assert (stopped.phase, stopped.attempt) == (Phase.QUEUED, 1)
        assert not Path(f"{counts}.further").exists()
        with running(stops.worker()):
            end = stops.end_of(task_id)
        assert (end.phase, end.result, end.attempt) == (Phase.SUCCEEDED, "went on", 2)
        assert end.failures == 0


class SlowLoop(Leaving):
    module = "tests.slow_loop"


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_that_stops_does_not_take_again_what_it_gives_back(
    pool: str, valkey: Valkey, tmp_path: Path
):
    settings = {"SHUTDOWN_SECONDS": LONG, "LEASE_SECONDS": LONG}
    with project(pool, valkey, tmp_path, SlowLoop, **settings) as stops:
        task_id, counts = stops.start(leaving_tasks.saves_when_asked_to_stop, "save")
        wait_for(lambda: runs(counts) == 1)

        stops.process.popen.send_signal(signal.SIGTERM)
        stops.process.popen.wait(100)

        stopped = stops.snapshot(task_id)
        assert (stopped.phase, stopped.attempt) == (Phase.QUEUED, 1)
