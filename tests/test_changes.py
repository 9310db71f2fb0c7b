"""The endpoints by which a person changes a task: cancel, another time, once more."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from flask.testing import FlaskClient

from headway.message_headers import OWNER, RECORDED, SEND
from headway.snapshot import Phase, Snapshot
from headway.store.model import Delivery, StateWrite
from headway.store.records import Records
from tests.processes import Valkey

HERE = Delivery("test")
MESSAGE = {"task": "long_task", "args": [], "kwargs": {}, "options": {"queue": "celery"}}


def start(client: FlaskClient, **body: object) -> str:
    return str(client.post("/tasks", json={"name": "long_task"} | body).get_json()["task_id"])


def run(records: Records, task_id: str, end: Phase | None = None) -> None:
    """Play the worker of a task, up to its end if one is given."""
    assert (
        records.runs.claim(task_id, HERE, "run", message=MESSAGE, max_attempts=4, hostname="test")
        == "claimed"
    )
    if end:
        records.runs.write(
            StateWrite(task_id, HERE, end, {}, meta="{}", name="long_task", max_attempts=4)
        )


def test_a_task_that_has_not_begun_is_cancelled_at_once(client: FlaskClient):
    for body in ({}, {"countdown": 60}):
        task_id = start(client, **body)

        response = client.post(f"/tasks/{task_id}/cancel")

        assert response.status_code == 202
        assert Snapshot.from_json(response.text).phase == Phase.CANCELLED
        assert client.get(f"/status/{task_id}").get_json() == response.get_json()


def test_a_running_task_is_asked_to_stop_however_often(client: FlaskClient, records: Records):
    task_id = start(client)
    run(records, task_id)

    answers = [client.post(f"/tasks/{task_id}/cancel") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 202]
    assert {answer.get_json()["phase"] for answer in answers} == {"cancelling"}
    assert answers[0].get_json()["version"] == answers[1].get_json()["version"]


@pytest.mark.parametrize("end", [Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED])
def test_what_has_ended_can_only_be_started_again(
    client: FlaskClient, records: Records, end: Phase
):
    task_id = start(client)
    run(records, task_id, end)

    cancelled = client.post(f"/tasks/{task_id}/cancel")
    moved = client.post(f"/tasks/{task_id}/schedule", json={"countdown": 0})
    again = client.post(f"/tasks/{task_id}/retry")

    assert (cancelled.status_code, cancelled.get_json()["error"]["code"]) == (409, "final")
    assert (moved.status_code, moved.get_json()["error"]["code"]) == (409, "not_waiting")
    snapshot = Snapshot.from_json(again.text)
    assert (again.status_code, again.headers["Location"]) == (202, f"/status/{snapshot.task_id}")
    assert snapshot.task_id != task_id
    assert (snapshot.phase, snapshot.attempt, snapshot.title) == ("queued", 0, "Long task")


def test_what_has_not_ended_is_not_started_again(client: FlaskClient):
    response = client.post(f"/tasks/{start(client)}/retry")

    assert (response.status_code, response.get_json()["error"]["code"]) == (409, "not_final")


def test_an_email_that_is_sent_again_is_another_task_with_the_same_arguments(
    client: FlaskClient, records: Records
):
    args = {"email": "ada@example.com"}
    task_id = start(client, name="send_async_email", args=args, countdown=60)
    client.post(f"/tasks/{task_id}/cancel")

    again = client.post(f"/tasks/{task_id}/retry", headers={"Idempotency-Key": "k"})
    replayed = client.post(f"/tasks/{task_id}/retry", headers={"Idempotency-Key": "k"})

    new = again.get_json()
    assert (new["phase"], new["title"], new["name"]) == (
        "queued",
        "E-mail to ada@example.com",
        "send_async_email",
    )
    assert replayed.get_json()["task_id"] == new["task_id"]
    assert replayed.headers["Idempotency-Replayed"] == "true"
    before = records.outbox.message(task_id)
    after = records.outbox.message(new["task_id"])
    assert before is not None
    assert after is not None
    assert before[0]["kwargs"] == after[0]["kwargs"]
    assert len(client.get("/tasks").get_json()["tasks"]) == 2


def test_what_a_run_was_started_with_is_what_it_is_started_again_with(
    client: FlaskClient, records: Records
):
    task_id = start(client)
    message = MESSAGE | {
        "options": {"queue": "celery", "task_id": task_id, "retries": 3, "root_id": task_id}
    }
    assert (
        records.runs.claim(task_id, HERE, "run", message=message, max_attempts=4, hostname="test")
        == "claimed"
    )
    records.runs.write(
        StateWrite(task_id, HERE, Phase.FAILED, {}, meta="{}", name="long_task", max_attempts=4)
    )

    new = client.post(f"/tasks/{task_id}/retry").get_json()["task_id"]

    kept = records.outbox.message(new)
    assert kept is not None
    sent = kept[0]["options"].pop("headers")
    assert kept[0]["options"] == {"queue": "celery"}  # nothing of the old one's runs
    assert sent.keys() == {SEND, RECORDED, OWNER}
    assert sent[RECORDED] == new


def test_another_time_and_now(client: FlaskClient):
    task_id = start(client, countdown=3600)
    before = client.get(f"/status/{task_id}").get_json()

    later = client.post(f"/tasks/{task_id}/schedule", json={"eta": "2099-01-01T00:00:00Z"})
    assert later.status_code == 400  # more than a year away
    later = client.post(f"/tasks/{task_id}/schedule", json={"countdown": 7200})
    assert (later.status_code, later.get_json()["phase"]) == (202, "scheduled")
    assert later.get_json()["scheduled_for"] > before["scheduled_for"]

    now = client.post(f"/tasks/{task_id}/schedule", json={"eta": "2020-01-01T00:00:00Z"})
    assert (now.status_code, now.get_json()["phase"], now.get_json()["scheduled_for"]) == (
        202,
        "queued",
        None,
    )
    too_late = client.post(f"/tasks/{task_id}/schedule", json={"countdown": 10})
    assert (too_late.status_code, too_late.get_json()["error"]["code"]) == (409, "not_waiting")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"countdown": None},
        {"countdown": -1},
        {"countdown": "soon"},
        {"countdown": True},
        {"countdown": 1e12},
        {"eta": "tomorrow"},
        {"eta": "2026-11-24T12:00:00"},
        {"eta": 5},
        {"eta": "2026-W48-2T12:00:00Z"},
        {"eta": "20261124T120000Z"},
        {"eta": "2026-11-24 12:00:00Z"},
        {"eta": "2026-11-24T12:00Z"},
        {"eta": "2026-11-24T12:00:00+01"},
        {"eta": "2026-11-24T12:00:00+01:00:30"},
        {"eta": "2026-11-24T12:00:00,5Z"},
        {"eta": "２026-11-24T12:00:00Z"},
        {"eta": "2026-11-24T12:00:00Z\n"},
        {"countdown": 1, "eta": "2026-11-24T12:00:00Z"},
        {"countdown": 1, "name": "long_task"},
        [],
        None,
    ],
)
def test_what_is_no_time_changes_nothing(client: FlaskClient, body: object):
    task_id = start(client, countdown=3600)
    before = client.get(f"/status/{task_id}").get_json()

    response = client.post(
        f"/tasks/{task_id}/schedule", data=json.dumps(body), content_type="application/json"
    )

    assert response.status_code == 400
    assert client.get(f"/status/{task_id}").get_json() == before


def test_no_number_and_no_json_change_nothing(client: FlaskClient):
    task_id = start(client, countdown=3600)
    endpoint = f"/tasks/{task_id}/schedule"

    assert (
        client.post(
            endpoint, data='{"countdown": NaN}', content_type="application/json"
        ).status_code
        == 400
    )
    assert client.post(endpoint, data="countdown=0").status_code == 415
    assert client.get(f"/status/{task_id}").get_json()["phase"] == "scheduled"


@pytest.mark.parametrize("endpoint", ["cancel", "retry", "schedule"])
def test_what_is_unknown_malformed_or_not_yours_is_alike(
    app: Flask, client: FlaskClient, endpoint: str
):
    theirs = start(app.test_client(), countdown=3600)
    client.get("/")

    answers = [
        client.post(f"/tasks/{task_id}/{endpoint}", json={"countdown": 0})
        for task_id in (theirs, "00000000-0000-0000-0000-000000000000", "no id at all")
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1


@pytest.mark.parametrize("endpoint", ["cancel", "retry", "schedule"])
def test_another_sites_page_changes_nothing(client: FlaskClient, endpoint: str):
    task_id = start(client, countdown=3600)

    response = client.post(
        f"/tasks/{task_id}/{endpoint}",
        json={"countdown": 0},
        headers={"Origin": "https://evil.example.com"},
    )

    assert response.status_code == 403
    assert client.get(f"/status/{task_id}").get_json()["phase"] == "scheduled"


@pytest.mark.parametrize("endpoint", ["cancel", "retry", "schedule"])
def test_a_get_changes_nothing(client: FlaskClient, endpoint: str):
    assert client.get(f"/tasks/{start(client, countdown=3600)}/{endpoint}").status_code == 405


@pytest.mark.usefixtures("hasty_redis")
def test_while_redis_hangs_nothing_is_changed_then_or_later(
    client: FlaskClient, records: Records, valkey: Valkey
):
    waits = start(client, countdown=3600)
    ended = start(client)
    run(records, ended, Phase.FAILED)
    before = client.get(f"/status/{waits}").get_json()
    valkey.freeze()
    try:
        answers = [
            client.post(f"/tasks/{waits}/cancel"),
            client.post(f"/tasks/{waits}/schedule", json={"countdown": 0}),
            client.post(f"/tasks/{ended}/retry", headers={"Idempotency-Key": "k"}),
        ]
    finally:
        valkey.thaw()

    assert [answer.status_code for answer in answers] == [503, 503, 503]
    assert client.get(f"/status/{waits}").get_json() == before
    assert len(client.get("/tasks").get_json()["tasks"]) == 2
    assert client.post(f"/tasks/{ended}/retry", headers={"Idempotency-Key": "k"}).status_code == 202
