"""A worker that is stopped in order: what runs ends or goes back, once, and nobody waits for
nothing.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from headway.celery.worker.consumer import MAX_WAIT_SECONDS, guarded
from headway.snapshot import Phase
from tests import checkpoint_tasks
from tests import ending_tasks as tasks
from tests.by_project import Project, project, runs
from tests.processes import Valkey, running, wait_for

LONG = "300"
FOR_EVER = 600.0


def control_shutdown() -> None:
    """Stop all workers as `celery control shutdown` does."""
    with tasks.celery.connection_for_write() as connection:
        tasks.celery.control.shutdown(connection=connection)


@pytest.mark.parametrize("way", [signal.SIGTERM, signal.SIGINT, "control"])
@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_warm_shutdown_finishes_what_runs_and_holds_it_meanwhile(
    pool: str, way: signal.Signals | str, valkey: Valkey, tmp_path: Path
):
    with project(pool, valkey, tmp_path, REMAP_SIGTERM="", LEASE_SECONDS="4") as stops:
        task_id, counts = stops.start(tasks.neighbour, 8)
        stops.reached(task_id, Phase.RUNNING)

        if isinstance(way, signal.Signals):
            stops.process.popen.send_signal(way)
        else:
            control_shutdown()
        # It takes nothing more, and says so while the task still runs.
        wait_for(lambda: stops.records.queries.overview()["workers"] == 0)
        assert stops.snapshot(task_id).phase == Phase.RUNNING
        with running(stops.worker()):
            end = stops.end_of(task_id)
            stops.process.popen.wait(20)

        assert (end.phase, end.result, end.attempt, runs(counts)) == (
            "succeeded",
            "undisturbed",
            1,
            1,
        )


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "solo"])
def test_a_planned_stop_lasts_no_longer_than_what_runs(pool: str, valkey: Valkey, tmp_path: Path):
    with project(pool, valkey, tmp_path, SHUTDOWN_SECONDS=LONG) as stops:
        task_id, counts = stops.start(tasks.neighbour, 2)
        stops.reached(task_id, Phase.RUNNING)

        stops.process.popen.send_signal(signal.SIGTERM)

        stops.process.popen.wait(30)
        assert (stops.end_of(task_id).phase, runs(counts)) == ("succeeded", 1)
        assert stops.records.client.hvals("unacked") == []


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent", "solo"])
def test_what_does_not_end_within_the_grace_runs_elsewhere_and_has_not_failed(
    pool: str, valkey: Valkey, tmp_path: Path
):
    with project(pool, valkey, tmp_path, SHUTDOWN_SECONDS="1") as stops:
        task_id, counts = stops.start(tasks.neighbour_once, FOR_EVER)
        wait_for(lambda: runs(counts) == 1)  # RUNNING is stored before the body begins

        stops.process.popen.send_signal(signal.SIGTERM)

        stops.process.popen.wait(30)
        # which only the process's end stops
        assert os.path.exists(f"{counts}.finally") == (pool != "threads")
        given_back = stops.snapshot(task_id)
        assert (given_back.phase, given_back.status, given_back.attempt) == (
            "queued",
            "Pending...",
            1,
        )
        with running(stops.worker()):
            end = stops.end_of(task_id)
        assert (end.phase, end.result, end.attempt, runs(counts)) == ("succeeded", "again", 2, 2)
        assert end.failures == 0


class StoppingPool(Project):
    module = "tests.stopping_pool"


def test_a_stop_asks_what_runs_to_end_at_once_and_its_pool_sleeps_for_nothing(
    valkey: Valkey, tmp_path: Path
):
    settings = {"SHUTDOWN_SECONDS": LONG, "LEASE_SECONDS": LONG, "SLEPT": str(tmp_path / "slept")}
    with project("prefork", valkey, tmp_path, StoppingPool, **settings) as stops:
        task_id, counts = stops.start(checkpoint_tasks.counts_rows, 1_000_000)
        wait_for(Path(f"{counts}.rows").exists)

        stops.process.popen.send_signal(signal.SIGTERM)

        stops.process.popen.wait(60)
        assert stops.snapshot(task_id).phase == "queued"
        assert not (tmp_path / "slept").exists()


@pytest.mark.parametrize(("hub", "waits"), [(None, MAX_WAIT_SECONDS), (object(), 2.0)])
def test_a_loop_of_greenlets_soon_sees_that_its_worker_stops(hub: object, waits: float):
    """Celery's waits for two seconds, and once more after it has been told to stop."""
    asked: list[float] = []

    class Consumer:
        def connection_for_read(self, heartbeat: float | None = None) -> SimpleNamespace:
            return SimpleNamespace(drain_events=lambda timeout: asked.append(timeout))

    consumer = guarded(Consumer)()
    consumer.hub = hub
    consumer.connection_for_read(heartbeat=None).drain_events(timeout=2.0)

    assert asked == [waits]


def test_a_second_signal_ends_the_grace(valkey: Valkey, tmp_path: Path):
    with project("prefork", valkey, tmp_path, SHUTDOWN_SECONDS=LONG) as stops:
        task_id, _ = stops.start(tasks.neighbour, FOR_EVER)
        stops.reached(task_id, Phase.RUNNING)

        stops.process.popen.send_signal(signal.SIGTERM)
        wait_for(lambda: "300 seconds to end" in stops.process.output())
        stops.process.popen.send_signal(signal.SIGTERM)

        stops.process.popen.wait(30)
        assert stops.snapshot(task_id).phase == "queued"


def test_a_stop_of_an_idle_worker_takes_no_time(valkey: Valkey, tmp_path: Path):
    with project("prefork", valkey, tmp_path, SHUTDOWN_SECONDS=LONG) as stops:
        stops.process.popen.send_signal(signal.SIGTERM)
        stops.process.popen.wait(20)


class StoppedInFinalizer(Project):
    module = "tests.stopped_in_finalizer"


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_a_stop_whose_exception_is_lost_ends_the_worker_all_the_same(
    pool: str, valkey: Valkey, tmp_path: Path
):
    with project(pool, valkey, tmp_path, StoppedInFinalizer, SHUTDOWN_SECONDS=LONG) as stops:
        stops.process.popen.wait(20)
        assert "Exception ignored in" in stops.process.output()


def test_a_solo_worker_whose_task_lets_nothing_interrupt_it_ends_all_the_same(
    valkey: Valkey, tmp_path: Path
):
    with project("solo", valkey, tmp_path, SHUTDOWN_SECONDS="1") as stops:
        task_id, counts = stops.start(tasks.deaf_once)
        stops.reached(task_id, Phase.RUNNING)

        stops.process.popen.send_signal(signal.SIGTERM)

        stops.process.popen.wait(30)
        with running(stops.worker()):
            assert (stops.end_of(task_id).phase, runs(counts)) == ("succeeded", 2)
