"""Whose a task is that Celery sends: that of the request or the run which sends it, or the one
a header names.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery._state import _task_stack
from flask import Flask
from flask.testing import FlaskClient

from headway.celery.messages.sends import identify, load_owner_by, nobody
from headway.store.records import Records
from tests import plain_celery as plain
from tests.by_broker import Hand, running_as


def owner_and_title(records: Records, task_id: str) -> tuple[str, str]:
    return tuple(records.client.hmget(f"headway:task:{task_id}", "owner", "title"))  # type: ignore[return-value]


def listed(client: FlaskClient) -> list[str]:
    answer = client.get("/tasks", headers={"Accept": "application/json"})
    return [snapshot["task_id"] for snapshot in answer.get_json()["tasks"]]


@pytest.fixture
def ask_nobody() -> Any:
    yield
    load_owner_by(nobody)


@contextmanager
def run_of(message: Any) -> Iterator[None]:
    """Let Celery take what is done for a run of `add` for this message."""
    _task_stack.push(plain.add)
    try:
        with running_as(plain.add, message):
            yield
    finally:
        _task_stack.pop()


HEADERS = {"headway_owner": "ada", "headway_title": "Two\nnumbers"}


def test_headers_name_owner_and_title(hand: Hand):
    result = plain.add.apply_async((1, 2), headers=HEADERS)

    assert hand.claim(hand.take()) == "claimed"
    assert owner_and_title(hand.records, result.id) == ("ada", '"Two numbers"')
    assert hand.redis.zrange("headway:owner:ada", 0, -1) == [result.id]


def test_so_does_what_waits_for_its_time(hand: Hand):
    stock = plain.stock.send_task("tests.plain_celery.add", (1, 2), countdown=60, headers=HEADERS)

    assert hand.defer(hand.take())
    assert owner_and_title(hand.records, stock.id) == ("ada", '"Two numbers"')
    assert hand.snapshot(stock.id)["phase"] == "scheduled"


@pytest.mark.parametrize(
    "headers", [{}, {"headway_owner": None}, {"headway_owner": 7, "headway_title": ["x"]}]
)
def test_where_none_is_named_the_task_is_nobodys(hand: Hand, headers: dict[str, Any]):
    result = plain.add.apply_async((1, 2), headers=headers)

    assert hand.claim(hand.take()) == "claimed"
    assert owner_and_title(hand.records, result.id) == (None, '"tests.plain_celery.add"')
    assert not hand.redis.keys("headway:owner:*")


def test_what_a_run_starts_is_its_owners_and_has_its_own_title(hand: Hand):
    plain.add.apply_async((1, 2), headers=HEADERS)
    with run_of(hand.take()):
        child = plain.add.delay(3, 4)
        other = plain.add.apply_async((5, 6), headers={"headway_owner": "bob"})

    assert [hand.claim(hand.take()) for _ in range(2)] == ["claimed"] * 2
    assert owner_and_title(hand.records, child.id) == ("ada", '"tests.plain_celery.add"')
    assert owner_and_title(hand.records, other.id)[0] == "bob"


def test_a_retry_keeps_both(hand: Hand):
    plain.add.apply_async((1, 2), headers=HEADERS)
    message = hand.take()
    headers = {"id": message.headers["id"]}

    with run_of(message):
        identify(headers=headers)

    assert {name: headers[name] for name in HEADERS} == HEADERS


def test_what_a_view_sends_is_on_its_visitors_page_and_on_nobody_elses(
    app: Flask, hand: Hand, records: Records, ask_nobody: None
):
    @app.post("/own-view")
    def view() -> dict[str, str]:
        return {"task_id": plain.add.delay(1, 2).id}

    ada = app.test_client()
    bob = app.test_client()
    for client in (ada, bob):
        client.get("/")
    task_id = ada.post("/own-view").get_json()["task_id"]

    assert hand.claim(hand.take()) == "claimed"
    assert (listed(ada), listed(bob)) == ([task_id], [])
    assert ada.get(f"/status/{task_id}").status_code == 200
    assert bob.get(f"/status/{task_id}").status_code == 404
    assert plain.add.delay(3, 4).id not in listed(ada)


def test_outside_of_a_request_the_app_names_nobody(app: Flask, hand: Hand, ask_nobody: None):
    result = plain.add.delay(1, 2)

    assert "headway_owner" not in hand.take().headers
    assert result.id


@pytest.mark.parametrize("name", ["\ud800", "ada\udfff"])
def test_a_name_that_is_no_utf8_is_nobodys_at_every_endpoint(app: Flask, name: str):
    app.config["HEADWAY_OWNER_LOADER"] = lambda: name
    client = app.test_client()
    device = {"endpoint": "https://push.example.com/1"}

    started = client.post("/tasks", json={"name": "long_task"})
    task_id = started.get_json()["task_id"]

    assert started.status_code == 202
    assert client.get(f"/status/{task_id}").status_code == 404
    assert listed(client) == []
    assert client.delete("/push", json=device).status_code == 403
    assert client.get("/").status_code == 200
