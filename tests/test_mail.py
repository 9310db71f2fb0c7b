"""What is said about an e-mail, against what a real SMTP server did with it."""

from __future__ import annotations

import pickle
import shutil
import time
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_mail import Message
from hypothesis import given
from hypothesis import strategies as st

from app import create_app
from app.addresses import BadAddress, check_address
from app.extensions import mail
from app.mail import SUPPRESSED
from app.mail_errors import UNCONFIRMED, MailDeferred, MailRefused, MailUnavailable, OutcomeUnknown
from app.messages import make_message, message_id, one_line
from app.smtp import SMTPSession
from app.tasks.mail import email_message
from headway.registry import TASK_TYPES, BadArguments
from tests.processes import free_port, wait_for, worker
from tests.smtp_server import (
    DROP,
    REPLIES,
    SILENCE,
    SmtpServer,
    make_certificate,
    time_out_of,
)

TASK = "0d4c4b7e-2f0e-4a0b-9a3e-1c5d7f7b9a10"
PASSWORD = "correct horse"


def mail_app(port: int, **settings: object) -> Flask:
    app = Flask(__name__)
    app.config.update(
        MAIL_SERVER="127.0.0.1",
        MAIL_PORT=port,
        MAIL_DEFAULT_SENDER="flask@example.com",
        MAIL_TIMEOUT_SECONDS=20.0,
        MAIL_SUPPRESS_SEND=False,
        MAIL_INBOX=None,
    )
    app.config.update(settings)
    mail.init_app(app)
    return app


def send(
    port: int,
    subject: str = "Hello",
    body: str = "Hi.",
    to: str = "ada@example.com",
    **settings: object,
) -> str:
    """Send one message and return the server's reply."""
    with mail_app(port, **settings).app_context(), mail.connect() as connection:
        connection.send(make_message(TASK, to, subject, body))
        return connection.reply


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


# One conversation for many messages


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


# What the server answers, and what that means


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


# Login and TLS


