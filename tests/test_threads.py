"""Who speaks for a run: its threads and coroutines, and nobody else's."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery, current_task
from celery.exceptions import Ignore

from headway import progress
from headway.celery.run import runs
from headway.celery.run.progress_sender import FLUSHER
from headway.celery.run.runs import Stopped
from headway.snapshot import Phase
from headway.store.records import Records
from tests.bodies import pushes, read, run, run_task
from tests.processes import wait_for
from tests.thread_ways import (
    WAYS,
    N,
    in_a_copied_context,
    in_a_thread_pool,
)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_each_counts_in_its_run_whose_first_word_it_may_be_and_the_last_is_sent(
    celery: Celery, records: Records, way: Callable[..., None]
):
    def work() -> None:
        progress.update()
        progress.log("item")

    def body() -> None:
        way(work)

    task_id = run(celery, body)

    assert read(records, task_id).current == N
    assert len(records.queries.read_log(task_id, 0)["lines"]) == N
    assert not FLUSHER._buffers


def test_a_thread_counts_while_it_runs(celery: Celery, records: Records):
    def body() -> None:
        task_id = current_task.request.id
        progress.set(current=0, total=2)
        half = threading.Event()

        def work() -> None:
            progress.update()
            half.wait(30)
            progress.update()

        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(work)
            wait_for(lambda: read(records, task_id).current == 1)
            half.set()
            future.result()

    run(celery, body)


@pytest.mark.parametrize("by_id", [True, False])
def test_each_value_that_a_thread_stores_by_update_state_is_shown(
    celery: Celery, records: Records, by_id: bool
):
    def body(self: Any) -> None:
        task_id = self.request.id if by_id else None

        def beat() -> None:
            for done in range(10):
                self.update_state(
                    task_id=task_id, state="PROGRESS", meta={"current": done, "total": 10}
                )

        thread = threading.Thread(target=beat)
        thread.start()
        thread.join()

    with pushes(records) as seen:
        run(celery, body, bind=True)
        shown = [snapshot.current for snapshot in seen()[1:]]  # the first is the claim

    assert shown == list(range(10))


def test_update_state_of_many_threads_at_once_loses_none(celery: Celery, records: Records):
    def body(self: Any) -> None:
        def say(_: int) -> None:
            for _ in range(20):
                self.update_state(task_id=self_id, meta={"status": "beat"})

        self_id = self.request.id
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(say, range(4)))

    with pushes(records) as seen:
        run(celery, body, bind=True)
        versions = [snapshot.version for snapshot in seen()]

    assert len(versions) == len(set(versions)) == 81
    assert versions == sorted(versions)


def test_sums_of_threads_that_switch_all_the_time_are_right(celery: Celery, records: Records):
    def body() -> None:
        def count() -> None:
            for _ in range(20_000):
                progress.update()
                progress.update(2)

        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            with ThreadPoolExecutor(8) as pool:
                for _ in range(8):
                    pool.submit(count)
        finally:
            sys.setswitchinterval(before)

    assert read(records, run(celery, body)).current == 8 * 20_000 * 3


# Not multiprocessing's pool of threads: it waits without end for one of its threads that ends by
# what is no Exception, so there the process is ended after its grace.
CANCELLED = [way for way in WAYS if way not in (in_a_copied_context, in_a_thread_pool)]


@pytest.mark.parametrize("way", CANCELLED, ids=lambda way: way.__name__)
@pytest.mark.parametrize("by", ["progress", "update_state"])
def test_a_cancel_reaches_each_and_the_run_ends_whatever_it_returns(
    celery: Celery, records: Records, way: Callable[..., None], by: str
):
    ids = []

    def body(self: Any) -> str:
        task_id = self.request.id
        ids.append(task_id)
        progress.update()
        records.cancel(task_id)

        def work() -> None:
            end = time.monotonic() + 10
            while time.monotonic() < end:
                if by == "progress":
                    progress.update()
                else:
                    self.update_state(task_id=task_id, meta={"status": "on"})
                time.sleep(0.01)
            raise AssertionError("never told")

        way(work)
        return "done"

    with pytest.raises(Ignore, match="cancelling"):
        run(celery, body, bind=True)

    assert read(records, ids[0]).phase == Phase.CANCELLED


def test_a_thread_that_is_stopped_leaves_no_traceback(
    celery: Celery, records: Records, capfd: pytest.CaptureFixture
):
    def body() -> None:
        progress.update()
        records.cancel(current_task.request.id)

        def work() -> None:
            while True:
                progress.update()
                time.sleep(0.01)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()

    with pytest.raises(Ignore):
        run(celery, body)

    assert "Traceback" not in capfd.readouterr().err


def test_a_step_of_a_coroutine_takes_no_count_of_another(celery: Celery, records: Records):
    def body() -> None:
        async def item(number: int) -> None:
            with progress.step(f"item {number}"):
                await asyncio.sleep(0.001 * number)
            progress.update()

        async def main() -> None:
            await asyncio.gather(*(item(number) for number in range(N)))

        progress.set(total=N)
        asyncio.run(main())

    end = read(records, run(celery, body))

    assert (end.current, end.total, end.step) == (N, N, None)


def test_a_task_that_is_called_as_a_function_speaks_for_the_run_around_it(
    celery: Celery, records: Records
):
    @celery.task(name="inner", shared=False)
    def inner() -> int:
        progress.update(2)
        return 1

    def body() -> None:
        progress.set(current=0, total=5)
        assert inner() == 1
        inner.apply()  # an eager one has no record

    assert read(records, run(celery, body)).current == 2


def test_update_state_of_another_task_is_stored_as_stock_does(celery: Celery, records: Records):
    @celery.task(name="waiting", shared=False)
    def waiting() -> None:
        """Is looked at only."""

    other = run_task(waiting)

    def body(self: Any) -> None:
        self.update_state(
            task_id=other, state="PROGRESS", meta={"current": 1, "total": 4, "status": "helped"}
        )

    run(celery, body, bind=True)

    assert (read(records, other).current, read(records, other).status) == (1, "helped")


@pytest.mark.filterwarnings("ignore")  # eventlet's and Python's words on fork()
def test_a_forked_process_says_nothing_and_does_not_hang(celery: Celery, records: Records):
    def body() -> None:
        progress.set(current=1, total=5)
        child = os.fork()
        if child == 0:
            progress.update()
            progress.log("from the child")
            progress.flush()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        progress.update()

    task_id = run(celery, body)

    assert read(records, task_id).current == 2
    assert records.queries.read_log(task_id, 0)["lines"] == []


@pytest.mark.parametrize("began", ["in the first run", "before any run"])
def test_a_pool_of_threads_that_runs_share_counts_for_each_that_submits(
    celery: Celery, records: Records, began: str
):
    with ThreadPoolExecutor(1) as pool:
        if began == "before any run":
            pool.submit(int).result(30)

        def body() -> None:
            pool.submit(progress.update, 2).result(30)

        ids = [run(celery, body) for _ in range(2)]

    assert [read(records, task_id).current for task_id in ids] == [2, 2]


def test_an_executor_does_what_it_did(celery: Celery):
    with ThreadPoolExecutor(1, initializer=lambda: None) as pool:

        def body() -> None:
            future: Future[int] = pool.submit(divmod, 7, 3)
            assert future.result(30) == (2, 1)
            failing = pool.submit(int, "x", base=10)
            assert isinstance(failing.exception(10), ValueError)
            assert pool.submit(dict, self=1, fn=2).result(30) == {"self": 1, "fn": 2}

        run(celery, body)


def test_outside_a_run_threads_are_as_they_were():
    said: list[Any] = []

    class Subclass(threading.Thread):
        def run(self) -> None:
            said.append(progress.update())

    thread = Subclass()
    thread.start()
    thread.join()

    assert said == [None]
    with pytest.raises(RuntimeError):
        thread.start()


def test_stopped_is_told_once_by_each_word():
    run_ = runs.Run(SimpleNamespace(backend=None), SimpleNamespace(id="x"))
    run_.check_raised()
    run_.stop("superseded")
    for _ in range(2):
        with pytest.raises(Stopped, match="superseded"):
            run_.check()
    with pytest.raises(Stopped):
        run_.check_raised()
