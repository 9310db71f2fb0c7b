"""A mail server that takes no mail from anybody: each email waits for it, none is to blame, one
line says so.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from app import outage
from app.mail_errors import MailUnavailable
from app.outage import MAX_WAIT_SECONDS, Outage
from headway.store.records import Records
from tests.browser import Visitor
from tests.mail_sending import PASSWORD, certificate_for, send
from tests.processes import System, wait_for
from tests.smtp_server import REPLIES, SmtpServer
from tests.test_flow import start_email

WAITS = 10.0, MAX_WAIT_SECONDS
CODES = ["421 4.3.2 too busy", "454 4.7.0 later", "535 5.7.8 no", "554 5.7.1 not you"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_for(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1")


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize(
    ("step", "words"),
    [
        ("connect", "refuses the connection"),
        ("ehlo", "refuses the name of this host (MAIL_LOCAL_HOSTNAME)"),
        ("auth", "refuses the login"),
        ("starttls", "refuses to encrypt"),
    ],
)
def test_a_no_before_any_message_is_not_the_messages_fault(
    step: str, words: str, code: str, certificate: Path
):
    login = {"MAIL_USERNAME": "user", "MAIL_PASSWORD": PASSWORD, "MAIL_USE_TLS": step == "starttls"}
    with (
        SmtpServer(certificate=certificate, **{step: code}) as server,
        pytest.raises(MailUnavailable) as caught,
    ):
        send(server.port, **login)

    assert str(caught.value) == f"The mail server {words}: {code}"
    assert not any(command.lower().startswith("mail") for command in server.commands)


@pytest.mark.parametrize(
    "code", ["530 5.7.0 authentication required", "538 5.7.11 encryption required"]
)
@pytest.mark.parametrize("step", ["mail", "rcpt"])
def test_a_login_that_is_missing_is_not_the_messages_fault(step: str, code: str):
    with (
        SmtpServer(**{step: code}) as server,
        pytest.raises(MailUnavailable, match="wants a login"),
    ):
        send(server.port)


def test_a_server_with_no_way_to_log_in_is_named():
    with (
        SmtpServer(mechanisms="XOAUTH2") as server,
        pytest.raises(MailUnavailable, match="what the settings ask for"),
    ):
        send(server.port, MAIL_USERNAME="user", MAIL_PASSWORD=PASSWORD)


# What one process does meanwhile, with its clock set forward


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(outage, "time", clock)
    monkeypatch.setattr(outage, "random", SimpleNamespace(uniform=lambda *_: 0.0))
    return clock


def test_the_waits_double_up_to_a_minute(clock: Clock, records: Records):
    one = Outage()
    waits = []
    for _ in range(6):
        waits.append(one.meet(MailUnavailable("away"), WAITS, records.client))
        clock.now += waits[-1] + 0.001

    assert waits == [10, 20, 40, MAX_WAIT_SECONDS, MAX_WAIT_SECONDS, MAX_WAIT_SECONDS]
    one.end(records.client)
    assert one.meet(MailUnavailable("away"), WAITS, records.client) == 10


def test_emails_that_meet_it_meanwhile_wait_for_the_same_time(clock: Clock, records: Records):
    one = Outage()
    assert one.meet(MailUnavailable("away"), WAITS, records.client) == 10
    clock.now += 4

    assert one.meet(MailUnavailable("away"), WAITS, records.client) == 6


def test_several_processes_say_once_that_it_began_and_ended(
    clock: Clock, records: Records, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING)
    processes = [Outage() for _ in range(4)]
    for _ in range(5):
        for one in processes:
            one.meet(
                MailUnavailable("The mail server refuses the login: 535 no"), WAITS, records.client
            )
        clock.now += 100
    assert [record.getMessage() for record in caplog.records] == [
        "Emails wait: The mail server refuses the login: 535 no"
    ]
    assert 0 < records.client.ttl(outage.KEY) <= outage.TTL_SECONDS

    caplog.clear()
    for one in processes:
        one.end(records.client)
        one.end(records.client)
    assert [record.getMessage() for record in caplog.records] == [
        "The mail server takes mail again"
    ]


def test_it_does_without_redis(clock: Clock, valkey: object, caplog: pytest.LogCaptureFixture):
    class Away:
        def set(self, *_: object, **__: object) -> None:
            raise outage.RedisUnavailable("gone")

        def delete(self, *_: object) -> None:
            raise outage.RedisUnavailable("gone")

    one = Outage()
    assert one.meet(MailUnavailable("away"), WAITS, Away()) == 10  # type: ignore[arg-type]
    assert "away" in caplog.text
    one.end(Away())  # type: ignore[arg-type]
    assert one.meet(MailUnavailable("away"), WAITS, Away()) == 10  # type: ignore[arg-type]


# Real processes


@pytest.fixture(scope="module")
def mailing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[System, SmtpServer]]:
    with SmtpServer() as server:
        mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(server.port), "MAIL_MAX_EMAILS": "1"}
        mail |= {
            "MAIL_USERNAME": "user",
            "MAIL_PASSWORD": PASSWORD,
            "MAX_ATTEMPTS": "2",
            "MAIL_RETRY_SECONDS": "0.1",
        }
        system = System(tmp_path_factory.mktemp("outage"), **mail)
        yield system, server
        system.stop()


def test_emails_outlive_a_wrong_login_by_more_than_their_attempts(
    mailing: tuple[System, SmtpServer],
):
    system, server = mailing
    visitor = Visitor(system.address)
    server.replies["auth"] = "535 5.7.8 bad credentials"
    ids = [start_email(visitor)["task_id"] for _ in range(5)]

    wait_for(lambda: all(visitor.status(task_id)["attempt"] >= 4 for task_id in ids), 40)
    waiting = wait_for(lambda: (s := visitor.status(ids[0]))["phase"] == "retrying" and s)
    server.replies["auth"] = REPLIES["auth"]
    ends = [
        wait_for(lambda t=task_id: (s := visitor.status(t))["finished_at"] and s, 40)
        for task_id in ids
    ]

    words = "The mail server refuses the login: 535 5.7.8 bad credentials"
    assert waiting["error"] == {"type": "MailUnavailable", "message": words}
    assert {end["phase"] for end in ends} == {"succeeded"}
    assert {(end["failures"], end["max_attempts"]) for end in ends} == {(0, 2)}
    assert sorted(server.message_ids().values()) == [1] * 5
    log = system.worker.output()
    assert log.count(f"Emails wait: {words}") == 1
    wait_for(lambda: system.worker.output().count("The mail server takes mail again") == 1)


def test_the_attempts_for_a_message_are_not_used_up_by_the_servers_faults(
    mailing: tuple[System, SmtpServer],
):
    system, server = mailing
    visitor = Visitor(system.address)
    server.replies["connect"] = "554 5.7.1 not now"
    task_id = start_email(visitor)["task_id"]
    wait_for(lambda: visitor.status(task_id)["attempt"] >= 3, 40)

    server.replies |= {"connect": REPLIES["connect"], "rcpt": "451 4.7.1 greylisted"}
    wait_for(lambda: (visitor.status(task_id)["error"] or {}).get("type") == "MailDeferred", 40)
    server.replies["rcpt"] = REPLIES["rcpt"]

    end = wait_for(lambda: (s := visitor.status(task_id))["finished_at"] and s, 40)
    assert end["phase"] == "succeeded"
