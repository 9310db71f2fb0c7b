"""`run.py` as a person meets it: real processes, from the first line to the last child."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
import redis
import requests

import supervisor
from headway.celery.run import programs
from tests.forkserver import SLOW
from tests.processes import (
    Process,
    answers,
    children_of,
    free_port,
    freeze,
    running,
    wait_for,
)
from tests.stream import stream_of_clients


class Run(Process):
    """`python run.py` with a data folder and a port."""

    def __init__(self, folder: Path, port: int, **settings: str) -> None:
        folder.mkdir(exist_ok=True)
        self.data = folder / "data"
        self.address = f"http://127.0.0.1:{port}"
        env = {
            "DATA_DIR": str(self.data),
            "PORT": str(port),
            "REDIS_URL": "",
            "MAIL_SERVER": "",
            **settings,
        }
        super().__init__([sys.executable, "run.py"], folder / f"run-{port}.log", env)

    def ready(self, seconds: float = 30) -> Run:
        wait_for(
            lambda: "Headway is ready" in self.output() or self.popen.poll() is not None,
            seconds,
            "not ready",
        )
        assert self.popen.poll() is None, self.output()
        return self

    def family(self) -> dict[int, str]:
        """Return the command line of every process that this run began, whoever its parent is by
        now.

        They are known by their DATA_DIR, which all inherit; Valkey, which overwrites that, by its
        working directory.
        """
        mark = f"DATA_DIR={self.data}\0".encode()
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                working = (entry / "cwd").readlink()
                if mark in (entry / "environ").read_bytes() or working.is_relative_to(self.data):
                    found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue  # it has ended meanwhile
        return found

    def one(self, command: str) -> int:
        """Return the process whose command line holds this, and none that it has forked.

        A child may have the lower number: the system begins again with low ones.
        """
        found = {pid for pid, line in self.family().items() if command in line}
        forked: set[int] = set()
        for pid in found:
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
                forked.update(children_of(pid))
        return min(found - forked)

    def valkey(self) -> redis.Redis:
        return redis.Redis.from_url(json.loads(self.services())["redis_url"])

    def services(self) -> str:
        return (self.data / "services.json").read_text()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Start a run in a folder; whatever is left of any run at the end of the test is ended."""
    runs: list[Run] = []

    def start_one(folder: str = "one", port: int = 0, **settings: str) -> Run:
        run = Run(tmp_path / folder, port or free_port(), **settings)
        runs.append(run)
        return run

    yield start_one
    for run in runs:
        end(run)


def end(run: Run) -> None:
    run.kill()
    wait_for(lambda: not kill_all(run.family()))


def kill_all(pids: Collection[int]) -> bool:
    """Kill processes; return whether there were any, which may have started others meanwhile."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(pids)


@contextmanager
def started(folder: Path, **settings: str) -> Iterator[Run]:
    run = Run(folder, free_port(), **settings)
    try:
        yield run
    finally:
        end(run)


@pytest.fixture(scope="module")
def one_for_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with started(tmp_path_factory.mktemp("run"), WORKER_CONCURRENCY="2") as run:
        yield run


@pytest.fixture
def lasting(one_for_all: Run) -> Run:
    """A run that goes on whatever a test does to a part of it, ready again."""
    wait_for(lambda: answers(f"{one_for_all.ready().address}/readyz"))
    return one_for_all


class Yesterday(NamedTuple):
    """A run in which a visitor had a task done, and which SIGTERM then stopped."""

    folder: Path
    address: str
    at_ready: str  # its output, as that below
    family: dict[int, str]
    task: str  # the path of its status
    clients: list[str]  # how each ended that came while it stopped
    code: int
    left: dict[int, str]
    output: str


class Today(NamedTuple):
    """A run on the data of yesterday's, beside another; Ctrl-C then stopped it."""

    services: str
    answered: list[bool]  # whether the other was ready, and this one
    task: requests.Response  # yesterday's
    code: int
    left: dict[int, str]
    output: str


@pytest.fixture(scope="module")
def visitor() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.fixture(scope="module")
def yesterday(
    visitor: requests.Session, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Yesterday]:
    folder = tmp_path_factory.mktemp("yesterday")
    fast = {"LONG_TASK_STEPS": "2", "LONG_TASK_STEP_SECONDS": "0.01"}
    with started(folder, WEB_PROCESSES="2", **fast) as run:
        at_ready, family = run.ready().output(), run.family()
        visitor.get(run.address, timeout=10)
        task = visitor.post(f"{run.address}/longtask", timeout=10).headers["Location"]
        wait_for(lambda: visitor.get(run.address + task, timeout=10).json()["state"] == "SUCCESS")
        with stream_of_clients(int(run.address.rpartition(":")[2])) as ends:
            wait_for(lambda: len(ends) > 20)
            code = run.stop(signal.SIGTERM, 30)
        yield Yesterday(
            folder, run.address, at_ready, family, task, ends, code, run.family(), run.output()
        )


