"""Reports from threads and coroutines at real workers: pools of processes, of threads and of
greenlets.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from headway.snapshot import FINAL, Phase, Snapshot
from headway.store.records import Records
from tests import reporting_tasks as tasks
from tests.by_hand import reached, shown
from tests.processes import Valkey, running, wait_for, worker


class Started:
    def __init__(self, pool: str, queue: str, records: Records) -> None:
        self.pool = pool
        self.queue = queue
        self.records = records

    def start(self, task: Any, *args: Any) -> str:
        return str(task.apply_async(args, queue=self.queue).id)

    def end_of(self, task_id: str) -> Snapshot:
        return reached(self.records, task_id, *FINAL, seconds=30)


@pytest.fixture(scope="module", params=("prefork", "threads", "gevent"))
def started(
    request: pytest.FixtureRequest, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Started]:
    tasks.celery.conf.broker_url = valkey.url
    tasks.celery.conf.result_backend = f"headway.celery.backend.LiveBackend+{valkey.url}"
    client = valkey.connect()
    queue = f"reports-{request.param}-{os.urandom(4).hex()}"
    folder = tmp_path_factory.mktemp("reports")
    process = worker(
        folder, {"REDIS_URL": valkey.url}, queue, "tests.reporting_tasks", "-P", request.param
    )
    with running(process):
        yield Started(request.param, queue, Records(client, 7))
    client.close()


def test_tasks_at_once_count_each_its_own_and_end_as_they_return(started: Started):
    sizes = (8, 20)
    pooled = {started.start(tasks.pooled, size): size for size in sizes}
    odd = started.start(tasks.odd)
    beats = started.start(tasks.beats, 10)

    for task_id, size in pooled.items():
        end = started.end_of(task_id)
        assert (end.phase, end.result, end.current) == (Phase.SUCCEEDED, size, size)
        assert len(started.records.queries.read_log(task_id, 0)["lines"]) == size
    end = started.end_of(odd)
    assert (end.phase, end.result, end.total) == (Phase.SUCCEEDED, "all said", 5)
    assert (started.end_of(beats).result, started.end_of(beats).current) == (
        "the thread has ended",
        10,
    )


def test_coroutines_are_summed_up(started: Started):
    end = started.end_of(started.start(tasks.gathered, 12))

    assert (end.phase, end.current) == (Phase.SUCCEEDED, 12)


def test_what_tasks_at_once_print_log_and_run_goes_to_each_ones_own_log(started: Started):
    names = [f"task {number}" for number in range(6)]
    ids = {name: started.start(tasks.captured, name) for name in names}

    for name, task_id in ids.items():
        end = started.end_of(task_id)
        assert (end.phase, end.result, end.error) == (Phase.SUCCEEDED, 0, None)
        lines = started.records.queries.read_log(task_id, 0)["lines"]
        assert [line["text"] for line in lines] == [
            f"printed {name}",
            f"logged {name}",
            f"in a thread {name}",
            f"run {name}",
        ]


@pytest.mark.parametrize("started", ["prefork"], indirect=True)  # the others fork beside threads
def test_processes_of_a_task_count_for_it(started: Started):
    end = started.end_of(started.start(tasks.spread, 10))

    assert (end.phase, end.current, end.error) == (Phase.SUCCEEDED, 10, None)


@pytest.mark.parametrize("started", ["threads"], indirect=True)  # Celery's processes may have none
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_processes_of_the_standard_librarys_count_for_their_task(started: Started, start: str):
    end = started.end_of(started.start(tasks.executed, start, 5))

    assert (end.phase, end.current, end.error) == (Phase.SUCCEEDED, 10, None)


def test_a_cancel_reaches_a_run_of_which_only_a_thread_reports(started: Started):
    task_id = started.start(tasks.beats, 0)
    wait_for(lambda: (now := shown(started.records, task_id)) and now.current > 2, 30)

    started.records.cancel(task_id)

    end = started.end_of(task_id)
    assert end.phase == Phase.CANCELLED
    assert (end.finished_at or "") > (end.started_at or "")
