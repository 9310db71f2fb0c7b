"""An email is sent once, however many runs its task takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, current_task
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.mail_errors import LOST, MailDeferred
from app.mail_waits import deferred
from app.tasks import mail
from headway.state import state_of
from headway.store.effects import EffectRecords
from headway.store.errors import RedisUnavailable
from tests.smtp_server import SmtpServer


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture
def app(env: dict[str, str], smtp: SmtpServer) -> Flask:
    port = str(smtp.port)
    return create_app(
        {**env, "MAIL_SERVER": "127.0.0.1", "MAIL_PORT": port, "MAIL_RETRY_SECONDS": "0"}
    )


@pytest.fixture
def headway_celery_app(app: Flask) -> Celery:
    return state_of(app).celery


@pytest.fixture(autouse=True)
def emails(app: Flask, headway_eager: Any) -> Any:
    """Run what is started in this process."""
    return headway_eager


def send(client: FlaskClient, emails: Any) -> Any:
    """Send an email by the form, and return the run of its task."""
    form = {"email": "ada@example.com", "submit": "Send"}
    accepted = client.post("/", data=form, headers={"Accept": "application/json"})
    return emails.run_of(accepted.get_json()["task_id"])


def fails_once(*_: object) -> None:
    """As a run that is lost after the server has accepted its message."""
    if current_task.request.retries == 0:
        raise deferred(current_task, MailDeferred(451, "lost"))


def test_a_run_after_one_that_has_sent_it_gives_the_same_reply(
    client: FlaskClient, emails: Any, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(mail.OUTAGE, "end", fails_once)

    run = send(client, emails)

    run.assert_phases("queued", "running", "retrying", "queued", "running", "succeeded")
    assert run.result["reply"] == "250 2.0.0 Ok: queued as 4B1F"
    assert len(smtp.accepted) == 1


def test_a_run_after_one_that_was_lost_at_the_final_dot_sends_nothing(
    client: FlaskClient, emails: Any, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch
):
    advance = EffectRecords.advance_effect

    def lose(effects: EffectRecords, *about: Any) -> Any:
        return advance(effects, *about) if about[4] != "done" else ("stale", "")

    monkeypatch.setattr(EffectRecords, "advance_effect", lose)
    monkeypatch.setattr(mail.OUTAGE, "end", fails_once)

    run = send(client, emails)

    run.assert_failed("OutcomeUnknown", LOST)
    assert len(smtp.accepted) == 1


def test_a_message_for_which_redis_does_not_answer_is_sent_later(
    client: FlaskClient, emails: Any, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch
):
    advance = EffectRecords.advance_effect
    sent: list[int] = []

    def not_at_first(effects: EffectRecords, *about: Any) -> Any:
        if about[4] == "begin" and not sent:
            sent.append(len(smtp.accepted))
            raise RedisUnavailable("no reply")
        return advance(effects, *about)

    monkeypatch.setattr("headway.celery.run.effects.COMMIT_SECONDS", 0.0)
    monkeypatch.setattr(EffectRecords, "advance_effect", not_at_first)

    run = send(client, emails)

    run.assert_succeeded()
    assert run.snapshots[-1].attempt == 2
    assert (sent, len(smtp.accepted)) == ([0], 1)
