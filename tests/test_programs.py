"""The programs that a run has started end with it where it is broken off, whatever they are.

Those of others never.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from headway.snapshot import Phase
from tests import program_tasks as tasks
from tests.by_project import Project, project, runs
from tests.processes import Process, Valkey, wait_for, worker

ALL = 10  # processes that `start_all` leaves: two by a shell's pipe and the shell, two orphans
POOL_SIZE = 4


class Programs(Project):
    module = "tests.program_tasks"


class Single(Programs):
    """A worker with one process."""

    def worker(self, **env: str) -> Process:
        options = ("-P", self.pool, "-c", "1")
        return worker(self.folder, self._env | env, self.queue, self.module, *options)


def programs_of(counts: Path) -> set[int]:
    """Return the processes that live of those which the runs of a task have started."""
    name = tasks.name_of(str(counts)).encode()
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if name in (entry / "cmdline").read_bytes():
                found.add(int(entry.name))
    with suppress(OSError):
        forked = int(Path(f"{counts}.forked").read_text())
        if Path(f"/proc/{forked}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            found.add(forked)
    return found


@pytest.fixture(scope="module")
def pool(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    with project("prefork", valkey, tmp_path_factory.mktemp("programs"), Programs) as started:
        yield started


def begin(pool: Project, task: object, *args: object) -> tuple[str, Path]:
    """Start a task; returns when its programs run."""
    task_id, counts = pool.start(task, *args)
    wait_for(lambda: runs(counts), 30)
    assert len(programs_of(counts)) >= ALL
    return task_id, counts


def are_gone(counts: Path) -> None:
    wait_for(lambda: not programs_of(counts), 10, f"{programs_of(counts)} live on")


@pytest.fixture(scope="module")
def neighbours(pool: Programs) -> Iterator[tuple[Path, Path]]:
    """Programs of another task that runs, and what one that has ended left in each process of
    the pool.
    """
    _, running = begin(pool, tasks.waits)
    others = POOL_SIZE - 1
    place = pool.folder / "place"
    place.mkdir()
    left = [pool.start(tasks.leaves, str(place), others) for _ in range(others)]
    pids = {pool.end_of(task_id).result for task_id, _ in left}
    assert len(pids) == others
    counts = [counts for _, counts in left]
    yield running, counts
    live = [len(programs_of(each)) for each in counts]
    assert (len(programs_of(running)) >= ALL, live) == (True, [2] * len(left))
    for each in (running, *counts):
        for pid in programs_of(each):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("task", [tasks.waits, tasks.reports], ids=["killed", "told"])
def test_of_a_cancelled_run(pool: Programs, neighbours: object, task: object):
    task_id, counts = begin(pool, task)

    assert pool.records.cancel(task_id).outcome == "cancelling"

    assert pool.end_of(task_id).phase == Phase.CANCELLED
    are_gone(counts)


@pytest.mark.parametrize("task", [tasks.over_soft, tasks.over_hard])
def test_of_a_run_over_its_time(pool: Programs, neighbours: object, task: object):
    task_id, counts = begin(pool, task)

    assert pool.end_of(task_id).error["type"] == "TimeLimitExceeded"
    are_gone(counts)


def folders() -> set[Path]:
    """Return the folders by which children find their runs."""
    return {path.parent for path in Path(tempfile.gettempdir()).glob("headway-*/reports")}


@pytest.mark.parametrize("how", ["exit", "kill", "crash"])
def test_of_a_run_whose_process_is_lost(pool: Programs, neighbours: object, how: str):
    before = folders()
    task_id, counts = begin(pool, tasks.dies, how)

    Path(f"{counts}.go").touch()

    assert pool.end_of(task_id).error["type"] == "WorkerLost"
    are_gone(counts)
    wait_for(lambda: folders() <= before)


def test_of_what_celery_is_told_to_terminate(pool: Programs, neighbours: object):
    task_id, counts = begin(pool, tasks.waits)

    tasks.celery.control.revoke(task_id, terminate=True, signal="SIGKILL")

    assert pool.end_of(task_id).phase == Phase.CANCELLED
    are_gone(counts)


def test_of_a_run_that_a_stopped_worker_gives_back(valkey: Valkey, tmp_path: Path):
    with project("prefork", valkey, tmp_path, Programs, SHUTDOWN_SECONDS="1") as pool:
        task_id, counts = begin(pool, tasks.waits)

        pool.process.popen.send_signal(signal.SIGTERM)
        pool.process.popen.wait(30)

        assert pool.snapshot(task_id).phase == "queued"
        are_gone(counts)


def test_but_not_of_earlier_tasks_of_the_same_process(valkey: Valkey, tmp_path: Path):
    with project("prefork", valkey, tmp_path, Single) as pool:
        place = tmp_path / "place"
        place.mkdir()
        earlier, left = pool.start(tasks.leaves, str(place), 1)
        assert pool.end_of(earlier).phase == Phase.SUCCEEDED
        task_id, counts = begin(pool, tasks.over_hard)

        assert pool.end_of(task_id).error["type"] == "TimeLimitExceeded"
        are_gone(counts)
        assert len(programs_of(left)) == 2
        for pid in programs_of(left):
            os.kill(pid, signal.SIGKILL)


def test_of_a_run_under_solo(valkey: Valkey, tmp_path: Path):
    with project("solo", valkey, tmp_path, Programs, SHUTDOWN_SECONDS="1") as pool:
        task_id, counts = begin(pool, tasks.reports)

        pool.records.cancel(task_id)

        assert pool.end_of(task_id).phase == Phase.CANCELLED
        are_gone(counts)
