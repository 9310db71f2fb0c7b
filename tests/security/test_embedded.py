"""The Valkey of `make run`: nobody gets in without its password, and nothing shows that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from app import config, embedded
from headway.masking import masked
from supervisor import ManagedProcess
from tests.processes import ROOT, Process, running


def command_of(managed: ManagedProcess) -> list[str]:
    return [str(each) for each in managed._command]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return str(embedded.choose_services(tmp_path, {"MAIL_SERVER": "mail.example"})["redis_url"])


def test_nobody_gets_in_without_the_password(tmp_path: Path, url: str):
    command = command_of(embedded.valkey(url, tmp_path))
    password = urlsplit(url).password or ""
    with running(Process(command, tmp_path / "out.log")) as valkey:
        with redis.Redis.from_url(url) as client:
            valkey.wait_until(lambda: _answers(client))
            port = urlsplit(url).port or 0
            for guess in (None, "", "password", password[:-1]):
                with (
                    redis.Redis(port=port, password=guess) as stranger,
                    pytest.raises(redis.AuthenticationError),
                ):
                    stranger.ping()
            doctor = subprocess.run(
                [sys.executable, "-m", "app.doctor"],
                cwd=ROOT,
                env={**os.environ, "DATA_DIR": str(tmp_path), "REDIS_URL": ""},
                capture_output=True,
                text=True,
                check=False,
            )
        shown = Path(f"/proc/{valkey.pid}/cmdline").read_text()

    assert len(password) == 64
    assert password not in shown
    assert password not in doctor.stdout + doctor.stderr
    assert f"127.0.0.1:{port} answers" in doctor.stdout


def test_the_password_is_made_once_and_masked(tmp_path: Path, url: str):
    again = str(embedded.choose_services(tmp_path, {})["redis_url"])
    config.load({"DATA_DIR": str(tmp_path)})
    password = urlsplit(url).password or ""

    assert urlsplit(again).password == password
    assert password not in masked(f"cannot reach {password}@127.0.0.1")


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
