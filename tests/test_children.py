"""Processes that a run starts report for it through the functions that it has bound."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import pytest
from celery import Celery

from headway import progress
from headway.celery.run import runs
from headway.store.records import Records
from tests import child_work
from tests.bodies import log_of, pushes, read, run

# Said by eventlet, where an earlier test has imported it; these forks use no greenlets.
pytestmark = pytest.mark.filterwarnings("ignore:Using fork\\(\\) is a bad idea")


def process_pool(start: str, size: int = 2) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(size, mp_context=multiprocessing.get_context(start))


def texts(records: Records, task_id: str) -> list[str]:
    return [text for _, text in log_of(records, task_id)]


@pytest.mark.parametrize(("start", "size"), [("fork", 2), ("spawn", 1), ("forkserver", 1)])
def test_a_pool_of_processes_counts_for_its_run(
    celery: Celery, records: Records, start: str, size: int
):
    def body() -> None:
        with process_pool(start, size) as pool, progress.step("Items", 1, 2):
            progress.set(current=0, total=6)
            assert list(pool.map(progress.bind(child_work.count), range(6))) == list(range(6))

    with pushes(records) as seen:
        task_id = run(celery, body)
        said = [(each.current, each.total) for each in seen()]

    assert said[-1] == (1, 2)
    assert all(total in (1, 2) for _, total in said)
    assert sorted(texts(records, task_id)) == [f"item {item}" for item in range(6)]


def test_a_pool_that_pickles_and_a_process_that_does_not(celery: Celery, records: Records):
    fork = multiprocessing.get_context("fork")

    def body() -> None:
        bound = progress.bind(child_work.count)
        with fork.Pool(2) as pool:
            pool.map(bound, range(4))
        process = fork.Process(target=bound, args=(4,))
        process.start()
        process.join()
        bound(5)  # in this process too
        thread = threading.Thread(target=bound, args=(6,))
        thread.start()
        thread.join()

    task_id = run(celery, body)

    assert read(records, task_id).current == 7
    assert sorted(texts(records, task_id)) == [f"item {item}" for item in range(7)]


def test_numbers_and_status_that_a_child_sets_are_the_runs(celery: Celery, records: Records):
    def body() -> None:
        with process_pool("fork") as pool:
            pool.submit(progress.bind(child_work.say), "from a child").result()
            pool.submit(progress.bind(child_work.printed), "printed there").result()

    task_id = run(celery, body)

    end = read(records, task_id)
    assert (end.current, end.total, end.status) == (4, 9, "from a child")
    assert texts(records, task_id) == ["printed there"]


def test_what_children_count_is_all_counted_before_its_step_ends(celery: Celery, records: Records):
    def body() -> None:
        with process_pool("fork") as pool:
            for _ in range(5):
                with progress.step("Items"):
                    progress.set(current=0, total=20)
                    list(pool.map(progress.bind(child_work.update), range(20)))
                progress.flush()

    with pushes(records) as seen:
        run(celery, body)
        ends = [each.current for each in seen() if each.step is None and each.total == 20]

    assert set(ends) == {20}


def test_the_death_of_a_child_costs_no_report_of_its_run(celery: Celery, records: Records):
    def body() -> None:
        progress.set(current=0, total=10)
        with process_pool("fork", 1) as pool, pytest.raises(BrokenProcessPool):
            pool.submit(progress.bind(child_work.count_and_die), 1).result()
        progress.update(5)

    assert read(records, run(celery, body)).current == 6


def test_a_child_is_told_what_it_cannot_do(celery: Celery):
    def body() -> None:
        with process_pool("fork", 1) as pool:
            said = pool.submit(progress.bind(child_work.stream), 1).result()
        assert "in the task itself" in said

    run(celery, body)


def test_a_child_may_run_a_program(celery: Celery, records: Records):
    def body() -> None:
        with process_pool("fork", 1) as pool:
            pool.submit(progress.bind(child_work.run_program), "hello").result()

    assert texts(records, run(celery, body)) == ["hello"]


def test_what_is_not_bound_reports_for_nobody(celery: Celery, records: Records):
    def body() -> None:
        with process_pool("fork", 1) as pool:
            pool.submit(child_work.update).result()

    task_id = run(celery, body)

    assert (read(records, task_id).current, texts(records, task_id)) == (0, [])


def test_a_child_that_outlives_its_run_reports_for_nobody(celery: Celery, records: Records):
    kept: list[Any] = []

    def body() -> None:
        kept.append(progress.bind(child_work.count))
        with process_pool("fork", 1) as pool:
            pool.submit(kept[0], 1).result()

    task_id = run(celery, body)
    with process_pool("fork", 1) as pool:
        assert pool.submit(kept[0], 2).result() == 2

    assert texts(records, task_id) == ["item 1"]


def test_what_is_no_report_of_a_child_is_passed_over(celery: Celery, records: Records):
    def body() -> None:
        progress.bind(child_work.count).__reduce__()
        relay: Any = runs.present().relay  # type: ignore[union-attr]
        with relay._socket.dup() as sender:
            for data in (b"{}", b"no JSON", b'{"part": 99, "n": 1}', b'{"part": 0, "odd": 1}'):
                sender.sendto(data, relay._path)
        with process_pool("fork", 1) as pool:
            pool.submit(progress.bind(child_work.count), 1).result()

    task_id = run(celery, body)

    assert texts(records, task_id) == ["item 1"]
    assert not [thread for thread in threading.enumerate() if thread.name == "children"]


def test_a_run_without_children_listens_to_nothing(celery: Celery):
    def body() -> None:
        progress.bind(child_work.count)(1)
        relay: Any = runs.present().relay  # type: ignore[union-attr]
        assert relay._socket is None

    run(celery, body)


def test_nothing_is_left_behind(celery: Celery, tmp_path: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def body() -> None:
        with process_pool("fork", 1) as pool:
            pool.submit(progress.bind(child_work.count), 1).result()
        assert os.listdir(tmp_path)

    run(celery, body)

    assert os.listdir(tmp_path) == []
