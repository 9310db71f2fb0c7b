"""The Valkey of `make run`: nobody gets in without its password, and nothing shows that."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from flask.testing import FlaskClient
from redis.backoff import NoBackoff
from redis.retry import Retry
from werkzeug.test import TestResponse

import embedded
from app import config, create_app
from headway.masking import masked
from supervisor import ManagedProcess
from tests.browser import Visitor
from tests.processes import ROOT, Process, free_port, running, wait_for
from tests.security.test_files import modes
from tests.test_flow import start_email

MAX_MB = 16
ONCE = Retry(NoBackoff(), 0)


def command_of(managed: ManagedProcess) -> list[str]:
    return [str(each) for each in managed._command]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return str(embedded.choose_services(tmp_path, {"MAIL_SERVER": "mail.example"})["redis_url"])


def test_nobody_gets_in_without_the_password(tmp_path: Path, url: str):
    command = command_of(embedded.valkey(url, tmp_path, MAX_MB))
    password = urlsplit(url).password or ""
    with running(Process(command, tmp_path / "out.log")) as valkey:
        with redis.Redis.from_url(url) as client:
            valkey.wait_until(lambda: answers_to(client))
            port = urlsplit(url).port or 0
            for guess in (None, "", "password", password[:-1]):
                with (
                    redis.Redis(port=port, password=guess, retry=ONCE) as stranger,
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


def test_all_that_a_whole_run_leaves_is_readable_by_its_owner_alone(tmp_path: Path):
    folder = tmp_path / "data"
    port = free_port()
    env = {"DATA_DIR": str(folder), "PORT": str(port), "REDIS_URL": "", "LONG_TASK_STEPS": "1"}
    env |= {"LONG_TASK_STEP_SECONDS": "0.05", "WORKER_CONCURRENCY": "1", "MAIL_CONCURRENCY": "1"}
    before = os.umask(0o000)  # whatever the person who starts it has
    try:
        process = Process([sys.executable, "run.py"], tmp_path / "run.log", env)
    finally:
        os.umask(before)
    with running(process):
        process.wait_until(lambda: "Headway is ready" in process.output())
        visitor = Visitor(f"http://127.0.0.1:{port}")
        task_id = start_email(visitor)["task_id"]
        uploaded = visitor.http.post(
            f"{visitor.address}/uploads", files={"file": ("people.csv", b"a,b\n1,2\n")}, timeout=20
        )
        assert uploaded.status_code == 201, uploaded.text
        wait_for(lambda: visitor.status(task_id)["state"] == "SUCCESS")
        while_running = modes(folder)
        kept = {path.relative_to(folder).parts[0] for path in folder.rglob("*") if path.is_file()}
    left = modes(folder)

    assert {"valkey", "inbox", "files", "secret_key", "services.json", "valkey_password"} <= kept
    assert while_running == {}
    assert left == {}


def test_when_it_is_full_no_task_is_started_and_none_is_lost(tmp_path: Path, url: str):
    command = command_of(embedded.valkey(url, tmp_path, MAX_MB))
    with (
        running(Process(command, tmp_path / "out.log")) as valkey,
        redis.Redis.from_url(url) as filler,
    ):
        valkey.wait_until(lambda: answers_to(filler))
        settings = {"REDIS_URL": url, "DATA_DIR": str(tmp_path), "RATE_LIMITS": "off"}
        client = create_app(settings).test_client()
        started = client.post("/longtask").get_json()["task_id"]
        with pytest.raises(redis.OutOfMemoryError):
            fill(filler)
        # Some small ones still fit in.
        _, refused_start = until_refused(lambda: client.post("/longtask"))
        accepted, refused_upload = until_refused(lambda: upload(client))
        cancelled = client.post(f"/tasks/{started}/cancel")
        filler.delete("junk")
        wait_for(lambda: has_freed(filler))
        again = client.post("/longtask")

    for answer in (refused_start, refused_upload):
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.get_json()["error"]["message"].startswith("Redis is full, so nothing was ")
    assert cancelled.status_code == 202
    assert cancelled.get_json()["phase"] == "cancelled"
    assert again.status_code == 202
    kept = [each for each in (tmp_path / "files").rglob("*") if each.is_file()]
    assert len(kept) == accepted  # of one that could not be noted nothing is left on the disk


def fill(client: redis.Redis) -> None:
    """Put more into a Redis than it may hold."""
    for _ in range(MAX_MB):
        client.rpush("junk", *[b"x" * 100_000] * 20)


def has_freed(client: redis.Redis) -> bool:
    """Whether the memory of all that was deleted is free: a thread of Valkey's own frees it."""
    return client.info("memory")["lazyfree_pending_objects"] == 0


def until_refused(ask: Callable[[], TestResponse]) -> tuple[int, TestResponse]:
    """Ask until it is refused; return how often it was not, and the refusal."""
    for accepted in range(10_000):
        if (answer := ask()).status_code not in (201, 202):
            return accepted, answer
    raise AssertionError("It was never refused.")


def upload(client: FlaskClient) -> TestResponse:
    return client.post("/uploads", data={"file": (BytesIO(b"Email\n"), "people.csv")})


def answers_to(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False
