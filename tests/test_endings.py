"""Every way out of a body: runs counted, the end shown, its place free, its neighbours unharmed."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from headway.snapshot import Phase
from tests import ending_tasks as tasks
from tests.by_project import Project, runs
from tests.by_project import project as started
from tests.processes import Valkey, wait_for

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
    "group": ("BaseExceptionGroup", "several: KeyboardInterrupt; ValueError: no"),
    "MemoryError": ("MemoryError", "Unable to allocate 74.5 GiB"),
    "MemoryError()": ("MemoryError", "MemoryError"),
    "allocation": ("MemoryError", "MemoryError"),
    "RecursionError": ("RecursionError", "maximum recursion depth exceeded"),
    "Reject": ("Reject", "not for me"),
}
LOST = ("os._exit(0)", "os._exit(1)", "SIGKILL", "SIGSEGV")
PLACES = 4


@pytest.fixture(scope="module", params=POOLS)
def project(
    request: pytest.FixtureRequest, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    crashes = {"PYTHONFAULTHANDLER": ""}  # some of the tasks crash their process
    with started(request.param, valkey, tmp_path_factory.mktemp("endings"), **crashes) as project:
        yield project


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
    assert {how: runs(counts) for how, (_, counts) in started.items()} == {
        "return": 1,
        "retry": 2,
        "reject": 2,
    }
    all_places_are_free(project)


def test_a_hook_that_ends_its_process_changes_no_outcome(project: Project):
    task_id, counts = project.start(tasks.exits_afterwards)

    assert (project.end_of(task_id).result, runs(counts)) == (42, 1)
    all_places_are_free(project)


def test_a_body_that_asks_to_be_ignored_ends_without_an_outcome(project: Project):
    task_id, counts = project.start(tasks.end, "Ignore")

    wait_for(
        lambda: runs(counts) and project.records.client.zscore("headway:leases", task_id) is None
    )

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
