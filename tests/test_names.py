"""A DNS that does not answer holds no check up: each says so, with the name that was asked for."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import config, doctor, mail_checks
from headway.store import names
from headway.store.checks import Mark
from headway.store.redis_checks import findings

SILENT = ".silent.test"  # names for which the DNS does not answer


@pytest.fixture(autouse=True)
def silent_dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    over = threading.Event()
    ask = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if str(host).endswith(SILENT):
            over.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return ask(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(names.look_up, "__defaults__", (0.05,))
    yield
    over.set()


def test_a_redis_by_such_a_name_is_one_line():
    url = f"redis://redis{SILENT}:6379/0"

    [finding] = findings(url, url)

    assert (finding.mark, finding.subject) == (Mark.BAD, "connection")
    assert finding.text == "DNS does not answer for redis.silent.test within 0.05 s: check your DNS"


@pytest.mark.parametrize(
    "url",
    [
        f"amqp://ada:hunter2@rabbit{SILENT}//",
        f"redis://rabbit{SILENT}/1",
        f"amqp://rabbit{SILENT};amqp://other",
    ],
)
def test_so_is_a_broker(url: str):
    settings = {"REDIS_URL": "redis://127.0.0.1/0", "CELERY_BROKER_URL": url}

    [finding] = doctor.check_broker(settings)

    assert (finding.mark, finding.subject) == (Mark.BAD, "broker")
    assert (
        finding.text == "DNS does not answer for rabbit.silent.test within 0.05 s: check your DNS"
    )


def test_so_is_a_mail_server(tmp_path: Path):
    environ = {
        "REDIS_URL": "redis://127.0.0.1/0",
        "DATA_DIR": str(tmp_path),
        "MAIL_TIMEOUT_SECONDS": "0.1",
    }

    [finding] = mail_checks.findings(config.load(environ | {"MAIL_SERVER": f"mail{SILENT}"}))

    assert (finding.mark, finding.subject) == (Mark.BAD, "connection")
    assert finding.text == "DNS does not answer for mail.silent.test within 0.1 s: check your DNS"


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "::1", "no-such-host.invalid", "a..b", "x" * 300]
)
def test_a_name_for_which_it_answers_is_left_to_the_check(host: str):
    names.look_up(host, 20)
