"""The login at a mail server: any user name and password, by each mechanism, against what the
server got.
"""

from __future__ import annotations

import base64
import hmac

import pytest

from app import config
from app.mail_errors import MailUnavailable
from headway.exceptions import ConfigError
from tests.mail_sending import send
from tests.smtp_server import SmtpServer

PASSWORDS = [
    "pässwort€",
    "correct horse",
    "пароль",
    "密码🔑",
    "\\u00e4=C3=A4%C3%A4",
    "a" * 200,
    "é",
    "'\"",
]
USERS = ["ops", "käthe@example.com"]


def login(server: SmtpServer, user: str, password: str) -> str:
    return send(server.port, MAIL_USERNAME=user, MAIL_PASSWORD=password)


def decoded(text: str) -> str:
    return base64.b64decode(text).decode()


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("user", USERS)
def test_auth_plain_is_utf_8(user: str, password: str):
    with SmtpServer(mechanisms="PLAIN") as server:
        assert login(server, user, password).startswith("250 ")

    [auth] = [command for command in server.commands if command.startswith("AUTH")]
    assert decoded(auth.removeprefix("AUTH PLAIN ")) == f"\0{user}\0{password}"


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("user", USERS)
def test_auth_login_is_utf_8(user: str, password: str):
    with SmtpServer(mechanisms="LOGIN", auth="334 UGFzc3dvcmQ6") as server:
        assert login(server, user, password).startswith("250 ")

    at = next(n for n, command in enumerate(server.commands) if command.startswith("AUTH"))
    assert decoded(server.commands[at].removeprefix("AUTH LOGIN ")) == user
    assert decoded(server.commands[at + 1]) == password


@pytest.mark.parametrize("password", PASSWORDS)
def test_cram_md5_is_utf_8(password: str):
    challenge = base64.b64encode(b"<1896.697170952@test>").decode()
    with SmtpServer(mechanisms="CRAM-MD5", auth=f"334 {challenge}") as server:
        assert login(server, "käthe", password).startswith("250 ")

    digest = hmac.new(password.encode(), b"<1896.697170952@test>", "md5").hexdigest()
    at = server.commands.index("AUTH CRAM-MD5")
    assert decoded(server.commands[at + 1]) == f"käthe {digest}"


@pytest.mark.parametrize("challenge", ["334 not base64", "334 YQ"])
def test_a_challenge_that_makes_no_sense_is_no_answer(challenge: str):
    with SmtpServer(mechanisms="LOGIN", auth=challenge) as server, pytest.raises(MailUnavailable):
        login(server, "ops", "pässwort€")

    assert server.complete == []


@pytest.mark.parametrize("name", ["MAIL_USERNAME", "MAIL_PASSWORD"])
@pytest.mark.parametrize("text", ["secret\n", "sec\x00ret", "sec\x7fret", "sec\x85ret"])
def test_a_login_with_a_control_character_is_refused_at_start(name: str, text: str):
    with pytest.raises(ConfigError, match=f"^{name} must not hold a line end") as caught:
        config.load({"REDIS_URL": "redis://127.0.0.1/0", name: text})

    assert "sec" not in str(caught.value)


@pytest.mark.parametrize("name", ["MAIL_USERNAME", "MAIL_PASSWORD", "SECRET_KEY", "REDIS_URL"])
def test_a_text_in_another_encoding_is_refused_at_start(name: str):
    latin_1 = "redis://:p\udce4ssword@127.0.0.1/0"  # as os.environ has bytes that are no UTF-8

    with pytest.raises(ConfigError, match=f"^{name} must be UTF-8 text") as caught:
        config.load({"REDIS_URL": "redis://127.0.0.1/0", name: latin_1})

    assert "ssword" not in repr(caught.value)
    assert caught.value.__suppress_context__
