"""`headway serve`: what keeps it from starting, and how it lives as a process."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket

from headway import token
from headway.cli.serving import serve
from headway.store.records import Records
from tests import plain_celery as plain
from tests.browser import OrderedClient
from tests.processes import ROOT, Process, Valkey, answers, free_port, wait_for
from tests.terminal import call, create

SECRET = "a secret for the tests"
PROJECT = ("-A", "tests.plain_celery:celery")
HERE = ("--async-mode", "threading")  # no other Python is started
ADAS = "7f3a1c52-ada"
BOBS = "7f3a1c52-bob"


# What keeps it from starting


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAY_SECRET_KEY", SECRET)


def refused(*words: str) -> tuple[int, str]:
    """Return the exit code and what is said, which is one line."""
    result = call("serve", *words, *HERE)
    [line] = result.output.splitlines()
    return result.exit_code, line


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "Say whose tasks: headway serve -A PROJECT names the Celery app."),
        (
            ("-A", "no.such.project"),
            "The Celery app no.such.project cannot be loaded: ModuleNotFoundError",
        ),
        (
            ("-A", "tests.plain_celery:stock"),
            "Celery's results do not go through Headway but to RedisBackend",
        ),
        (
            (*PROJECT, "--prefix", "headway"),
            "--prefix must be a path, such as /headway, and not 'headway'.",
        ),
        ((*PROJECT, "--prefix", "//example.com"), "--prefix must be a path"),
        ((*PROJECT, "--prefix", "/a b"), "--prefix must be a path"),
        ((*PROJECT, "--host", "192.0.2.1"), "Cannot listen at 192.0.2.1, port 5001: Cannot assign"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(
    secret: None, redis_url: str, words: tuple[str, ...], says: str
):
    plain.use(redis_url)

    code, line = refused(*words)

    assert line.startswith(f"Error: {says}")
    assert code == (1 if "--host" in words else 2)


def test_a_port_that_is_taken_is_said(secret: None, valkey: Valkey):
    plain.use(valkey.url)

    code, line = refused(*PROJECT, "--port", str(valkey.port))

    wanted = f"Port {valkey.port} is taken by another program: stop it, or choose another: "
    assert (code, line) == (1, f"Error: {wanted}--port {valkey.port + 1}")


def test_without_a_secret_it_does_not_start(redis_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HEADWAY_SECRET_KEY", raising=False)
    plain.use(redis_url)

    code, line = refused(*PROJECT)

    assert (code, line[:52]) == (2, "Error: There is no secret to know tokens by: set hea")


def test_a_redis_that_refuses_the_login_is_said_without_the_password(secret: None, valkey: Valkey):
    plain.use(valkey.url.replace("://", "://headway:hunter2-marked@"))

    code, line = refused(*PROJECT)

    assert code == 2
    assert line.startswith("Error: result_backend: Redis refuses the password")
    assert "hunter2" not in line


def test_a_mode_that_is_not_installed_is_said(secret: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("headway.cli.serving.find_spec", lambda name: None)

    result = call("serve", *PROJECT, "--async-mode", "gevent")

    wanted = (
        "gevent is not installed: pip install 'headway[gevent]', or choose --async-mode threading."
    )
    assert (result.exit_code, result.output) == (2, f"Error: {wanted}\n")


def test_where_eventlet_is_not_installed_it_serves_by_threads(
    secret: None, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("headway.cli.serving.find_spec", lambda name: None)
    plain.use(valkey.url)

    result = call("serve", *PROJECT, "--port", str(valkey.port))

    assert result.output.startswith(f"Error: Port {valkey.port} is taken")  # by now it would serve


def test_the_document_names_each_option():
    options = {name for param in serve.params for name in param.opts if name.startswith("--")}
    page = (ROOT / "docs" / "serve.md").read_text()

    assert options == set(re.findall(r"--[a-z][a-z-]+", page.partition("These settings stand")[0]))


# As a process


class Served:
    """`headway serve` for tests/plain_celery.py."""

    def __init__(self, folder: Path, redis_url: str, *options: str) -> None:
        command = [
            f"{Path(sys.executable).parent}/headway",
            "serve",
            *PROJECT,
            "--port",
            "0",
            *options,
        ]
        env = {"REDIS_URL": redis_url, "HEADWAY_SECRET_KEY": SECRET, "PYTHONPATH": str(ROOT)}
        self.process = Process(command, folder / "serve.log", env)
        self.process.wait_until(lambda: "Headway serves" in self.process.output())
        self.line = re.search("Headway serves (.*)", self.process.output())[1]
        self.address = self.line.partition(" ")[0]


@pytest.fixture
def two_tasks(records: Records) -> None:
    for task_id, owner in ((ADAS, "ada"), (BOBS, "bob")):
        create(records, task_id, owner)


@pytest.fixture
def served(redis_url: str, tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path, redis_url)
    yield served
    served.process.kill()


def test_it_says_where_it_is_and_pushes_to_who_has_a_token(
    served: Served, two_tasks: None, records: Records
):
    assert re.fullmatch(
        r"http://127.0.0.1:\d+/headway \(redis://127.0.0.1:\d+/0, eventlet\)", served.line
    )
    wait_for(lambda: answers(f"{served.address}/readyz"))
    pushed: list[dict[str, Any]] = []
    client = OrderedClient(reconnection=False)
    client.on("snapshot", pushed.append)
    auth = {"token": token(owner="ada", secret_key=SECRET)}
    client.connect(
        served.address, auth=auth, transports=["websocket"], socketio_path="/headway/socket.io"
    )

    watched = client.call("watch", {"task_ids": [ADAS, BOBS]}, timeout=20)
    records.cancel(BOBS)
    records.cancel(ADAS)

    assert ([one["task_id"] for one in watched["snapshots"]], watched["missing"]) == (
        [ADAS],
        [BOBS],
    )
    wait_for(lambda: pushed)
    assert {(one["task_id"], one["phase"]) for one in pushed} == {(ADAS, "cancelled")}
    client.close()


def test_it_stops_in_order(served: Served):
    address = served.address.replace("http", "ws")
    connection = websocket.create_connection(
        f"{address}/socket.io/?EIO=4&transport=websocket", timeout=20
    )

    served.process.popen.send_signal(signal.SIGTERM)

    frame = None
    while frame is None or frame.opcode != websocket.ABNF.OPCODE_CLOSE:
        frame = connection.recv_frame()
    assert int.from_bytes(frame.data[:2], "big") == 1012
    assert served.process.popen.wait(30) == 0
    connection.shutdown()


def test_it_comes_up_without_redis_and_says_so(tmp_path: Path):
    served = Served(tmp_path, f"redis://:hunter2-marked@127.0.0.1:{free_port()}/0", *HERE)
    try:
        ready = requests.get(f"{served.address}/readyz", timeout=20)
        assert requests.get(f"{served.address}/healthz", timeout=20).status_code == 200
    finally:
        code = served.process.stop(signal.SIGINT)

    assert (ready.status_code, ready.json()["error"]["code"]) == (503, "redis_unreachable")
    assert code == 0
    assert "hunter2" not in served.process.output()
