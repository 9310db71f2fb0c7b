"""What a mail server answers, and what that means for an email."""

from __future__ import annotations

import pickle
import time

import pytest
from flask_mail import Message

from app.extensions import mail
from app.mail_errors import UNCONFIRMED, MailDeferred, MailRefused, MailUnavailable, OutcomeUnknown
from app.smtp import SMTPSession
from tests.mail_sending import TASK, mail_app, send
from tests.processes import free_port
from tests.smtp_server import (
    DROP,
    SILENCE,
    SmtpServer,
    time_out_of,
)


def test_a_message_that_is_taken_gives_the_servers_own_reply():
    with SmtpServer() as server:
        reply = send(server.port, "Hello", "Hi.")

    (taken,) = server.accepted
    assert reply == "250 2.0.0 Ok: queued as 4B1F"
    assert (taken.mail_from, taken.rcpt_tos) == ("flask@example.com", ("ada@example.com",))
    assert (taken.message["Subject"], taken.message["To"]) == ("Hello", "ada@example.com")
    assert server.message_ids() == {f"<{TASK}@example.com>": 1}


@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "message"])
@pytest.mark.parametrize(
    ("answer", "meaning"), [("550 no such user", MailRefused), ("451 try later", MailDeferred)]
)
def test_a_no_at_any_step_says_whether_it_is_for_ever(
    step: str, answer: str, meaning: type[Exception]
):
    with SmtpServer(**{step: answer}) as server, pytest.raises(meaning) as caught:
        send(server.port)

    assert type(caught.value) is meaning
    assert caught.value.args == (int(answer[:3]), answer[4:])
    assert str(caught.value) == f"The mail server said: {answer}"
    assert server.accepted == []


def test_a_server_that_closes_for_the_night_is_asked_again_later():
    for step in ("mail", "rcpt", "message"):
        with SmtpServer(**{step: "421 closing"}) as server, pytest.raises(MailDeferred):
            send(server.port)


@pytest.mark.parametrize("step", ["connect", "mail", "rcpt", "data"])
def test_a_connection_lost_before_the_message_was_sent_is_no_answer(step: str):
    with (
        SmtpServer(**{step: DROP}) as server,
        pytest.raises(MailUnavailable, match=r"closed the connection\.$"),
    ):
        send(server.port)

    assert server.complete == []


def test_a_connection_lost_in_the_middle_of_a_message_is_no_answer():
    long = "seventy characters in a line, as many times as no kernel's buffer holds\n" * 200_000

    with (
        SmtpServer(body=DROP) as server,
        mail_app(server.port).app_context(),
        mail.connect() as connection,
        pytest.raises(MailUnavailable, match=r"closed the connection\.$"),
    ):
        connection.send(Message("Hello", ["ada@example.com"], long))

    assert server.complete == []


@pytest.mark.parametrize("last", [DROP, SILENCE, "nonsense", "354 go on", "250-" + "x" * 9000])
def test_without_an_answer_to_the_whole_message_the_outcome_is_unknown(last: str):
    with (
        SmtpServer(message=last) as server,
        pytest.raises(OutcomeUnknown, match="may have taken it") as caught,
    ):
        send(server.port, MAIL_TIMEOUT_SECONDS=time_out_of(last))

    assert len(server.complete) == 1
    assert str(caught.value) == UNCONFIRMED


@pytest.mark.parametrize("goodbye", [DROP, SILENCE, "421 busy", "500 what?"])
def test_what_happens_at_quit_does_not_undo_an_accepted_message(goodbye: str):
    with SmtpServer(quit=goodbye) as server:
        settings = {"MAIL_TIMEOUT_SECONDS": time_out_of(goodbye), "MAIL_MAX_EMAILS": 1}
        assert send(server.port, **settings).startswith("250 ")

    assert server.message_ids().total() == 1


def test_a_long_time_out_is_not_spent_on_the_goodbye(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(SMTPSession, "quit_seconds", 0.2)
    began = time.monotonic()

    with SmtpServer(quit=SILENCE) as server:
        assert send(server.port, MAIL_TIMEOUT_SECONDS=20.0, MAIL_MAX_EMAILS=1).startswith("250 ")

    assert time.monotonic() - began < 20


@pytest.mark.parametrize("step", ["connect", "mail", "rcpt", "data"])
def test_a_silent_server_is_left_after_the_time_out(step: str):
    with SmtpServer(**{step: SILENCE}) as server, pytest.raises(MailUnavailable) as caught:
        send(server.port, MAIL_TIMEOUT_SECONDS=time_out_of(SILENCE))

    assert str(caught.value) == "The mail server did not answer within 1 s."


def test_the_reason_is_the_conversations_own_also_while_another_error_is_handled():
    try:
        raise TimeoutError("of something else")
    except TimeoutError:
        with pytest.raises(MailUnavailable, match="Connection refused"):
            send(free_port())


def test_a_server_that_is_not_there_is_named_in_a_sentence():
    with pytest.raises(MailUnavailable) as caught:
        send(free_port())

    assert str(caught.value) == "The mail server cannot be reached: Connection refused."


def test_an_answer_that_is_no_smtp_is_no_answer():
    with (
        SmtpServer(mail="hello there") as server,
        pytest.raises(MailUnavailable, match="makes no sense"),
    ):
        send(server.port)


def test_a_servers_words_are_one_line_of_bounded_length():
    answer = "550 <img src=x onerror=alert(1)>\t\x1b[31mred\x07 " + "very " * 90 + "long"

    with SmtpServer(rcpt=answer) as server, pytest.raises(MailRefused) as caught:
        send(server.port)

    assert str(caught.value).startswith(
        "The mail server said: 550 <img src=x onerror=alert(1)> [31mred very very"
    )
    assert len(str(caught.value)) < 350
    assert str(caught.value).isprintable()


def test_an_answer_of_several_lines_becomes_one():
    with SmtpServer(message="250-2.0.0 Ok\r\n250 queued") as server:
        assert send(server.port) == "250 2.0.0 Ok queued"


def test_the_errors_survive_a_pickle_as_celerys_processes_pass_them_on():
    for error in (
        MailRefused(550, "no"),
        MailDeferred(451, "later"),
        MailUnavailable("gone"),
        OutcomeUnknown(),
    ):
        copy = pickle.loads(pickle.dumps(error))

        assert (type(copy), str(copy), copy.args) == (type(error), str(error), error.args)
