"""Every way out of a body: runs counted, the end shown, its place free, its neighbours unharmed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.connection import connect
from app.records import Records
from app.snapshot import Phase, Snapshot
from tests import ending_tasks as tasks
from tests.processes import Process, Valkey, running, wait_for, worker

POOLS = ("prefork", "threads", "gevent", "solo")

FAILED = {
    # what the body does: the type and the words of its end
    "exception": ("ZeroDivisionError", "division by zero"),
    "sys.exit()": ("SystemExit", "The task called sys.exit()."),
    "sys.exit(0)": ("SystemExit", "The task called sys.exit(0)."),
    "sys.exit(1)": ("SystemExit", "The task called sys.exit(1)."),
    "sys.exit(text)": ("SystemExit", "The task called sys.exit('usage: convert FILE')."),
    "SystemExit": ("SystemExit", "The task called sys.exit()."),
    "KeyboardInterrupt": ("KeyboardInterrupt", "The task raised KeyboardInterrupt."),
    "GeneratorExit": ("GeneratorExit", "The task raised GeneratorExit."),
    "CancelledError": ("CancelledError", "The task raised CancelledError."),
    "BaseException": ("OwnBase", "nobody's business"),
    "group": ("BaseExceptionGroup", "several (2 sub-exceptions)"),
    "MemoryError": ("MemoryError", "Unable to allocate 74.5 GiB"),
    "MemoryError()": ("MemoryError", "MemoryError"),
    "allocation": ("MemoryError", "MemoryError"),
    "RecursionError": ("RecursionError", "maximum recursion depth exceeded"),
    "Reject": ("Reject", "not for me"),
}
LOST = ("os._exit(0)", "os._exit(1)", "SIGKILL", "SIGSEGV")
PLACES = 4


class Project:
    """The project's worker with one pool, and what its tasks leave behind."""

    def __init__(self, pool: str, process: Process, records: Records, folder: Path) -> None:
        self.pool, self.process, self.records = pool, process, records
        self.folder = folder

    def start(self, task: Any, *args: Any) -> tuple[str, Path]:
        """Start a task; its first argument is a folder in which it leaves a file for each run."""
        counts = self.folder / os.urandom(4).hex()
        counts.mkdir()
        result = task.apply_async((str(counts), *args), queue=self.pool)
        return str(result.id), counts

    def snapshot(self, task_id: str) -> Snapshot | None:
        [stored] = self.records.read([task_id])
        return Snapshot.from_json(stored.snapshot) if stored else None

    def end_of(self, task_id: str, seconds: float = 30) -> Snapshot:
        def ended() -> Snapshot | None:
            now = self.snapshot(task_id)
            return now if now and now.final else None

        return wait_for(ended, seconds, f"{task_id} is {self.snapshot(task_id)}\n{self.process.output()[-3000:]}")


@pytest.fixture(scope="module", params=POOLS)
def project(
    request: pytest.FixtureRequest, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    pool, folder = request.param, tmp_path_factory.mktemp("endings")
    tasks.celery.conf.broker_url = valkey.url
    tasks.celery.conf.result_backend = f"app.backend.LiveBackend+{valkey.url}"
    client = connect(valkey.url)
    env = {"REDIS_URL": valkey.url}
    with running(worker(folder, env, pool, "tests.ending_tasks", "-P", pool)) as process:
        yield Project(pool, process, Records(client, 7), folder)
    client.close()


def runs(counts: Path) -> int:
    return len(os.listdir(counts))


def test_whatever_a_body_raises_fails_this_task_alone_and_once(project: Project):
    started = {how: project.start(tasks.end, how) for how in FAILED}
    if project.pool != "solo":
        neighbour, neighbours_runs = project.start(tasks.neighbour, 1)

    for how, (task_id, counts) in started.items():
        end = project.end_of(task_id)
        assert end.phase == Phase.FAILED, how
        error = end.error or {}
        assert (error["type"], error["message"][: len(FAILED[how][1])]) == FAILED[how], how
        assert (runs(counts), end.attempt) == (1, 1), how
    if project.pool != "solo":
        assert (project.end_of(neighbour).result, runs(neighbours_runs)) == ("undisturbed", 1)
    all_places_are_free(project)


def all_places_are_free(project: Project) -> None:
    """As many tasks as the worker has places run at once, and it holds nothing else."""
    many = 1 if project.pool == "solo" else PLACES
    place = project.folder / f"meeting-{os.urandom(4).hex()}"
    place.mkdir()
    rows = [project.start(tasks.meet, str(place), many) for _ in range(many)]
    assert [project.end_of(task_id).result for task_id, _ in rows] == ["met"] * many
    assert project.process.popen.poll() is None
    wait_for(lambda: project.records.client.zcard("headway:leases") == 0)


def test_a_body_that_returns_or_asks_to_run_again_is_taken_at_its_word(project: Project):
    started = {
        "return": project.start(tasks.end, "return"),
        "retry": project.start(tasks.retry, True),
        "reject": project.start(tasks.reject),
    }

    ends = {how: project.end_of(task_id) for how, (task_id, _) in started.items()}

    assert {how: (end.phase, end.result) for how, end in ends.items()} == {
        "return": ("succeeded", 42),
        "retry": ("succeeded", "again"),
        "reject": ("succeeded", "taken"),
    }
    assert {how: runs(counts) for how, (_, counts) in started.items()} == {"return": 1, "retry": 2, "reject": 2}
    all_places_are_free(project)


def test_a_body_that_asks_to_be_ignored_ends_without_an_outcome(project: Project):
    task_id, counts = project.start(tasks.end, "Ignore")

    wait_for(lambda: runs(counts) and project.records.client.zscore("headway:leases", task_id) is None)

    assert project.snapshot(task_id).phase == "running"
    all_places_are_free(project)
    assert runs(counts) == 1


def test_a_process_that_dies_is_tried_again_and_then_lost(project: Project):
    # Elsewhere the process is the worker itself.
    started = {how: project.start(tasks.end, how) for how in LOST if project.pool == "prefork"}

    for how, (task_id, counts) in started.items():
        end = project.end_of(task_id)
        assert (end.phase, end.error["type"], runs(counts)) == ("failed", "WorkerLost", 2), how
    all_places_are_free(project)


def test_a_time_limit_ends_a_run_where_the_pool_has_them(project: Project):
    limits = {"prefork": (tasks.over_soft, tasks.over_hard), "gevent": (tasks.over_hard,)}
    for task in limits.get(project.pool, ()):
        task_id, counts = project.start(task)
        end = project.end_of(task_id)
        assert (end.phase, end.error["type"], runs(counts)) == ("failed", "TimeLimitExceeded", 1)
    all_places_are_free(project)
