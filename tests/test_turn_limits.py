"""Turns beside the limits of a server: what waits in line, for its delay, or finds no place."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from headway.registry import task
from headway.snapshot import Phase
from headway.store.records import Records
from tests.by_hand import claim, shown, write
from tests.by_records import due

DELAY = 60


@pytest.fixture(scope="module", autouse=True)
def kinds() -> None:
    @task("Pages of {site}", unique="{site}", when_open="queue", max_running=2)
    def limits_crawl(site: int): ...

    @task("Search of {site}", unique="{site}", when_open="latest", debounce=DELAY)
    def limits_index(site: int): ...


@pytest.fixture
def app(env: dict[str, str]) -> Flask:
    limits = {"RATE_LIMITS": "on", "MAX_QUEUE_LENGTH": "4", "MAX_OPEN_TASKS": "5"}
    return create_app({**env, **limits})


def visitor(app: Flask) -> FlaskClient:
    client = app.test_client()
    client.get("/")  # its cookie makes the owner
    return client


def start(client: FlaskClient, name: str = "limits_crawl", site: int = 1) -> Any:
    answer = client.post("/tasks", json={"name": name, "args": {"site": site}})
    return answer.json["task_id"] if answer.status_code == 202 else answer.json["error"]["code"]


def statuses(records: Records, ids: list[str]) -> list[str]:
    return [shown(records, each).status for each in ids]


def end(records: Records, task_id: str) -> None:
    claim(records, task_id)
    write(records, task_id, 1000, Phase.SUCCEEDED)


def test_what_waits_in_line_is_in_no_queue_and_counts_as_open(app: Flask, records: Records):
    ada = visitor(app)
    crawls = [start(ada) for _ in range(5)]
    waits = "Waits for its turn"
    assert statuses(records, crawls) == ["Pending...", "Pending...", waits, waits, waits]

    assert start(ada, site=2) == "rate_limited"  # five are open, of whatever kind
    assert [len(start(visitor(app))) for _ in range(2)] == [36, 36]  # an id: two are in the queue
    assert start(visitor(app)) == "queue_full"

    end(records, crawls[0])  # a place in the queue, and a turn
    assert due(records) == [crawls[2]]
    assert statuses(records, crawls[2:]) == ["Pending...", waits, waits]
    assert len(ada.get("/tasks").json["tasks"]) == 5  # what was refused has left nothing


def test_each_newer_one_begins_its_delay_anew(app: Flask, records: Records):
    ada = visitor(app)

    ids = [start(ada, "limits_index") for _ in range(6)]  # of which one is open at a time

    snapshots = [shown(records, each) for each in ids]
    assert [each.phase for each in snapshots] == [Phase.CANCELLED] * 5 + [Phase.SCHEDULED]
    assert {each.status for each in snapshots[:-1]} == {"Replaced by a newer one"}
    created, scheduled = (
        datetime.fromisoformat(str(each))
        for each in (snapshots[-1].created_at, snapshots[-1].scheduled_for)
    )
    assert (scheduled - created).total_seconds() == DELAY
    assert due(records) == []
    records.client.zincrby("headway:outbox", -DELAY * 1_000_000, ids[-1])
    assert due(records) == [ids[-1]]
