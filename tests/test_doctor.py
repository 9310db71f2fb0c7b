"""`make doctor`: each check in its good and its bad case, one line each, and no secret in any."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis

from app import doctor
from headway.store import redis_checks
from headway.store.checks import Mark
from headway.store.connection import connect
from headway.store.redis_checks import findings
from headway.store.redis_server import Server
from tests.no_writes import WAYS
from tests.old_redis import OldRedis
from tests.processes import ROOT, Valkey, free_port

SECRET = "hunter2-marked"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("looked-at"))
    yield server
    server.stop()


@pytest.fixture
def admin(server: Valkey) -> Iterator[redis.Redis]:
    """A client; what is set by it is set back."""
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        names = ("appendonly", "maxmemory", "maxmemory-policy", "save")
        before = {name: client.config_get(name)[name] for name in names}
        yield client
        for name, value in before.items():
            client.config_set(name, value)
        client.acl_deluser("ops")


@pytest.fixture
def looked_at(server: Valkey) -> Iterator[Server]:
    client = connect(server.url)
    yield Server(client, server.url, server.url)
    client.close()


@pytest.fixture
def environ(server: Valkey, tmp_path: Path) -> dict[str, str]:
    return {"REDIS_URL": server.url, "DATA_DIR": str(tmp_path)}


def said(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    return doctor.main(environ), capsys.readouterr().out.splitlines()


def test_all_is_well(environ: dict[str, str], capsys: pytest.CaptureFixture[str]):
    code, lines = said(environ, capsys)

    assert code == 0
    assert all(line.startswith("✓ ") for line in lines), lines
    subjects = {line[2:].partition(":")[0] for line in lines}
    checks = {check.__name__.removeprefix("check_") for check in redis_checks.CHECKS}
    assert {"settings", "SECRET_KEY", "files"} < subjects
    assert len(subjects) == len(checks) + 3


def test_a_wrong_setting_is_one_line(environ: dict[str, str], capsys: pytest.CaptureFixture[str]):
    code, lines = said(environ | {"REDIS_URL": f"redis://:{SECRET}@here/first"}, capsys)

    assert code == 1
    [line] = lines
    assert line.startswith("✗ settings: REDIS_URL must end with a database's number")
    assert SECRET not in line


@pytest.mark.parametrize(
    ("secret", "mark"), [("changeme", "!"), ("short", "!"), ("0123456789abcdef0123", "✓")]
)
def test_a_weak_secret_is_a_warning(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str], secret: str, mark: str
):
    code, lines = said(environ | {"SECRET_KEY": secret}, capsys)

    assert code == 0
    [line] = [line for line in lines if "SECRET_KEY" in line]
    assert line.startswith(mark)
    assert secret not in line


def test_a_redis_that_is_away_is_one_line_soon(environ: dict[str, str]):
    url = f"redis://ops:{SECRET}@127.0.0.1:{free_port()}/0"
    command = [sys.executable, "-m", "app.doctor"]

    ended = subprocess.run(
        command,
        cwd=ROOT,
        env={**environ, "REDIS_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert ended.stderr == ""
    assert [line[0] for line in ended.stdout.splitlines()] == ["✓", "✓", "✗", "✓"]
    assert "Redis does not answer" in ended.stdout
    assert SECRET not in ended.stdout


@pytest.mark.usefixtures("hasty_redis")
def test_a_redis_that_hangs_ends_the_checks(server: Valkey):
    server.freeze()
    try:
        [finding] = findings(server.url, server.url)
    finally:
        server.thaw()

    assert (finding.mark, finding.subject) == (Mark.BAD, "connection")


@pytest.mark.parametrize("version", ["6.2.14", ""])
def test_an_old_redis_ends_the_checks(version: str):
    with OldRedis(version) as old:
        *_, last = findings(old.url, old.url)

    assert (last.mark, last.subject) == (Mark.BAD, "version")
    assert "7.0" in last.text


def test_a_wrong_password_ends_the_checks(admin: redis.Redis, server: Valkey):
    admin.execute_command("ACL", "SETUSER", "ops", "on", ">right", "+@all", "~*", "&*")

    [finding] = findings(server.url.replace("redis://", f"redis://ops:{SECRET}@"), server.url)

    assert (finding.mark, finding.subject) == (Mark.BAD, "connection")
    assert "refuses the password" in finding.text
    assert SECRET not in finding.text


def test_rights_that_are_missing_are_named(admin: redis.Redis, server: Valkey):
    admin.execute_command(
        "ACL",
        "SETUSER",
        "ops",
        "on",
        f">{SECRET}",
        "+@all",
        "-info",
        "-config",
        "-publish",
        "~*",
        "&*",
    )
    url = server.url.replace("redis://", f"redis://ops:{SECRET}@")

    found = {finding.subject: finding for finding in findings(url, url)}

    assert found["rights"].mark is Mark.BAD
    assert "PUBLISH for flask-socketio" in found["rights"].text
    assert found["memory"].mark is found["persistence"].mark is Mark.WARNING
    assert not any(SECRET in str(finding) for finding in found.values())


@pytest.mark.parametrize(
    ("check", "settings", "mark", "words"),
    [
        (redis_checks.check_eviction, {}, Mark.GOOD, "nothing is evicted"),
        (redis_checks.check_eviction, {"maxmemory": "1gb"}, Mark.GOOD, "noeviction"),
        (
            redis_checks.check_eviction,
            {"maxmemory": "1gb", "maxmemory-policy": "allkeys-lru"},
            Mark.WARNING,
            "allkeys-lru",
        ),
        (redis_checks.check_eviction, {"maxmemory": "1mb"}, Mark.WARNING, "of maxmemory is used"),
        (redis_checks.check_persistence, {"appendonly": "yes"}, Mark.GOOD, "append-only"),
        (
            redis_checks.check_persistence,
            {"appendonly": "no", "save": ""},
            Mark.WARNING,
            "off: a restart",
        ),
        (
            redis_checks.check_persistence,
            {"appendonly": "no", "save": "60 1"},
            Mark.WARNING,
            "snapshots only",
        ),
    ],
)
def test_what_redis_keeps_is_judged(
    admin: redis.Redis,
    looked_at: Server,
    check: Callable[[Server], redis_checks.Finding],
    settings: dict[str, str],
    mark: Mark,
    words: str,
):
    for name, value in settings.items():
        admin.config_set(name, value)

    finding = check(looked_at)

    assert finding.mark is mark
    assert words in finding.text


@pytest.mark.parametrize("way", [way for way in WAYS if way != "unsaved"])
def test_a_redis_that_takes_no_writes_is_told(server: Valkey, way: str):
    with WAYS[way](server):
        found = {finding.subject: finding.mark for finding in findings(server.url, server.url)}

    assert found["writes"] is Mark.BAD
    assert found["connection"] is found["version"] is Mark.GOOD


def test_a_redis_that_cannot_write_to_its_disk_is_told(tmp_path: Path):
    (tmp_path / "spoilt").mkdir()
    server = Valkey(tmp_path / "spoilt")
    try:
        with WAYS["unsaved"](server):
            found = {finding.subject: finding.mark for finding in findings(server.url, server.url)}
    finally:
        server.stop()

    assert found["writes"] is found["persistence"] is Mark.BAD


@pytest.mark.parametrize(
    ("ahead", "mark"), [(0.0, Mark.GOOD), (5.0, Mark.WARNING), (-3600.0, Mark.WARNING)]
)
def test_clocks_that_are_apart_are_told(
    looked_at: Server, monkeypatch: pytest.MonkeyPatch, ahead: float, mark: Mark
):
    monkeypatch.setattr(redis_checks, "time", SimpleNamespace(time=lambda: time.time() - ahead))

    finding = redis_checks.check_clock(looked_at)

    assert finding.mark is mark
    assert ("ahead of" in finding.text, "behind" in finding.text) == (ahead > 0, ahead < 0)


def test_a_long_way_to_redis_is_told(looked_at: Server, monkeypatch: pytest.MonkeyPatch):
    clock = iter(range(100))
    monkeypatch.setattr(
        redis_checks, "time", SimpleNamespace(perf_counter=lambda: next(clock) * 0.03)
    )

    finding = redis_checks.check_latency(looked_at)

    assert finding.mark is Mark.WARNING
    assert "30.0 ms" in finding.text


@pytest.mark.parametrize(
    ("url", "mark", "words"),
    [
        ("redis://127.0.0.1:1/0", Mark.GOOD, "not needed"),
        ("redis://[::1]:1/0", Mark.GOOD, "not needed"),
        ("redis://redis.internal:6379/0", Mark.WARNING, "use rediss://"),
        ("rediss://redis.internal:6379/0?ssl_cert_reqs=required", Mark.GOOD, "verified"),
        ("rediss://redis.internal:6379/0?ssl_cert_reqs=none", Mark.WARNING, "without verification"),
    ],
)
def test_a_way_that_others_can_read_is_told(looked_at: Server, url: str, mark: Mark, words: str):
    finding = redis_checks.check_tls(Server(looked_at.client, url, url))

    assert finding.mark is mark
    assert words in finding.text


def test_a_broker_elsewhere_is_asked_too(
    environ: dict[str, str], server: Valkey, capsys: pytest.CaptureFixture[str]
):
    there = server.url.replace("/0", "/1")
    away = f"amqp://ops:{SECRET}@127.0.0.1:{free_port()}//"

    code, lines = said(environ | {"CELERY_BROKER_URL": there}, capsys)
    assert code == 0
    assert f"✓ broker: 127.0.0.1:{server.port} answers" in lines

    code, lines = said(environ | {"CELERY_BROKER_URL": away}, capsys)
    assert code == 1
    assert [line for line in lines if line.startswith("✗ broker: does not answer")]
    assert SECRET not in "".join(lines)
