"""Tasks that wait, for an answer or for their turn, hold nothing, and nobody up."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from headway import progress
from headway.snapshot import Phase
from headway.store.records import Records
from headway.turns import Turn
from tests import checkpoint_tasks
from tests.bodies import live_celery, read
from tests.by_project import Project, project
from tests.by_records import due
from tests.processes import Valkey, wait_for
from tests.test_questions import Asking
from tests.test_turns import create, end

COUNT = 200
OF_A_WORKER = 200
MAX_REMEMBERED = 100  # of these: the last ones, wherever they went through


@pytest.fixture
def celery(redis_url: str) -> Any:
    app = live_celery(redis_url)
    yield app
    app.close()


def held(records: Records) -> dict[str, int]:
    """Return what this process and Redis hold for tasks, beside their records."""
    client = records.client
    shared = (
        "leases",
        "reserved",
        "outbox",
        "kill_deadlines",
        "questions",
        "unnotified",
        "waiting:celery",
    )
    return {
        "threads": threading.active_count(),
        "files": len(os.listdir("/proc/self/fd")),
        "connections": len(client.client_list()),
        "messages": client.llen("celery") + client.hlen("unacked"),
        **{name: client.zcard(f"headway:{name}") for name in shared},
    }


def test_tasks_that_ask_hold_no_slot_connection_or_timer(celery: Celery, records: Records):
    def body() -> None:
        progress.ask("Go on?", choices=["yes", "no"])

    first = Asking(celery, records, body)
    first.run()  # what the process needs once, and what looking needs
    held(records)
    before = held(records)

    tasks = [Asking(celery, records, body) for _ in range(COUNT)]
    for each in tasks:
        each.run()

    assert all(each.snapshot.phase == Phase.WAITING for each in tasks)
    assert held(records) == before
    assert due(records) == []
    assert tasks[-1].answer("yes") == "queued"
    assert read(records, tasks[-2].task_id).phase == Phase.WAITING


# A process of the pool that the first few tasks did not reach still opens some, whatever waits.
ONCE = {"threads": 4, "files": 8, "connections": 4}


class Asks(Project):
    module = "tests.checkpoint_tasks"
    options = ("-c", "1")

    def ask(self, count: int) -> list[str]:
        """Return so many tasks of which each has asked its question."""
        with checkpoint_tasks.celery.connection_for_write() as connection:
            options = {"queue": self.queue, "connection": connection}
            ids = [
                checkpoint_tasks.asks.apply_async((str(self.folder),), **options).id
                for _ in range(count)
            ]
        for task_id in ids:
            self.reached(task_id, Phase.WAITING, seconds=180)
        return ids

    def held(self) -> dict[str, int]:
        """Return what the worker's processes hold, and the broker for it."""
        parent = Path(f"/proc/{self.process.pid}")
        children = (parent / "task" / parent.name / "children").read_text().split()
        processes = [parent, *(parent.with_name(child) for child in children)]
        client = self.records.client
        return {
            "processes": len(processes),
            "threads": sum(len(os.listdir(each / "task")) for each in processes),
            "files": sum(len(os.listdir(each / "fd")) for each in processes),
            "connections": len(client.client_list()),
            "messages": client.llen(self.queue) + client.hlen("unacked"),
            "timers": client.zcard("headway:leases") + client.zcard("headway:outbox"),
        }

    def names(self, ids: list[str]) -> tuple[int, int]:
        """Return how many of these tasks the worker's parent and its child still name."""
        reversed_ids = [each[::-1] for each in ids]
        with checkpoint_tasks.celery.connection_for_write() as connection:
            [said] = checkpoint_tasks.celery.control.broadcast(
                "held_by_the_parent",
                arguments={"reversed_ids": reversed_ids},
                reply=True,
                timeout=60,
                limit=1,
                connection=connection,
            )
            child = checkpoint_tasks.held_by_a_child.apply_async(
                (reversed_ids,), queue=self.queue, connection=connection
            )
        return next(iter(said.values())), self.end_of(child.id, 60).result


def test_a_worker_holds_nothing_for_tasks_that_wait(valkey: Valkey, tmp_path: Path):
    with project("prefork", valkey, tmp_path, Asks) as asks:
        asks.ask(OF_A_WORKER)  # what the worker needs once
        before = asks.held()

        ids = asks.ask(OF_A_WORKER)

        def holds_no_more() -> bool:
            now = asks.held()
            return all(now[what] <= count + ONCE.get(what, 0) for what, count in before.items())

        wait_for(holds_no_more, 60, f"more is held than before: {before}")
        question = asks.snapshot(ids[-1]).question
        assert asks.records.answer(ids[-1], question["id"], '"yes"', "ada").outcome == "queued"
        assert asks.end_of(ids[-1]).phase == Phase.SUCCEEDED
        assert asks.snapshot(ids[0]).phase == Phase.WAITING


def test_neither_process_of_a_worker_remembers_tasks_that_wait(valkey: Valkey, tmp_path: Path):
    with project("prefork", valkey, tmp_path, Asks) as asks:
        ids = asks.ask(OF_A_WORKER)

        of_the_parent, of_the_child = asks.names(ids)

        assert max(of_the_parent, of_the_child) <= MAX_REMEMBERED


def test_one_owners_line_is_ahead_of_nobody_but_by_its_turns(records: Records):
    line = Turn(line="2 digest")
    of_ada = [create(records, line).task_id for _ in range(COUNT)]
    of_bob = create(records, line, owner="bob").task_id

    assert read(records, of_bob).queue_position == 2
    assert held(records)["messages"] == 3
    for each in of_ada[:2]:  # two slots: when these have ended, Bob's begins
        end(records, each)
    assert due(records) == of_ada[2:4]
    assert read(records, of_bob).queue_position == 0
    assert {read(records, each).queue_position for each in of_ada[2:4]} == {1, 2}
    assert read(records, of_ada[4]).queue_position == 0, "of its line"
