"""Who an email is from, and how this machine greets the mail server: one setting each, right or
refused at start.
"""

from __future__ import annotations

from email.header import decode_header, make_header
from email.utils import parseaddr

import pytest

from app import config
from app.extensions import mail
from app.messages import make_message
from headway.exceptions import ConfigError
from tests.mail_sending import TASK, mail_app, send
from tests.smtp_server import SmtpServer

ENV = {"REDIS_URL": "redis://127.0.0.1/0"}


def loaded(name: str, text: str) -> str:
    return str(config.load({**ENV, name: text})[name])


@pytest.mark.parametrize(
    ("sender", "name", "address"),
    [
        ("ada@example.com", "", "ada@example.com"),
        ("<ada@example.com>", "", "ada@example.com"),
        (" ada@example.com ", "", "ada@example.com"),
        ("root@mailhost", "", "root@mailhost"),
        ("ada@example.test", "", "ada@example.test"),
        ("Ada <ada@example.com>", "Ada", "ada@example.com"),
        ("Ada<ada@example.com>", "Ada", "ada@example.com"),
        ("J. Doe & Co. <ada@example.com>", "J. Doe & Co.", "ada@example.com"),
        ('"Doe, John" <a@example.com>', "Doe, John", "a@example.com"),
        (r'"John \"Jo\" Doe \\ Co" <a@example.com>', r'John "Jo" Doe \ Co', "a@example.com"),
        ('"a@b.com" <a@example.com>', "a@b.com", "a@example.com"),
        ("Käthe <k@bücher.de>", "Käthe", "k@xn--bcher-kva.de"),
        ('"Müller, Käthe" <k@example.com>', "Müller, Käthe", "k@example.com"),
        ("密码 🔑 <k@example.com>", "密码 🔑", "k@example.com"),
        ("=?utf-8?q?x?= <k@example.com>", "=?utf-8?q?x?=", "k@example.com"),
    ],
)
def test_a_sender_is_in_the_envelope_and_in_the_header(sender: str, name: str, address: str):
    setting = loaded("MAIL_DEFAULT_SENDER", sender)
    with SmtpServer() as server:
        send(server.port, MAIL_DEFAULT_SENDER=setting)

    [taken] = server.accepted
    assert taken.mail_from == address
    shown, of = parseaddr(taken.message["From"])
    assert (str(make_header(decode_header(shown))), of) == (name, address)
    assert loaded("MAIL_DEFAULT_SENDER", setting) == setting


BAD = [
    "Doe, John <a@example.com>",
    "Ops",
    "Ops <ops>",
    "Ada ada@example.com",
    "Ada <ada@example.com",
    "Ada <>",
    "a@example.com, b@example.com",
    "a@example.com; b@example.com",
    "Ada <a@example.com> <b@example.com>",
    "Ada <a@example.com> x",
    "Ops: a@example.com;",
    "a@b@example.com",
    'Do"e <a@example.com>',
    '"Doe" John <a@example.com>',
    "mailto:a@example.com",
    "jürgen@example.com",
    "Ada\r\nBcc: eve@example.com <a@example.com>",
    "a@example.com\nBcc: eve@example.com",
    "Ada\u2028Bcc: eve@example.com <a@example.com>",
    "Ada\x0bX <a@example.com>",
    "Ada <a@example.com>\r\n",
    '"Ada\\\r\nBcc: x" <a@example.com>',
]


@pytest.mark.parametrize("sender", BAD)
def test_another_sender_is_refused_at_start_in_one_line_that_says_what_to_write(sender: str):
    with pytest.raises(ConfigError) as caught:
        loaded("MAIL_DEFAULT_SENDER", sender)

    message = str(caught.value)
    assert message.startswith("MAIL_DEFAULT_SENDER must be one address, as ada@example.com")
    assert '"Doe, John" <john@example.com>' in message
    assert message.isprintable()


@pytest.mark.parametrize("sender", BAD)
def test_a_messages_own_sender_is_as_strict(sender: str):
    with SmtpServer() as server, mail_app(server.port).app_context(), mail.connect() as connection:
        message = make_message(TASK, "ada@example.com", "Hello", "Hi.")
        message.sender = sender
        with pytest.raises(ValueError, match="sender must be one address"):
            connection.send(message)

    assert server.complete == []
    assert not any(command.lower().startswith("mail") for command in server.commands)


@pytest.mark.parametrize(
    "name", ["mailer.example.com", "a", "xn--bcher-kva.de", "[192.0.2.1]", "[IPv6:2001:db8::1]"]
)
def test_the_mail_server_is_greeted_with_the_name_of_the_setting(name: str):
    with SmtpServer() as server:
        send(server.port, MAIL_LOCAL_HOSTNAME=loaded("MAIL_LOCAL_HOSTNAME", name))

    assert server.commands[0] == f"ehlo {name}"


@pytest.mark.parametrize(
    "name",
    [
        "bücher.de",
        "two words",
        "a_b.example.com",
        "-a.com",
        "a..com",
        "a.com.",
        "192.0.2.1:25",
        "[192.0.2.256]",
        "[2001:db8::1]",
        "[IPv6:192.0.2.1]",
        "[x]",
        "a\r\nRSET",
        "a" * 64,
        "a." * 130 + "com",
    ],
)
def test_another_name_is_refused_at_start(name: str):
    with pytest.raises(ConfigError, match=r"^MAIL_LOCAL_HOSTNAME must be this machine's name"):
        loaded("MAIL_LOCAL_HOSTNAME", name)


def test_without_the_setting_it_is_this_machines_own_name():
    with SmtpServer() as server:
        send(server.port)

    assert server.commands[0].startswith("ehlo ")
