"""`make doctor` on the mail server: each step in its good and its bad cases, one line each, and
no email.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app import doctor, mail_checks
from headway.store.checks import Finding, Mark
from tests.mail_sending import certificate_for
from tests.processes import free_port
from tests.smtp_server import DROP, SILENCE, SmtpServer, time_out_of

PASSWORD = "hunter2-märked"
LOGIN = {"MAIL_USERNAME": "ops", "MAIL_PASSWORD": PASSWORD}
STARTTLS = {"MAIL_USE_TLS": True}
IMPLICIT = {"MAIL_USE_SSL": True}
STEPS = list(mail_checks.CHECKS)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_for(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1")


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return certificate


def look_at(port: int, **settings: object) -> list[Finding]:
    """Return what is found of a mail server at a port of this machine."""
    defaults: dict[str, object] = {
        "MAIL_SERVER": "127.0.0.1",
        "MAIL_PORT": port,
        "MAIL_TIMEOUT_SECONDS": 5.0,
        "MAIL_LOCAL_HOSTNAME": "mailer.example.com",
        "MAIL_USE_TLS": False,
        "MAIL_USE_SSL": False,
        "MAIL_USERNAME": "",
        "MAIL_PASSWORD": "",
        "MAIL_INBOX": None,
    }
    found = list(doctor.check_mail({**defaults, **settings}))
    assert all("\n" not in finding.text and PASSWORD not in finding.text for finding in found)
    return found


def failure_of(found: list[Finding], subject: str) -> str:
    """Return the text of the one finding that is bad, which is the last."""
    *before, last = found
    assert [finding.mark for finding in before] == [Mark.GOOD] * len(before), found
    assert (last.mark, last.subject) == (Mark.BAD, f"mail {subject}"), found
    return last.text


@pytest.mark.parametrize(
    ("server", "settings"),
    [({}, {}), ({}, STARTTLS), ({"implicit_tls": True}, IMPLICIT)],
    ids=["plain", "starttls", "implicit"],
)
@pytest.mark.parametrize("login", [{}, LOGIN], ids=["open", "login"])
def test_all_is_well_and_no_email_is_begun(
    trusted: Path, server: dict[str, Any], settings: dict[str, bool], login: dict[str, str]
):
    with SmtpServer(certificate=trusted, **server) as smtp:
        found = look_at(smtp.port, **settings, **login)

    assert [finding.mark for finding in found] == [Mark.GOOD] * len(STEPS), found
    assert [finding.subject for finding in found] == [f"mail {step}" for step in STEPS]
    greetings = {command for command in smtp.commands if command.startswith("ehlo")}
    assert greetings == {"ehlo mailer.example.com"}
    verbs = {command.partition(" ")[0].lower() for command in smtp.commands}
    assert "quit" in verbs
    assert not verbs & {"mail", "rcpt", "data"}
    assert ("auth" in verbs) == bool(login)


def test_the_development_inbox_is_not_looked_at():
    assert look_at(free_port(), MAIL_INBOX=Path("inbox")) == []


def no_such_name(*_: object, **__: object) -> None:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_a_name_without_an_address_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)

    text = failure_of(look_at(25, MAIL_SERVER="smtp.exmaple.com"), "connection")

    assert text.startswith("smtp.exmaple.com has no address: check the spelling of MAIL_SERVER")


@pytest.mark.parametrize("name", ["smtp..example.com", "a" * 64 + ".example.com"])
def test_a_name_that_is_none_is_told(name: str):
    assert "MAIL_SERVER" in failure_of(look_at(25, MAIL_SERVER=name), "connection")


def test_a_port_at_which_nobody_listens_is_told():
    text = failure_of(look_at(free_port()), "connection")

    assert "cannot be reached (Connection refused)" in text
    assert "MAIL_PORT (587 with MAIL_USE_TLS, 465 with MAIL_USE_SSL" in text


@pytest.fixture
def full() -> Iterator[int]:
    """The port of a listener that takes no more connections, as behind a firewall that drops
    them.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = socket.create_connection(listener.getsockname())
        yield listener.getsockname()[1]
        waiting.close()


def test_a_port_that_does_not_answer_is_told(full: int):
    text = failure_of(look_at(full, MAIL_TIMEOUT_SECONDS=0.2), "connection")

    assert "does not answer within 0.2 s" in text
    assert "firewall" in text


def test_the_port_has_a_few_seconds_whatever_the_setting(monkeypatch: pytest.MonkeyPatch):
    def hang(_: object, seconds: float) -> None:
        assert seconds <= 5
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", hang)

    assert "within 5 s" in failure_of(look_at(25, MAIL_TIMEOUT_SECONDS=600.0), "connection")


