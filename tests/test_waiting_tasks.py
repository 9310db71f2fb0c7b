"""Tasks that wait, for an answer or for their turn, hold nothing, and nobody up."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest
from celery import Celery

from headway import progress
from headway.snapshot import Phase
from headway.store.records import Records
from headway.turns import Turn
from tests.bodies import live_celery, read
from tests.by_records import due
from tests.test_questions import Asking
from tests.test_turns import create, end

COUNT = 200


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
