"""Who speaks for a run where threads outlive it, or several runs share a process or a pool."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any

from celery import Celery, current_task

from headway import progress
from headway.celery.run import runs
from headway.store.records import Records
from tests.bodies import read, run
from tests.thread_ways import N, in_threads


def test_two_runs_at_once_share_a_pool_and_neither_counts_in_the_other(
    celery: Celery, records: Records
):
    both = threading.Barrier(2, timeout=20)
    shared = ThreadPoolExecutor(3)
    ids: dict[int, str] = {}

    def body(size: int) -> Callable[[], None]:
        def work() -> None:
            time.sleep(0.001)
            progress.update()

        def count() -> None:
            ids[size] = current_task.request.id
            both.wait()
            in_threads(work)
            for future in [shared.submit(work) for _ in range(size)]:
                future.result(30)
            both.wait()

        return count

    def one(size: int) -> None:
        run(celery, body(size))

    threads = [threading.Thread(target=one, args=(size,)) for size in (5, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    shared.shutdown()

    assert {size: read(records, task_id).current for size, task_id in ids.items()} == {
        5: N + 5,
        20: N + 20,
    }


def test_a_thread_of_which_nothing_is_known_counts_in_the_only_run(
    celery: Celery, records: Records
):
    with ThreadPool(1) as unknown:  # it is older than the run
        unknown.apply(int)

        def body() -> None:
            progress.set(current=0, total=2)
            unknown.apply(progress.update)

        end = read(records, run(celery, body))

    assert (end.current, end.total) == (1, 2)


def test_a_thread_of_which_nothing_is_known_counts_in_none_of_two_runs(
    celery: Celery, records: Records
):
    told: list[Any] = []
    with ThreadPool(1) as unknown:  # it is older than the runs
        unknown.apply(int)
        both = threading.Barrier(2, timeout=20)
        ids: list[str] = []

        def body() -> None:
            ids.append(current_task.request.id)
            progress.set(current=0, total=9)
            both.wait()
            told.append(unknown.apply(progress.update))
            bound = progress.bind(progress.update)
            unknown.apply(bound)
            both.wait()

        threads = [threading.Thread(target=run, args=(celery, body)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)

    assert [read(records, task_id).current for task_id in ids] == [1, 1]  # what it was bound to


def test_a_thread_that_outlives_its_run_counts_in_no_other(celery: Celery, records: Records):
    go = threading.Event()
    gone = threading.Event()
    left: list[threading.Thread] = []

    def first(self: Any) -> None:
        task_id = self.request.id
        progress.set(current=0, total=5)

        def work() -> None:
            go.wait(30)
            progress.update()
            self.update_state(task_id=task_id, meta={"status": "late"})
            gone.set()

        left.append(threading.Thread(target=work))
        left[0].start()

    def second() -> None:
        progress.set(current=0, total=5)
        go.set()
        gone.wait(30)

    first_id = run(celery, first, bind=True)
    second_id = run(celery, second)
    left[0].join(20)

    assert [read(records, task_id).current for task_id in (first_id, second_id)] == [0, 0]
    assert read(records, first_id).status == ""


def test_a_pool_that_outlives_a_run_works_for_the_next(celery: Celery, records: Records):
    with ThreadPoolExecutor(2) as shared:

        def body() -> None:
            for future in [shared.submit(progress.update) for _ in range(3)]:
                future.result()

        assert [read(records, run(celery, body)).current for _ in range(2)] == [3, 3]


def test_the_threads_of_a_pool_do_not_belong_to_the_run_that_was_the_first_to_use_it(
    celery: Celery, records: Records
):
    go = threading.Event()
    with ThreadPoolExecutor(1) as shared:

        def elsewhere() -> None:
            go.wait(30)
            shared.submit(progress.update).result(30)

        stranger = threading.Thread(target=elsewhere)
        stranger.start()

        def body() -> None:
            runs._process.had_two = True  # so that whoever is not known belongs to none
            shared.submit(progress.update).result(30)
            go.set()
            stranger.join(20)

        assert read(records, run(celery, body)).current == 1
