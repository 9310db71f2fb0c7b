"""Login and TLS: who gets a password or a message, and who does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.extensions import mail
from app.mail_errors import MailUnavailable
from app.messages import make_message
from tests.mail_sending import PASSWORD, TASK, certificate_for, mail_app, send
from tests.smtp_server import SmtpServer


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
