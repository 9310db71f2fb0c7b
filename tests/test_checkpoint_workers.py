"""A task that saves where it is, on workers whose processes are killed, and that are stopped."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

from headway.snapshot import Phase
from tests import checkpoint_tasks as tasks
from tests.by_project import Project, project, runs
from tests.processes import Valkey, running, wait_for

ROWS = 250
LONG = "300"  # seconds that a worker would give what runs, were there no save


class Saving(Project):
    module = "tests.checkpoint_tasks"

    def beyond(self, task_id: str, current: float, attempt: int) -> None:
        """Wait until this attempt has brought a task beyond so many rows."""

        def is_beyond() -> bool:
            now = self.snapshot(task_id)
            return now is not None and now.attempt == attempt and now.current > current

        wait_for(is_beyond)


def test_each_row_is_done_once_but_for_one_of_each_kill(valkey: Valkey, tmp_path: Path):
    with project(
        "prefork", valkey, tmp_path, Saving, SHUTDOWN_SECONDS=LONG, LEASE_SECONDS="2"
    ) as first:
        task_id, counts = first.start(tasks.counts_rows, ROWS)
        first.beyond(task_id, 20, 1)
        os.kill(int(Path(f"{counts}.pid").read_text()), signal.SIGKILL)
        first.beyond(task_id, 60, 2)

        first.process.popen.send_signal(signal.SIGTERM)
        first.process.popen.wait(30)

        stopped = first.snapshot(task_id)
        assert (stopped.phase, stopped.attempt) == (Phase.QUEUED, 2)
        before = rows_done(counts)
        assert max(before) < ROWS - 1, "it ended by itself, before the worker was stopped"
        assert len([row for row, times in before.items() if times > 1]) <= 1
        with running(first.worker()) as second:
            first.beyond(task_id, 120, 3)
            os.killpg(second.pid, signal.SIGKILL)
            with running(first.worker()):
                end = first.end_of(task_id)

    assert (end.phase, end.result, end.attempt) == (Phase.SUCCEEDED, sum(range(ROWS)), 4)
    done = rows_done(counts)
    assert sorted(done) == list(range(ROWS))
    assert sum(done.values()) <= ROWS + 2
    assert runs(counts) == 4


def test_a_question_outlives_its_worker_and_redis_and_its_answer_counts_once(
    valkey: Valkey, tmp_path: Path
):
    with project("prefork", valkey, tmp_path, Saving) as first:
        task_id, counts = first.start(tasks.asks)
        asked = first.reached(task_id, Phase.WAITING).question
        assert asked is not None
        os.killpg(first.process.pid, signal.SIGKILL)
        valkey.restart()

        answered = first.records.answer(task_id, asked["id"], '"yes"', "ada")
        with running(first.worker()):
            end = first.end_of(task_id)

    assert answered.outcome == "queued"
    assert (end.phase, end.result, end.attempt) == (Phase.SUCCEEDED, "yes", 2)
    assert runs(counts) == 2
    phases = [event["phase"] for event in first.records.history.details(task_id).history]
    assert phases == ["queued", "running", "waiting", "queued", "running", "succeeded"]


def rows_done(counts: Path) -> Counter[int]:
    """Return how often each row was done."""
    return Counter(int(row) for row in Path(f"{counts}.rows").read_text().split())
