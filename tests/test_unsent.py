"""Emails that failed because the mail server took none are started again at once, each once,
for their owners.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import unsent
from app.mail_errors import MailRefused, MailUnavailable
from headway.service import start
from headway.store.records import Records
from tests.processes import free_port

AWAY = MailUnavailable("The mail server refuses the login: 535 no")


@pytest.fixture
def records(app: Flask) -> Records:
    return app.extensions["headway"].records


@pytest.fixture(autouse=True)
def within(app: Flask) -> Iterator[None]:
    with app.app_context():
        yield


def send(client: FlaskClient, address: str) -> str:
    """Start an email, and return the id of its task."""
    accepted = client.post("/tasks", json={"name": "send_async_email", "args": {"email": address}})
    assert accepted.status_code == 202
    return accepted.get_json()["task_id"]


def fail(app: Flask, task_id: str, error: Exception = AWAY) -> None:
    app.extensions["headway"].celery.backend.store_result(task_id, error, "FAILURE")


def find(records: Records) -> list[unsent.Unsent]:
    return unsent.find((each.owner, json.loads(each.snapshot)) for each in records.queries.scan())


def found(records: Records) -> list[str]:
    return [one.task_id for one in find(records)]


def titles(client: FlaskClient, phase: str) -> list[str]:
    return sorted(task["title"] for task in client.get(f"/tasks?phase={phase}").get_json()["tasks"])


def test_all_that_failed_so_is_started_again_once_for_its_owner(app: Flask, records: Records):
    ada = app.test_client()
    bob = app.test_client()
    ids = [
        send(ada, "one@example.com"),
        send(bob, "two@example.com"),
        send(ada, "three@example.com"),
    ]
    for task_id in ids:
        fail(app, task_id)
    fail(app, send(ada, "refused@example.com"), MailRefused(550, "no such user"))
    send(bob, "queued@example.com")
    queued = records.client.llen("mail")

    failed = find(records)
    assert [one.task_id for one in failed] == ids
    assert unsent.retry(failed) == []

    assert titles(ada, "queued") == ["E-mail to one@example.com", "E-mail to three@example.com"]
    assert titles(bob, "queued") == ["E-mail to queued@example.com", "E-mail to two@example.com"]
    assert records.client.llen("mail") == queued + len(ids)
    assert found(records) == []
    assert unsent.retry(failed) == []  # as by another operator at the same time
    assert records.client.llen("mail") == queued + len(ids)


def test_what_fails_so_again_is_found_again(app: Flask, records: Records):
    client = app.test_client()
    first = send(client, "ada@example.com")
    fail(app, first)
    unsent.retry(find(records))
    [again] = [task["task_id"] for task in client.get("/tasks?phase=queued").get_json()["tasks"]]

    fail(app, again)

    assert found(records) == [again]
    unsent.retry(find(records))
    assert len(titles(client, "queued")) == 1


def test_what_its_owner_has_started_again_is_left(app: Flask, records: Records):
    ada = app.test_client()
    bob = app.test_client()
    mine = send(ada, "same@example.com")
    theirs = send(bob, "same@example.com")
    for task_id in (mine, theirs):
        fail(app, task_id)

    assert ada.post(f"/tasks/{mine}/retry").status_code == 202

    assert found(records) == [theirs]


def test_several_to_one_address_that_failed_together_are_all_started_again(
    app: Flask, records: Records
):
    client = app.test_client()
    ids = [send(client, "same@example.com") for _ in range(3)]
    for task_id in ids:
        fail(app, task_id)

    unsent.retry(find(records))

    assert titles(client, "queued") == ["E-mail to same@example.com"] * 3


def test_without_an_owner_each_is_started_again_once(app: Flask, records: Records):
    args = {"email": "ada@example.com"}
    for _ in range(2):
        fail(app, start("send_async_email", args, owner="").task_id)
    queued = records.client.llen("mail")

    for _ in range(2):
        unsent.retry(find(records))

    assert records.client.llen("mail") == queued + 2


def test_many_are_found(app: Flask, records: Records, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("headway.store.queries.READ_BATCH", 3)
    client = app.test_client()
    ids = [send(client, f"a{n}@example.com") for n in range(20)]
    for task_id in ids:
        fail(app, task_id)

    assert found(records) == ids


# The command


@pytest.fixture
def environ(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return env


@pytest.mark.usefixtures("environ")
def test_the_command_lists_and_starts_again(
    app: Flask, records: Records, capsys: pytest.CaptureFixture[str]
):
    task_id = send(app.test_client(), "ada@example.com")
    fail(app, task_id)

    assert unsent.main(["list"]) == 0
    first, line = capsys.readouterr().out.splitlines()
    assert first.startswith("1 ")
    assert task_id in line
    assert line.endswith(f"E-mail to ada@example.com: {AWAY}")
    assert found(records) == [task_id]

    assert unsent.main([]) == 0
    assert capsys.readouterr().out.startswith("1 ")
    assert found(records) == []


@pytest.mark.usefixtures("environ")
def test_what_cannot_be_started_again_is_told_and_holds_up_nothing(
    app: Flask, records: Records, capsys: pytest.CaptureFixture[str]
):
    client = app.test_client()
    gone = send(client, "gone@example.com")
    kept = send(client, "kept@example.com")
    for task_id in (gone, kept):
        fail(app, task_id)
    records.client.hdel(f"headway:task:{gone}", "message")

    assert unsent.main([]) == 1

    said = capsys.readouterr().out
    assert said.startswith("1 ")
    assert f"no longer available: {gone}" in said
    assert titles(client, "queued") == ["E-mail to kept@example.com"]


@pytest.mark.usefixtures("environ")
def test_a_redis_that_is_away_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")

    assert unsent.main([]) == 1

    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("Headway: ")
    assert len(told.err.splitlines()) == 1
