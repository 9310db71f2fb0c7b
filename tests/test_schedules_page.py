"""Schedules for operators: the page, its JSON and the terminal."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from headway.snapshot import Phase
from headway.store.records import Records
from tests.bodies import read
from tests.terminal import call

HTML = {"Accept": "text/html"}


@pytest.fixture
def operator(app: Flask) -> FlaskClient:
    app.config["HEADWAY_VISIBLE"] = lambda: True
    return app.test_client()


@pytest.fixture(autouse=True)
def nightly(records: Records) -> int:
    """A schedule of the app's long task that a worker knows; returns when it saw it."""
    now = int(time.time() * 1e6)
    records.schedules.see(
        "long_task", title="Nightly", rule="0 3 * * *", now=now, following=now + 3600_000_000
    )
    return now


def one(client: FlaskClient) -> dict[str, Any]:
    answer = client.get("/schedules")
    assert answer.status_code == 200
    assert answer.json is not None
    [found] = answer.json["schedules"]
    return dict(found)


def test_only_operators_see_and_change_schedules(app: Flask, records: Records):
    visitor = app.test_client()

    answers = [
        visitor.get("/schedules"),
        visitor.get("/schedules", headers=HTML),
        *(
            visitor.post("/schedules/long_task", json={"action": action})
            for action in ("pause", "resume", "run", "x")
        ),
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert not records.schedules.all()[0].is_paused
    assert records.client.keys("headway:task:*") == []


def test_a_schedule_says_when_it_ran_and_will_run(
    operator: FlaskClient, records: Records, nightly: int
):
    before = one(operator)
    assert records.schedules.settle("long_task", nightly, nightly + 1, "some-id", 2)
    after = one(operator)

    assert (before["rule"], before["ran_at"], before["task_id"]) == ("0 3 * * *", None, None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", before["next_at"])
    assert (after["task_id"], after["missed"], after["has_worker"]) == ("some-id", 2, True)
    page = operator.get("/schedules", headers=HTML).text
    assert "missed 2 times" in page
    assert "/tasks/some-id" in page


def test_one_that_no_worker_knows_any_more_says_so(operator: FlaskClient, records: Records):
    hour_ago = int((time.time() - 3600) * 1e6)
    records.client.hset(records.keys.schedule("long_task"), "seen", hour_ago)

    assert one(operator)["has_worker"] is False
    assert "No worker has it" in operator.get("/schedules", headers=HTML).text


def test_it_is_paused_resumed_and_run_now(operator: FlaskClient, records: Records):
    paused = operator.post("/schedules/long_task", json={"action": "pause"})
    assert paused.json is not None
    assert (paused.status_code, paused.json["paused"], paused.json["next_at"]) == (200, True, None)
    assert "Paused." in operator.get("/schedules", headers=HTML).text

    resumed = operator.post("/schedules/long_task", data={"action": "resume"}, headers=HTML)
    assert (resumed.status_code, resumed.location) == (303, "/schedules")
    assert one(operator)["paused"] is False

    ran = operator.post("/schedules/long_task", json={"action": "run"})
    assert ran.status_code == 202
    assert ran.json is not None
    assert read(records, ran.json["task_id"]).phase == Phase.QUEUED
    shown = operator.post("/schedules/long_task", data={"action": "run"}, headers=HTML)
    assert (shown.status_code, shown.location[:7]) == (303, "/tasks/")


@pytest.mark.parametrize("action", ["", "delete", None, 1, []])
def test_any_other_action_is_refused(operator: FlaskClient, action: object):
    answer = operator.post("/schedules/long_task", json={"action": action})

    assert (answer.status_code, "pause, resume or run" in answer.text) == (400, True)


@pytest.mark.parametrize("name", ["other", "x" * 2000, "%00", "a b"])
def test_an_unknown_one_is_not_found(operator: FlaskClient, name: str):
    assert operator.post(f"/schedules/{name}", json={"action": "pause"}).status_code == 404


def test_one_whose_task_cannot_start_here_says_so(operator: FlaskClient, records: Records):
    records.schedules.see("elsewhere", title="E", rule="every 1 h", now=1, following=2)

    answer = operator.post("/schedules/elsewhere", json={"action": "run"})

    assert (answer.status_code, "no task elsewhere" in answer.text) == (400, True)


def test_the_terminal_lists_pauses_and_resumes(redis_url: str, records: Records):
    def said(*words: str) -> str:
        result = call("schedules", *words, HEADWAY_REDIS_URL=redis_url)
        assert result.exit_code == 0, result.output
        return result.output

    assert "long_task  0 3 * * *  next 2" in said()
    assert "paused" in said("--pause", "long_task")
    assert "paused" not in said("--resume", "long_task")
    wrong = call("schedules", "--pause", "x", HEADWAY_REDIS_URL=redis_url)
    assert (wrong.exit_code, "Known: long_task" in wrong.output) == (2, True)