def test_the_login_is_refused_without_telling_the_password():
    for words in (
        f"535 bad password {PASSWORD}",
        "535 what is AHVzZXIAY29ycmVjdCBob3JzZQ==? Y29ycmVjdCBob3JzZQ==",
    ):
        with SmtpServer(auth=words) as server, pytest.raises(MailUnavailable) as caught:
            send(server.port, MAIL_USERNAME="user", MAIL_PASSWORD=PASSWORD)

        assert any(
            command.startswith("AUTH PLAIN AHVzZXIAY29ycmVjdCBob3JzZQ==")
            for command in server.commands
        )
        assert "535" in str(caught.value)
        assert "***" in str(caught.value)
        assert "horse" not in repr(caught.value)
        assert "Y29ycmVjdCBob3JzZQ" not in repr(caught.value)
        assert "AHVzZXIA" not in repr(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__, "the log's traceback would quote the server"


def test_the_password_is_never_printed(capfd: pytest.CaptureFixture[str]):
    with SmtpServer() as server:
        app = mail_app(server.port, MAIL_USERNAME="user", MAIL_PASSWORD=PASSWORD, MAIL_DEBUG=1)
        with app.app_context(), mail.connect() as connection:
            connection.send(make_message(TASK, "ada@example.com", "Hello", "Hi."))

    assert len(server.accepted) == 1
    assert capfd.readouterr() == ("", "")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_for(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1")


def certificate_for(folder: Path, name: str) -> Path:
    if not shutil.which("openssl"):
        pytest.skip("NO OPENSSL: mail over TLS was not tested. Install the command `openssl`.")
    return make_certificate(folder, name)


TLS = pytest.mark.parametrize(
    ("implicit", "settings"),
    [(True, {"MAIL_USE_SSL": True}), (False, {"MAIL_USE_TLS": True})],
    ids=["ssl", "starttls"],
)


@TLS
def test_mail_goes_over_tls_to_a_server_with_a_trusted_certificate(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, implicit: bool, settings: dict[str, bool]
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    with SmtpServer(certificate=certificate, implicit_tls=implicit) as server:
        reply = send(server.port, MAIL_USERNAME="user", MAIL_PASSWORD=PASSWORD, **settings)

    assert reply.startswith("250 ")
    assert server.commands.count("STARTTLS") == (0 if implicit else 1)
    assert server.message_ids().total() == 1


@TLS
def test_an_untrusted_certificate_gets_neither_password_nor_message(
    certificate: Path, implicit: bool, settings: dict[str, bool]
):
    with (
        SmtpServer(certificate=certificate, implicit_tls=implicit) as server,
        pytest.raises(MailUnavailable) as caught,
    ):
        send(server.port, MAIL_USERNAME="user", MAIL_PASSWORD=PASSWORD, **settings)

    assert (
        str(caught.value)
        == "The mail server's certificate is not trusted: self-signed certificate."
    )
    assert not any(command.startswith(("AUTH", "MAIL")) for command in server.commands)


@TLS
def test_a_trusted_certificate_of_another_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, implicit: bool, settings: dict[str, bool]
):
    other = certificate_for(tmp_path, "DNS:mail.example.com")
    monkeypatch.setenv("SSL_CERT_FILE", str(other))

    with (
        SmtpServer(certificate=other, implicit_tls=implicit) as server,
        pytest.raises(MailUnavailable, match=r"127\.0\.0\.1"),
    ):
        send(server.port, MAIL_USERNAME="user", MAIL_PASSWORD=PASSWORD, **settings)

    assert not any(command.startswith(("AUTH", "MAIL")) for command in server.commands)


def test_a_server_without_starttls_does_not_get_the_message_in_the_clear():
    with SmtpServer() as server, pytest.raises(MailUnavailable, match="STARTTLS"):
        send(server.port, MAIL_USE_TLS=True)

    assert server.complete == []


def test_a_server_without_tls_is_told_apart():
    with SmtpServer() as server, pytest.raises(MailUnavailable, match="does not speak TLS"):
        send(server.port, MAIL_USE_SSL=True)


# One message, as written, to one recipient


def test_a_message_to_several_or_none_is_not_sent():
    with SmtpServer() as server, mail_app(server.port).app_context(), mail.connect() as connection:
        for recipients, bcc in (
            ([], []),
            (["a@example.com", "b@example.com"], []),
            (["a@example.com"], ["b@example.com"]),
        ):
            message = make_message(TASK, "", "Hello", "Hi.")
            message.recipients = [*recipients]
            message.bcc = [*bcc]

            with pytest.raises(ValueError, match="one recipient"):
                connection.send(message)

    assert server.complete == []


def test_a_message_without_a_sender_says_which_setting_is_missing():
    with SmtpServer() as server, pytest.raises(ValueError, match="MAIL_DEFAULT_SENDER"):
        send(server.port, MAIL_DEFAULT_SENDER="")

    assert server.complete == []


INJECTIONS = [
    "\r\nBcc: eve@example.com",
    "\nBcc: eve@example.com",
    "\rBcc: eve@example.com",
    "\x0bBcc: eve@example.com",
    "\x0cBcc: eve@example.com",
    "\x1cBcc: eve@example.com",
    "\x85Bcc: eve@example.com",
    "\u2028Bcc: eve@example.com",
    "\u2029To: eve@example.com",
    "%0d%0aBcc: eve@example.com",
    "\x00\tBcc: eve@example.com",
    "\r\n\r\n<b>another body</b>",
    "\r\n.\r\nRCPT TO:<eve@example.com>",
    " \ud800 half a character",
    " " + "very-long-" * 400,
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_subject_stays_in_the_subject(text: str):
    with SmtpServer() as server:
        send(server.port, subject="Hello" + text, body="Hi.")

    (taken,) = server.complete
    assert taken.rcpt_tos == ("ada@example.com",)
    assert sorted(taken.message.keys()) == sorted(
        [
            "Content-Type",
            "MIME-Version",
            "Content-Transfer-Encoding",
            "Subject",
            "From",
            "To",
            "Date",
            "Message-ID",
        ]
    )
    assert taken.message["To"] == "ada@example.com"
    assert taken.message.get_payload(decode=True) == b"Hi.\r\n"
    assert (
        str(make_header(decode_header(taken.message["Subject"])))
        .replace("\r\n", "")
        .startswith("Hello")
    )
    assert max(map(len, taken.content.splitlines())) <= 998


@pytest.mark.parametrize("text", INJECTIONS)
def test_an_address_with_more_in_it_is_refused_before_anything_is_sent(text: str):
    with mail_app(free_port()).app_context():
        for address in (
            f"ada@example.com{text}",
            f"{text}ada@example.com",
            f"ada{text}@example.com",
        ):
            with pytest.raises(BadAddress):
                check_address(address)


@pytest.mark.parametrize(
    "body",
    [
        ".\r\nMAIL FROM:<eve@example.com>\r\n",
        "one\n.\ntwo\n..\nthree",
        "one\r.\rtwo",
        "Grüße, 世界 🌍",
        "x" * 5000,
        "nul \x00 and bell \x07",
        "",
        "\n\n  ends in blank lines\n\n",
    ],
)
def test_a_body_arrives_whole_and_ends_only_at_its_end(body: str):
    with SmtpServer() as server:
        send(server.port, body=body)

    (taken,) = server.complete
    text = taken.message.get_payload(decode=True).decode()
    assert as_lines(text) == as_lines(body)
    assert taken.content.isascii()
    assert max(map(len, taken.content.split(b"\r\n"))) <= 998
    assert [command.split()[0].lower() for command in server.commands] == [
        "ehlo",
        "mail",
        "rcpt",
        "data",
    ]


def as_lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")


@given(st.text(max_size=400))
def test_one_line_is_one_printable_line(text: str):
    line = one_line(text)

    assert len(line.splitlines()) <= 1
    assert len(line) <= 300
    line.encode()
    assert one_line(line) == line


@pytest.mark.parametrize(
    ("sender", "domain"),
    [
        ("flask@example.com", "example.com"),
        ("Headway <no-reply@mail.example.org>", "mail.example.org"),
        ("nobody", "headway.invalid"),
        ("x@bücher.example", "headway.invalid"),
        ("", "headway.invalid"),
    ],
)
def test_a_message_id_has_the_tasks_id_and_the_senders_domain(sender: str, domain: str):
    with mail_app(free_port(), MAIL_DEFAULT_SENDER=sender).app_context():
        assert message_id(TASK) == f"<{TASK}@{domain}>"


def test_flask_mails_recorder_records_also_where_nothing_is_sent():
    with SmtpServer() as server:
        for suppress, reply in (False, "250 2.0.0 Ok: queued as 4B1F"), (True, SUPPRESSED):
            with mail.record_messages() as outbox:
                assert send(server.port, "Hello", MAIL_SUPPRESS_SEND=suppress) == reply

            assert [message.subject for message in outbox] == ["Hello"]

    assert len(server.accepted) == 1


# Addresses


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada.Lovelace+news@EXAMPLE.com", "Ada.Lovelace+news@example.com"),
        ("ada@bücher.de", "ada@xn--bcher-kva.de"),
        ("ada@straße.de", "ada@xn--strae-oqa.de"),
        ("a%0d%0a@example.com", "a%0d%0a@example.com"),
        (
            "a" * 64 + "@" + ("b" * 60 + ".") * 3 + "com",
            "a" * 64 + "@" + ("b" * 60 + ".") * 3 + "com",
        ),
    ],
)
def test_an_address_is_given_back_as_the_mail_server_gets_it(text: str, address: str):
    with mail_app(free_port()).app_context():
        assert check_address(text) == address
        assert check_address(address) == address


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Enter an email address"),
        ("nobody", "@-sign"),
        ("@example.com", "before the @-sign"),
        ("ada@", "after the @-sign"),
        ("ada@localhost", ""),
        ("ada@[127.0.0.1]", ""),
        ("ada@example..com", ""),
        ("a b@example.com", ""),
        ("jürgen@example.com", "before the @-sign"),
        ('"a b"@example.com', ""),
        ("ada@example.com\r\nBcc: eve@example.com", "line breaks"),
        ("ada@example.com\x00", "invisible"),
        ("ada@exam\u200bple.com", "invisible"),
        ("\u202eada@example.com", "invisible"),
        ("ada@example.com, bob@example.com", "not several"),
        ("ada@example.com bob@example.com", "not several"),
        ("ada@example.com;bob", "not several"),
        ("Ada <ada@example.com>", "without a name"),
        ("a" * 250 + "@example.com", "at most 254"),
        ("ada@" + "ü." * 120 + "de", ""),
    ],
)
def test_what_is_no_address_is_refused_in_a_sentence(text: str, why: str):
    with mail_app(free_port()).app_context(), pytest.raises(BadAddress) as caught:
        check_address(text)

    sentence = str(caught.value)
    assert why in sentence
    assert sentence.endswith(".")
    assert len(sentence.splitlines()) == 1


def test_test_domains_pass_only_where_mail_stays_here(tmp_path: Path):
    with mail_app(free_port(), MAIL_INBOX=tmp_path).app_context():
        assert check_address("ada@example.test") == "ada@example.test"

    with mail_app(free_port()).app_context(), pytest.raises(BadAddress):
        check_address("ada@example.test")


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str):
    with mail_app(1).app_context():
        try:
            address = check_address(text)
        except BadAddress:
            return
        assert address.isascii()
        assert address.count("@") == 1
        assert address.isprintable()


# The task


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
    """Send an e-mail by the form and return its final snapshot."""
    accepted = client.post(
        "/", data={"email": address, "submit": "Send"}, headers={"Accept": "application/json"}
    )

    def final() -> dict[str, Any] | None:
        snapshot: dict[str, Any] = client.get(accepted.headers["Location"]).get_json()
        return snapshot if snapshot["finished_at"] else None

    return wait_for(final)
