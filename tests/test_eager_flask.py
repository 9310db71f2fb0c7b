"""Tasks that a Flask app starts, in the test's own process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery import Celery
from flask import Flask, has_request_context
from flask.testing import FlaskClient

from headway import Headway, progress
from headway.celery.messages.sends import load_owner_by, nobody
from headway.registry import TASK_TYPES, Call, TaskType
from headway.testing.eager import Eager

shop = Celery(
    "flask-eager",
    broker="redis://127.0.0.1:1/0",
    backend="headway+redis://127.0.0.1:1/0",
    set_as_current=False,
)
KIND = TaskType("look", "Look {times} times", "celery", dict, Call(positional=("times",)))


@shop.task(name="look", shared=False)
def look(times: int) -> bool:
    for _ in progress.track(range(times), "Looking"):
        progress.log("looked")
    return has_request_context()


@pytest.fixture
def visitor(monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    monkeypatch.setitem(TASK_TYPES, "look", KIND)
    app = Flask("shop")
    app.secret_key = "a secret for the tests"
    Headway().init_app(app, celery=shop)
    app.post("/look")(lambda: {"task_id": look.delay(2).id})
    yield app.test_client()
    load_owner_by(nobody)


@pytest.fixture
def eager() -> Iterator[Eager]:
    with Eager(shop).active() as eager:
        yield eager


def test_a_task_that_a_view_starts_runs_outside_of_its_request(visitor: FlaskClient, eager: Eager):
    task_id = visitor.post("/look").json["task_id"]

    eager.run_of(task_id).assert_succeeded(False)
    assert visitor.get(f"/headway/status/{task_id}").json["phase"] == "succeeded"
    assert visitor.application.test_client().get(f"/headway/status/{task_id}").status_code == 404


@pytest.mark.parametrize(
    ("more", "first"),
    [({}, "queued"), ({"countdown": 3600}, "scheduled")],
    ids=["now", "later"],
)
def test_a_task_that_the_endpoint_starts(visitor: FlaskClient, eager: Eager, more, first):
    answer = visitor.post("/headway/tasks", json={"name": "look", "args": {"times": 2}, **more})

    run = eager.run_of(answer.json["task_id"])
    run.assert_succeeded(False)
    assert (answer.status_code, run.snapshot.title, run.phases[0]) == (202, "Look 2 times", first)
    log = visitor.get(f"/headway/tasks/{run.task_id}/log").json
    assert [line["text"] for line in log["lines"]] == run.log == ["looked", "looked"]
    [listed] = visitor.get("/headway/tasks").json["tasks"]
    assert listed["task_id"] == run.task_id
