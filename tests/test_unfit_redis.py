"""A Redis that Headway cannot work with is refused at start, in one line.

One that loses tasks gets a warning.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis
from celery import Celery, bootsteps
from celery.app.task import Context

from app import create_app
from headway.celery.backend import LiveBackend
from headway.celery.storing import state_store as live
from headway.celery.storing.fencing import FENCE
from headway.celery.worker.maintenance import Maintenance
from headway.exceptions import ConfigError
from headway.store.redis_checks import WARNED, refuse_unfit
from headway.throttled import ThrottledLogger
from tests.old_redis import OldRedis
from tests.processes import ROOT, Valkey, free_port

SECRET = "hunter2-marked"
PROGRAMS = {
    "web process": ["wsgi.py"],
    "worker": ["-m", "celery", "-A", "worker", "worker"],
    "make run": ["run.py"],
}


@pytest.fixture(scope="module")
def old_redis() -> Iterator[OldRedis]:
    with OldRedis() as server:
        yield server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    server = Valkey(tmp_path)
    yield server
    server.stop()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_redis_without_functions_is_refused_in_one_line(
    program: str, old_redis: OldRedis, tmp_path: Path
):
    url = old_redis.url.replace("redis://", f"redis://ops:{SECRET}@")
    env = {
        "REDIS_URL": url,
        "DATA_DIR": str(tmp_path),
        "SECRET_KEY": "a secret for the tests",
        "PORT": str(free_port()),
    }

    ended = subprocess.run(
        [sys.executable, *PROGRAMS[program]],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "ignore", **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode in (1, 2)
    [line] = [line for line in ended.stderr.splitlines() if "Headway" in line]
    assert line == (
        "Headway: REDIS_URL: Redis 6.2.14 is too old: Headway needs Redis 7.0 or newer, or Valkey."
    )
    assert "Traceback" not in ended.stderr + ended.stdout
    assert SECRET not in ended.stderr + ended.stdout


def django_like(url: str) -> Celery:
    celery = Celery("a", namespace="CELERY", set_as_current=False)
    celery.config_from_object({"CELERY_RESULT_BACKEND": url, "CELERY_BROKER_URL": url})
    return celery


@pytest.mark.parametrize(
    ("project", "environ", "setting"),
    [
        (lambda url: Celery("a", broker=url, backend=url), "", "result_backend"),
        (django_like, "", "CELERY_RESULT_BACKEND"),
        (lambda url: Celery("a", broker=url), "CELERY_RESULT_BACKEND", "CELERY_RESULT_BACKEND"),
    ],
)
def test_a_worker_names_the_setting_that_its_project_has(
    project: Callable[[str], Celery],
    environ: str,
    setting: str,
    old_redis: OldRedis,
    monkeypatch: pytest.MonkeyPatch,
):
    url = f"headway+{old_redis.url}"
    if environ:
        monkeypatch.setenv(environ, url)
    celery = project(url)
    worker = SimpleNamespace(
        app=celery,
        options={"without_heartbeat": True},
        hostname="a@here",
        concurrency=1,
        pool=SimpleNamespace(uses_semaphore=False),
    )

    with pytest.raises(SystemExit, match=rf"^Headway: {setting}: Redis 6\.2\.14 is too old"):
        Maintenance(worker).create(worker)


@pytest.mark.parametrize(
    ("version", "what"),
    [
        ("", "This Redis is too old"),
        ("5.0.14", "Redis 5.0.14 is too old"),
        ("6.9.99", "Redis 6.9.99 is too old"),
        ("7.4.0", "Redis is older than 7.0"),  # it says so, and has no functions
        ("10.0.1", "Redis is older than 7.0"),
        ("unstable", "Redis unstable is too old"),
    ],
)
def test_each_redis_without_functions_is_refused(version: str, what: str):
    with (
        OldRedis(version) as server,
        pytest.raises(ConfigError, match=rf"^result_backend: {what}.*7\.0"),
    ):
        refuse_unfit(server.url, server.url, production=False)


def test_a_redis_that_does_not_answer_is_waited_for():
    url = f"redis://127.0.0.1:{free_port()}/0"

    refuse_unfit(url, url, production=True)


@pytest.mark.parametrize("password", ["", ":wrong@", "ops:wrong@"])
def test_a_wrong_password_is_refused(server: Valkey, password: str):
    with redis.Redis.from_url(server.url) as client:
        client.config_set("requirepass", "right")
    url = server.url.replace("redis://", f"redis://{password}")

    with pytest.raises(
        ConfigError, match=r"^result_backend: Redis refuses the password"
    ) as refused:
        refuse_unfit(url, url, production=False)

    assert "wrong" not in str(refused.value)


def test_requests_at_a_redis_that_is_replaced_by_an_older_one_say_so(
    env: dict[str, str], old_redis: OldRedis
):
    client = create_app(env | {"REDIS_URL": old_redis.url}).test_client()

    ready = client.get("/readyz")
    started = client.post("/longtask")
    page = client.get("/").text

    assert (ready.status_code, ready.json["error"]["code"]) == (503, "redis_too_old")
    assert (started.status_code, started.json["error"]["code"]) == (503, "unavailable")
    assert "older than 7.0" in started.json["error"]["message"]
    assert started.headers["Retry-After"]
    assert page.count("<span>–</span>") == 9  # how many tasks there are of each kind
    assert ">Tasks cannot be shown just now: Redis is older than 7.0." in page


def test_a_worker_says_it_once_while_an_older_redis_answers(
    old_redis: OldRedis, caplog: pytest.LogCaptureFixture
):
    backend = f"headway.celery.backend.LiveBackend+{old_redis.url}"
    celery = Celery("a", broker=old_redis.url, backend=backend, set_as_current=False)
    pool = SimpleNamespace(uses_semaphore=False)
    rounds = iter([False] * 20 + [True])
    keeper = Maintenance(
        SimpleNamespace(
            app=celery,
            options={"without_heartbeat": True},
            hostname="a@here",
            concurrency=1,
            pool=pool,
            blueprint=SimpleNamespace(state=bootsteps.RUN),
        )
    )
    keeper._stop = SimpleNamespace(wait=lambda _: next(rounds), is_set=lambda: False)

    keeper._run()

    assert old_redis.asked.count("FCALL") > 20
    assert len([message for message in caplog.messages if "FCALL" in message]) == 1
    assert len(caplog.messages) == 1


def test_a_run_says_it_once_while_an_older_redis_answers(
    old_redis: OldRedis, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(live, "throttled", ThrottledLogger(live.logger))
    backend = LiveBackend(app=Celery("a", set_as_current=False), url=old_redis.url)
    request = Context(id="a-task", task="a", hostname="here", **{FENCE: "token"})

    for done in range(20):
        assert backend.runs.report(request, "PROGRESS", {"current": done}) == ""

    assert len(caplog.messages) == 1
    assert "FCALL" in caplog.messages[0]


@pytest.mark.parametrize(
    ("settings", "production", "warnings"),
    [
        ({}, True, []),
        ({"maxmemory-policy": "allkeys-lru"}, True, []),  # which does nothing without a limit
        ({"maxmemory": "100mb"}, True, []),
        (
            {"maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"},
            False,
            ["maxmemory-policy is allkeys-lru"],
        ),
        (
            {"maxmemory": "100mb", "maxmemory-policy": "volatile-ttl"},
            True,
            ["maxmemory-policy is volatile-ttl"],
        ),
        ({"appendonly": "no", "save": ""}, False, []),
        ({"appendonly": "no", "save": ""}, True, ["persistence: off"]),
        ({"appendonly": "no", "save": "3600 1"}, True, ["snapshots only"]),
    ],
)
def test_a_redis_that_loses_tasks_gets_one_warning(
    server: Valkey,
    caplog: pytest.LogCaptureFixture,
    settings: dict[str, str],
    production: bool,
    warnings: list[str],
):
    with redis.Redis.from_url(server.url) as client:
        for name, value in settings.items():
            client.config_set(name, value)

    with caplog.at_level(logging.WARNING):
        refuse_unfit(server.url, server.url, production=production)

    assert len(caplog.messages) == len(warnings)
    assert all(
        warning in message for warning, message in zip(warnings, caplog.messages, strict=True)
    )


def test_children_of_make_run_do_not_repeat_the_warning(
    server: Valkey, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(WARNED, "1")
    with redis.Redis.from_url(server.url) as client:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")

    refuse_unfit(server.url, server.url, production=True)

    assert caplog.messages == []
