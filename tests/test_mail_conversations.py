"""Conversations with a mail server: one for many messages, and when it is over."""

from __future__ import annotations

import pytest

from app.extensions import mail
from app.mail_errors import MailDeferred, OutcomeUnknown
from app.messages import make_message
from tests.mail_sending import TASK, mail_app, send
from tests.processes import wait_for
from tests.smtp_server import DROP, REPLIES, SmtpServer


def test_the_commitment_is_made_when_nothing_but_the_final_dot_is_missing():
    seen: list[tuple[int, int]] = []
    with SmtpServer() as server, mail_app(server.port).app_context(), mail.connect() as connection:
        message = make_message(TASK, "ada@example.com", "Hello", "Hi.")
        connection.send(
            message,
            commit=lambda: seen.append((server.commands.count("DATA"), len(server.complete))),
        )

    assert seen == [(1, 0)]
    assert len(server.accepted) == 1


def test_a_commitment_that_fails_sends_nothing_at_all():
    def commit() -> None:
        raise KeyError("not now")

    with (
        SmtpServer() as server,
        mail_app(server.port).app_context(),
        pytest.raises(KeyError),
        mail.connect() as connection,
    ):
        connection.send(make_message(TASK, "ada@example.com", "Hello", "Hi."), commit=commit)

    assert (server.complete, server.accepted) == ([], [])


def say_hello(server: SmtpServer, count: int = 1, **settings: object) -> None:
    for number in range(count):
        send(server.port, f"Hello {number}", **settings)


def test_messages_in_a_row_go_through_one_conversation():
    with SmtpServer() as server:
        say_hello(server, 5)

    verbs = [command.partition(" ")[0].lower() for command in server.commands]
    assert verbs == ["ehlo", *["mail", "rcpt", "data"] * 5]
    assert [taken.message["Subject"] for taken in server.accepted] == [
        f"Hello {number}" for number in range(5)
    ]


def test_a_conversation_ends_a_while_after_its_last_message(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("app.connection_cache.KEEP_SECONDS", 0.1)
    with SmtpServer() as server:
        say_hello(server)
        wait_for(lambda: "quit" in server.commands)
        say_hello(server)

    assert sum(command.startswith("ehlo") for command in server.commands) == 2
    assert len(server.accepted) == 2


def test_a_conversation_ends_where_the_server_takes_no_more():
    with SmtpServer() as server:
        say_hello(server, 5, MAIL_MAX_EMAILS=2)

    assert sum(command.startswith("ehlo") for command in server.commands) == 3
    assert server.commands.count("quit") == 2
    assert len(server.accepted) == 5


def test_a_conversation_that_the_server_has_ended_meanwhile_is_begun_anew():
    with SmtpServer() as server:
        say_hello(server)
        server.hang_up()
        say_hello(server)

    assert len(server.accepted) == 2


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
def test_what_is_deferred_late_in_a_conversation_is_asked_once_more_in_a_new_one(step: str):
    with SmtpServer() as server:
        say_hello(server)
        server.replies[step] = "421 4.7.0 too many messages"
        with pytest.raises(MailDeferred):
            say_hello(server)

        assert sum(command.startswith("ehlo") for command in server.commands) == 2
        server.replies[step] = REPLIES[step]
        say_hello(server)

    assert len(server.accepted) == 2


@pytest.mark.parametrize(
    ("answer", "meaning"), [("451 later", MailDeferred), (DROP, OutcomeUnknown)]
)
def test_what_the_server_may_have_got_is_not_sent_again(answer: str, meaning: type[Exception]):
    with SmtpServer() as server:
        say_hello(server)
        server.replies["message"] = answer
        with pytest.raises(meaning):
            say_hello(server)

    assert len(server.complete) == 2


def test_other_settings_are_another_conversation():
    with SmtpServer() as one, SmtpServer() as other:
        say_hello(one)
        say_hello(other)
        say_hello(one)

    assert [len(one.accepted), len(other.accepted)] == [2, 1]
    assert one.commands.count("quit") == 1
