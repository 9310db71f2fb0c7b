"""One message, as written, to one recipient."""

from __future__ import annotations

from email.header import decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.addresses import BadAddress, check_address
from app.extensions import mail
from app.messages import make_message, message_id, one_line
from tests.mail_sending import TASK, mail_app, send
from tests.processes import free_port
from tests.smtp_server import SmtpServer


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


def test_flask_mails_recorder_records_what_is_sent():
    with SmtpServer() as server, mail.record_messages() as outbox:
        send(server.port, "Hello")

    assert [message.subject for message in outbox] == ["Hello"]
    assert len(server.accepted) == 1
