"""A cancel under every pool: the run ends, or its card and one line in the log say that it
cannot be ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.celery.worker.run_killer import CANNOT_END
from headway.snapshot import Phase
from tests import ending_tasks as tasks
from tests.by_project import Project, project, runs
from tests.processes import Valkey, wait_for

ROUNDS = 6


@pytest.fixture(scope="module", params=["prefork", "gevent", "threads", "solo"])
def cancels(
    request: pytest.FixtureRequest, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    # A lease that outlasts the test: it is not what ends a run.
    folder = tmp_path_factory.mktemp("cancels")
    with project(request.param, valkey, folder, LEASE_SECONDS="300") as started:
        yield started


def test_a_run_that_reports_ends(cancels: Project):
    task_id, counts = cancels.start(tasks.reports)
    cancels.reached(task_id, Phase.RUNNING)
    wait_for(lambda: runs(counts))

    assert cancels.records.cancel(task_id).outcome == "cancelling"

    assert cancels.end_of(task_id).phase == Phase.CANCELLED


def test_a_run_that_says_nothing_is_ended_or_said_to_go_on(cancels: Project):
    task_id, counts = cancels.start(tasks.until_told)
    cancels.reached(task_id, Phase.RUNNING)
    wait_for(lambda: runs(counts))

    assert cancels.records.cancel(task_id).outcome == "cancelling"

    if cancels.pool in ("prefork", "gevent"):
        assert cancels.end_of(task_id).phase == Phase.CANCELLED
    else:
        wait_for(lambda: cancels.snapshot(task_id).status == CANNOT_END, 30)
        for _ in range(ROUNDS):
            last = cancels.records.client.get("headway:last_sweep")
            wait_for(lambda before=last: cancels.records.client.get("headway:last_sweep") != before)
        assert cancels.process.output().count(CANNOT_END) == 1
        assert cancels.snapshot(task_id).phase == Phase.CANCELLING
        Path(f"{counts}.go").touch()
        end = cancels.end_of(task_id)
        assert (end.phase, end.result) == (Phase.SUCCEEDED, "done after all")
    assert runs(counts) == 1
    after, _ = cancels.start(tasks.end, "return")
    assert cancels.end_of(after).result == 42