@pytest.fixture(scope="module")
def today(one_for_all: Run, visitor: requests.Session, yesterday: Yesterday) -> Iterator[Today]:
    beside = one_for_all.ready()
    with started(yesterday.folder) as run:
        services = run.ready().services()
        answered = [answers(f"{each.address}/readyz") for each in (beside, run)]
        task = visitor.get(run.address + yesterday.task, timeout=10)
        os.killpg(run.pid, signal.SIGINT)  # as a terminal does to what runs in its foreground
        code = run.popen.wait(30)
        yield Today(services, answered, task, code, run.family(), run.output())


def test_one_command_starts_all_says_where_and_stops_all(yesterday: Yesterday):
    lines = [
        line
        for line in yesterday.at_ready.splitlines()
        if not line.startswith("Still waiting for ")  # which a busy machine may give reason for
    ]

    assert lines == [f"Headway is ready: {yesterday.address} (Ctrl-C stops it)"]
    for command, count in {
        "valkey-server": 1,
        "aiosmtpd": 1,
        "wsgi.py": 2,
        "-Q mail": 1,
        "-Q celery": 1,
    }.items():
        found = [line for line in yesterday.family.values() if command in line]
        assert len(found) >= count, yesterday.family
    assert (yesterday.code, yesterday.left) == (0, {})
    assert "Headway has stopped." in yesterday.output
    assert set(yesterday.clients) == {"200", "refused"}


def test_ctrl_c_reaches_only_the_supervisor_and_stops_all(today: Today):
    assert (today.code, today.left) == (0, {})
    assert "Traceback" not in today.output


def test_a_second_ctrl_c_hurries(start: Callable[..., Run]):
    run = start(SHUTDOWN_SECONDS="300").ready()
    freeze(run.one("-Q celery"))  # it will never stop by itself

    run.popen.send_signal(signal.SIGINT)
    wait_for(lambda: "Stopping" in run.output())
    run.popen.send_signal(signal.SIGINT)
    code = run.popen.wait(60)  # by itself it would wait for more than 300

    assert (code, run.family()) == (0, {})
    assert "worker-long did not stop in time: killed." in run.output()


AT_A_NAP = """
import asyncio
import socket

import run


async def ready(*_):
    run.echo("ready")


run.start = ready
run.refuse_newcomers = lambda listener: iter([300.0])
with socket.create_server(("127.0.0.1", 0)) as listener:
    asyncio.run(run.supervise([], {}, listener, None))
"""


def test_a_second_ctrl_c_hurries_while_the_last_connections_are_accepted(tmp_path: Path):
    process = Process([sys.executable, "-c", AT_A_NAP], tmp_path / "run.log", {})
    with running(process):
        for said in ("ready", "Stopping"):
            process.wait_until(lambda said=said: said in process.output())  # type: ignore[misc]
            process.popen.send_signal(signal.SIGINT)

        assert process.popen.wait(30) == 0


def test_yesterdays_tasks_and_visitors_are_still_there(today: Today):
    assert (today.task.status_code, today.task.json()["result"]) == (200, 42)


def test_a_taken_port_is_said_at_once(start: Callable[..., Run]):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        run = start(port=port)
        code = run.popen.wait(30)

    words = (
        f"Port {port} is taken by another program: stop it, or choose another: make run "
        f"PORT={port + 1}"
    )
    assert (code, run.output()) == (1, f"Headway: {words}\n")
    assert run.family() == {}


def test_a_port_that_others_may_share_counts_as_taken(start: Callable[..., Run]):
    with socket.socket() as other:
        # as eventlet's own `listen` does
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()

        code = start(port=other.getsockname()[1]).popen.wait(30)

    assert code == 1


def test_a_second_run_on_the_same_data_is_refused_and_harms_nothing(
    start: Callable[..., Run], lasting: Run
):
    second = start(DATA_DIR=str(lasting.data))
    code = second.popen.wait(30)

    assert code == 1
    words = f"Headway is already running in {lasting.data} (process {lasting.pid})"
    assert words in second.output()
    assert answers(f"{lasting.address}/readyz")


def test_a_second_run_on_other_data_takes_other_ports(today: Today, lasting: Run):
    services = [json.loads(text) for text in (today.services, lasting.services())]
    ports = {each["inbox_port"] for each in services}
    ports |= {urlsplit(each["redis_url"]).port for each in services}

    assert len(ports) == 4
    assert today.answered == [True, True]
    assert answers(f"{lasting.address}/readyz")


def test_a_wrong_setting_is_one_line(start: Callable[..., Run]):
    run = start(WORKER_CONCURRENCY="many")

    code = run.popen.wait(30)

    assert (code, run.output()) == (
        2,
        "Headway: WORKER_CONCURRENCY must be a number, not 'many'.\n",
    )