@pytest.mark.parametrize(
    ("step", "answer", "settings", "subject", "words"),
    [
        (
            "connect",
            "554 5.7.1 not you",
            {},
            "greeting",
            "refused (554 5.7.1 not you): MAIL_SERVER takes no mail",
        ),
        (
            "connect",
            "421 4.3.2 too busy",
            {},
            "greeting",
            "refused (421 4.3.2 too busy): the server says that this",
        ),
        ("connect", "SSH-2.0-OpenSSH_9.2", {}, "greeting", "is no mail server: check MAIL_PORT"),
        (
            "connect",
            DROP,
            {},
            "greeting",
            "none: the mail server closed the connection. Check MAIL_PORT",
        ),
        ("connect", SILENCE, {}, "greeting", "did not answer within 1 s. Check MAIL_PORT"),
        (
            "ehlo",
            "550 5.7.1 bad name",
            {},
            "EHLO",
            "refused (550 5.7.1 bad name): set MAIL_LOCAL_HOSTNAME",
        ),
        ("ehlo", DROP, {}, "EHLO", "the mail server closed the connection: see"),
        ("ehlo", SILENCE, {}, "EHLO", "the mail server did not answer within 1 s: see"),
        (
            "ehlo",
            "250 test",
            STARTTLS,
            "TLS",
            "MAIL_USE_TLS needs STARTTLS, which is not offered: check MAIL_PORT",
        ),
        (
            "starttls",
            "454 4.7.0 no",
            STARTTLS,
            "TLS",
            "STARTTLS, which MAIL_USE_TLS asks for, is refused (454 4.7.0",
        ),
        ("starttls", DROP, STARTTLS, "TLS", "the mail server closed the connection: see"),
        ("starttls", SILENCE, STARTTLS, "TLS", "the mail server did not answer within 1 s: see"),
        (
            "auth",
            "535 5.7.8 no",
            LOGIN,
            "login",
            "refused (535 5.7.8 no): check MAIL_USERNAME and MAIL_PASSWORD",
        ),
        (
            "auth",
            "454 4.7.0 later",
            LOGIN,
            "login",
            "refused (454 4.7.0 later): the server says that this may pass",
        ),
        (
            "auth",
            f"535 not {PASSWORD}",
            LOGIN,
            "login",
            "refused (535 not ***): check MAIL_USERNAME",
        ),
        ("auth", DROP, LOGIN, "login", "the mail server closed the connection: see"),
        ("auth", SILENCE, LOGIN, "login", "the mail server did not answer within 1 s: see"),
        ("ehlo", "250 test", LOGIN, "login", "or set MAIL_USE_TLS, without which many offer none"),
    ],
)
def test_each_no_is_told_with_its_setting(
    trusted: Path, step: str, answer: str, settings: dict[str, Any], subject: str, words: str
):
    with SmtpServer(certificate=trusted, **{step: answer}) as server:
        text = failure_of(
            look_at(server.port, MAIL_TIMEOUT_SECONDS=time_out_of(answer), **settings), subject
        )

    assert words in text
    assert ("needs MAIL_USE_SSL" in text) == (answer in (DROP, SILENCE) and step == "connect")


def test_a_login_by_no_password_is_told():
    with SmtpServer(mechanisms="XOAUTH2") as server:
        text = failure_of(look_at(server.port, **LOGIN), "login")

    assert text.startswith("none that takes a password is offered: unset MAIL_USERNAME")


@pytest.mark.parametrize(
    "alone", [{"MAIL_USERNAME": "ops"}, {"MAIL_PASSWORD": PASSWORD}], ids=["name", "password"]
)
def test_half_a_login_is_a_warning(alone: dict[str, str]):
    with SmtpServer() as server:
        *_, last = look_at(server.port, **alone)

    assert last.mark is Mark.WARNING
    assert "MAIL_USERNAME and MAIL_PASSWORD go together" in last.text


@pytest.mark.parametrize(
    ("implicit", "settings"), [(False, STARTTLS), (True, IMPLICIT)], ids=["starttls", "ssl"]
)
def test_a_certificate_that_is_not_known_is_told(
    certificate: Path, implicit: bool, settings: dict[str, bool]
):
    with SmtpServer(certificate=certificate, implicit_tls=implicit) as server:
        text = failure_of(look_at(server.port, **settings), "TLS")

    assert text.startswith(
        "the certificate is not trusted (self-signed certificate): MAIL_SERVER needs"
    )
    assert "SSL_CERT_FILE" in text


@pytest.mark.parametrize(
    ("implicit", "settings"), [(False, STARTTLS), (True, IMPLICIT)], ids=["starttls", "ssl"]
)
def test_a_certificate_of_another_name_is_told(
    trusted: Path, implicit: bool, settings: dict[str, bool]
):
    with SmtpServer(certificate=trusted, implicit_tls=implicit) as server:
        text = failure_of(look_at(server.port, MAIL_SERVER="localhost", **settings), "TLS")

    assert text == "the certificate is not for localhost: set MAIL_SERVER to a name that is in it"


def test_tls_at_once_with_a_server_that_begins_without_is_told():
    with SmtpServer() as server:
        text = failure_of(look_at(server.port, **IMPLICIT), "TLS")

    assert "set MAIL_USE_TLS instead, or MAIL_PORT=465" in text


@pytest.mark.parametrize("offered", [True, False])
def test_a_way_that_others_can_read_is_a_warning(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, offered: bool
):
    connect: Callable[..., socket.socket] = socket.create_connection
    monkeypatch.setattr(
        socket,
        "create_connection",
        lambda to, *rest, **named: connect(("127.0.0.1", to[1]), *rest, **named),
    )
    with SmtpServer(certificate=certificate if offered else None) as server:
        found = look_at(server.port, MAIL_SERVER="smtp.example.com", **LOGIN)

    [warning] = [finding for finding in found if finding.mark is not Mark.GOOD]
    assert (warning.mark, warning.subject) == (Mark.WARNING, "mail TLS")
    assert warning.text.endswith(
        "set MAIL_USE_TLS" if offered else "set MAIL_USE_TLS or MAIL_USE_SSL"
    )
    assert len(found) == len(STEPS)


def test_the_command_says_it_and_fails(
    redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with SmtpServer(auth=f"535 not {PASSWORD}") as server:
        environ = {"REDIS_URL": redis_url, "DATA_DIR": str(tmp_path), **LOGIN}
        code = doctor.main(environ | {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(server.port)})

    lines = capsys.readouterr().out.splitlines()
    assert code == 1
    assert lines[-1].startswith("✗ mail login: refused (535 not ***): check MAIL_USERNAME")
    assert PASSWORD not in "".join(lines)
