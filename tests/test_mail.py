"""The task that sends an email: its arguments, and what is said of its fate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from app import create_app
from app.mail_errors import UNCONFIRMED
from app.tasks.mail import email_message
from headway.registry import TASK_TYPES, BadArguments
from tests.mail_sending import mail_app
from tests.processes import free_port, wait_for, worker
from tests.smtp_server import DROP, SILENCE, SmtpServer


def test_arguments_are_an_address_and_nothing_else():
    kind = TASK_TYPES["send_async_email"]
    with mail_app(free_port()).app_context():
        assert kind.validate({"email": "ada@example.com"}) == {
            "email_data": email_message("ada@example.com")
        }
        for args, wrong in (
            ({}, {"email"}),
            ({"email": 5}, {"email"}),
            ({"email": None}, {"email"}),
            ({"email": "nobody"}, {"email"}),
            ({"email": "ada@example.com", "subject": "free"}, {"subject"}),
        ):
            with pytest.raises(BadArguments) as caught:
                kind.validate(args)
            assert caught.value.fields.keys() == wrong

    title = kind.title_of({"email": "ada@example.com"}, {"email_data": {}})
    assert (kind.queue, title) == ("mail", "E-mail to ada@example.com")


def test_the_article_says_what_the_mail_says():
    assert email_message("ada@example.com") == {
        "subject": "Hello from Flask",
        "to": "ada@example.com",
        "body": "This is a test email sent from a background Celery task.",
    }


def test_an_emails_fate_is_in_its_snapshot(env: dict[str, str], tmp_path: Path):
    with SmtpServer() as server:
        env |= {
            "MAIL_SERVER": "127.0.0.1",
            "MAIL_PORT": str(server.port),
            "MAIL_TIMEOUT_SECONDS": "1",
        }
        env |= {"MAX_ATTEMPTS": "2", "MAIL_RETRY_SECONDS": "0.1", "MAIL_RETRY_HOURS": "0.0005"}
        client = create_app(env).test_client()
        process = worker(tmp_path, env, "mail")
        try:
            taken = fate(client, "ada@example.com")
            server.replies["rcpt"] = "550 5.1.1 no such user"
            refused = fate(client, "nobody@example.com")
            server.replies |= {"rcpt": "250 ok", "message": DROP}
            unknown = fate(client, "ada@example.com")
            server.replies["connect"] = SILENCE
            silent = fate(client, "ada@example.com")
        finally:
            process.kill()

    sent_as = f"<{taken['task_id']}@example.com>"
    assert taken["result"] == {
        "reply": "250 2.0.0 Ok: queued as 4B1F",
        "message_id": sent_as,
        "to": "ada@example.com",
    }
    assert (taken["phase"], taken["status"]) == ("succeeded", "Accepted by the mail server")
    assert server.message_ids() == {sent_as: 1}
    assert {each["phase"] for each in (refused, unknown, silent)} == {"failed"}
    assert refused["error"] == {
        "type": "MailRefused",
        "message": "The mail server said: 550 5.1.1 no such user",
    }
    assert unknown["error"] == {"type": "OutcomeUnknown", "message": UNCONFIRMED}
    assert silent["error"] == {
        "type": "MailUnavailable",
        "message": "The mail server did not answer within 1 s.",
    }
    assert silent["status"] == silent["error"]["message"]


def fate(client: FlaskClient, address: str) -> dict[str, Any]:
    """Send an email by the form and return its final snapshot."""
    accepted = client.post(
        "/", data={"email": address, "submit": "Send"}, headers={"Accept": "application/json"}
    )

    def final() -> dict[str, Any] | None:
        snapshot: dict[str, Any] = client.get(accepted.headers["Location"]).get_json()
        return snapshot if snapshot["finished_at"] else None

    return wait_for(final)