def test_a_web_process_that_dies_is_replaced_while_the_port_keeps_accepting(lasting: Run):
    killed = lasting.one("wsgi.py")

    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: killed not in lasting.family())
    # waits in the socket's queue for the new process
    answer = requests.get(f"{lasting.address}/healthz", timeout=15)

    assert answer.status_code == 200
    assert "web-1 was killed by signal 9; restarting in 0.2 s." in lasting.output()
    assert lasting.one("wsgi.py") != killed


def test_a_killed_worker_takes_its_pool_with_it_and_is_replaced(lasting: Run):
    killed = lasting.one("-Q celery")
    pool = wait_for(lambda: children_of(killed))
    for process in pool:
        freeze(process)  # it will not notice by itself that its worker is gone

    os.kill(killed, signal.SIGKILL)

    wait_for(lambda: not set(pool) & set(lasting.family()), message="the pool outlives its worker")
    wait_for(lambda: any("-Q celery" in line for line in lasting.family().values()))


# One process of another group, as a pool's is, which starts a further one at a word.
MEMBER = """
import os, sys, time
if os.fork() == 0:
    os.setpgid(0, 0)
    print("ready", flush=True)
    sys.stdin.readline()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
time.sleep(60)
"""


def test_what_a_session_starts_while_it_is_killed_ends_too(monkeypatch: pytest.MonkeyPatch):
    look = supervisor.processes
    late: list[int] = []

    def look_slowly() -> list[programs.Process]:
        found = look()
        if not late:
            leader.stdin.write("\n")
            leader.stdin.flush()
            late.append(int(leader.stdout.readline()))
        return found

    monkeypatch.setattr(supervisor, "processes", look_slowly)
    with subprocess.Popen(
        [sys.executable, "-c", MEMBER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as leader:
        assert leader.stdout.readline() == "ready\n"

        supervisor.kill_session(leader.pid, signal.SIGKILL)

    wait_for(lambda: late[0] not in {each.pid for each in look()}, 10)


def test_valkey_comes_back_where_it_was_with_what_it_held(lasting: Run):
    with lasting.valkey() as client:
        client.set("held", "1")
        assert client.waitaof(1, 0, 10_000)[0] == 1  # a slow disk puts off a write for up to 2 s
        killed = lasting.one("valkey-server")

        os.kill(killed, signal.SIGKILL)
        wait_for(lambda: killed not in lasting.family())

        def held() -> bool:
            try:
                return bool(client.get("held") == b"1")
            except redis.RedisError:
                return False

        wait_for(held)
    wait_for(lambda: answers(f"{lasting.address}/readyz"))


def test_a_killed_supervisor_leaves_nothing_and_the_next_run_waits_for_that(
    start: Callable[..., Run],
):
    first = start().ready()
    valkey = first.one("valkey-server")
    freeze(valkey)  # it cannot stop yet
    first.popen.kill()
    first.popen.wait()
    wait_for(lambda: set(first.family()) == {valkey}, message="children outlive their supervisor")

    with (first.data / "run.lock").open() as file, pytest.raises(BlockingIOError):
        # as long as a Valkey may write to the data
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    second = start()
    os.kill(valkey, signal.SIGCONT)
    second.ready()

    assert valkey not in second.family()
    assert "Traceback" not in second.output()


def test_a_redis_of_ones_own_is_used_and_awaited(start: Callable[..., Run], redis_url: str):
    run = start(REDIS_URL=redis_url, MAIL_SERVER="127.0.0.1").ready()

    family = run.family()

    assert not [line for line in family.values() if "valkey-server" in line or "aiosmtpd" in line]
    assert json.loads(run.services()) == {}


@pytest.mark.parametrize("mode", ["eventlet", "gevent", "threading"])
def test_a_web_process_finishes_its_requests_and_stops(
    mode: str, env: dict[str, str], tmp_path: Path
):
    """The listening socket is handed over and, when the process stops, still open here: nobody
    is turned away.
    """
    port = free_port()
    settings = {"PORT": str(port), "SOCKETIO_ASYNC_MODE": mode}
    process = Process([sys.executable, *SLOW], tmp_path / "web.log", env | settings)
    try:
        wait_for(
            lambda: answers(f"http://127.0.0.1:{port}/readyz") or process.popen.poll(),
            20,
            "not ready",
        )
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /slow HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            wait_for(lambda: "working" in process.output())
            process.popen.send_signal(signal.SIGTERM)
            client.settimeout(20)
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        code = process.popen.wait(30)
    finally:
        process.kill()

    assert answer.endswith(b"done"), process.output()
    assert (code, process.output()) == (0, f"Headway serves http://127.0.0.1:{port}\nworking\n")


def test_a_web_process_started_by_hand_refuses_a_taken_port(env: dict[str, str], tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        process = Process([sys.executable, "wsgi.py"], tmp_path / "web.log", {**env, "PORT": port})

        code = process.popen.wait(30)

    assert code == 1
    assert f"Port {port} is taken by another program" in process.output()
