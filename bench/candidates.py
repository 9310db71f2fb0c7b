"""The ways to show a task's progress that are measured side by side, each with a Valkey and
processes of its own.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import requests

from bench.processes import PEERS, Helper, node, python_helper
from bench.swarm import CELERY_PROGRESS, FLOOR, HEADWAY, SOCKETIO, Crowd, Dialect
from tests.processes import Process, Valkey, answers, free_port


@dataclass(frozen=True)
class Web:
    """A web process, and where it listens."""

    process: Process
    port: int

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class Candidate:
    """One way, running: a Valkey, a web process and a reporter; `wait` until they are ready."""

    name: ClassVar[str]
    dialect: ClassVar[Dialect] = SOCKETIO
    keeps_last: ClassVar[bool] = True  # the last report of a room reaches its viewers
    module: ClassVar[str]  # `python -m MODULE REDIS_URL` reports, with a port it is the web process

    def __init__(self, folder: Path, started: ExitStack) -> None:
        folder.mkdir()
        self._folder = folder
        self._started = started
        self.valkey = Valkey(folder)
        started.callback(self.valkey.stop)
        self.web = self.launch_web(free_port())
        self.reporter = self._start_reporter()  # as a worker does
        started.callback(self.reporter.stop)

    def wait(self) -> None:
        """Return when the parts are ready.

        Raises Failed or AssertionError where one is not in time.
        """
        self.web.process.wait_until(lambda: self.serves(self.web))
        self.reporter.wait()

    def another_web(self, **env: str) -> Web:
        """Start a web process more, with this in its environment; wait until it serves."""
        started = self.launch_web(free_port(), **env)
        started.process.wait_until(lambda: self.serves(started))
        return started

    def launch_web(self, port: int, **env: str) -> Web:
        """Start a web process, and wait for nothing."""
        log = self._folder / f"web-{port}.log"
        process = Process(self._web_command(port), log, {**self._web_env(port), **env})
        self._started.callback(process.stop)
        return Web(process, port)

    def serves(self, web: Web) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", web.port), timeout=1):
                return True
        except OSError:
            return False

    def rooms(self, count: int) -> list[str]:
        """Return so many new rooms, which are tasks."""
        return [str(uuid4()) for _ in range(count)]

    def crowd(self, at: Web | None = None) -> Crowd:
        """Return a crowd, of nobody yet, of a web process: the first one, if none is given."""
        return Crowd(self.dialect, (at or self.web).port)

    def _web_command(self, port: int) -> list[str]:
        return [sys.executable, "-m", self.module, self.valkey.url, str(port)]

    def _web_env(self, port: int) -> Mapping[str, str]:
        return {}

    def _start_reporter(self) -> Helper:
        return python_helper(self.module, self._folder / "reporter.log", self.valkey.url)


class Headway(Candidate):
    name = "Headway"
    dialect = HEADWAY
    mode: ClassVar[str] = "eventlet"

    @cached_property
    def env(self) -> Mapping[str, str]:
        data = self._folder / "data"
        return {
            "REDIS_URL": self.valkey.url,
            "DATA_DIR": str(data),
            "SECRET_KEY": "a secret for the bench",
            "RATE_LIMITS": "off",  # one visitor is all of them
        }

    @cached_property
    def visitor(self) -> requests.Session:
        """The one visitor whose tasks all rooms are, and who has all websockets."""
        session = requests.Session()
        session.get(self.web.address, timeout=10).raise_for_status()
        self._started.callback(session.close)
        return session

    @property
    def cookie(self) -> str:
        [(name, value)] = self.visitor.cookies.items()
        return f"Cookie: {name}={value}\r\n"

    def rooms(self, count: int) -> list[str]:
        return [self._room() for _ in range(count)]

    def crowd(self, at: Web | None = None) -> Crowd:
        return Crowd(self.dialect, (at or self.web).port, self.cookie)

    def _room(self) -> str:
        # One for later, so that it is sent to no queue: whoever reports takes it.
        body: dict[str, Any] = {"name": "long_task", "countdown": 86400}
        response = self.visitor.post(f"{self.web.address}/tasks", json=body, timeout=10)
        response.raise_for_status()
        return str(response.json()["task_id"])

    def serves(self, web: Web) -> bool:
        return answers(f"{web.address}/readyz")

    def _web_command(self, port: int) -> list[str]:
        return [sys.executable, "wsgi.py"]

    def _web_env(self, port: int) -> Mapping[str, str]:
        return {**self.env, "PORT": str(port), "SOCKETIO_ASYNC_MODE": self.mode}

    def _start_reporter(self) -> Helper:
        return python_helper("bench.headway", self._folder / "reporter.log", env=self.env)


class HeadwayGevent(Headway):
    name = "Headway, gevent"
    mode = "gevent"


class HeadwayThreading(Headway):
    name = "Headway, threading"
    mode = "threading"


class HeadwayGunicorn(Headway):
    """Under gunicorn's threaded workers, one of them."""

    name = "Headway, gunicorn gthread"
    mode = "threading"

    def _web_command(self, port: int) -> list[str]:
        options = ["--threads", "8", "--bind", f"127.0.0.1:{port}"]
        return [sys.executable, "-m", "gunicorn", *options, "wsgi:app"]


class Pattern(Candidate):
    name = "(a) Flask-SocketIO pattern"
    module = "bench.peers.pattern"


class Node(Candidate):
    name = "(b) Node socket.io"
    kind: ClassVar[str] = "plain"

    def _web_command(self, port: int) -> list[str]:
        return [node(), str(PEERS / "peers/web.mjs"), self.kind, self.valkey.url, str(port)]

    def _start_reporter(self) -> Helper:
        command = [node(), str(PEERS / "peers/report.mjs"), self.kind, self.valkey.url]
        return Helper(command, self._folder / "reporter.log")


class ShardedNode(Node):
    name = "(b) Node socket.io, sharded"
    kind = "sharded"


class Polling(Candidate):
    name = "(c) the article's polling"
    module = "bench.peers.polling"

    def _start_reporter(self) -> Helper:
        return python_helper(Pattern.module, self._folder / "reporter.log", self.valkey.url)


class CeleryProgress(Candidate):
    name = "(d) celery-progress"
    keeps_last = False  # it drops what comes too fast
    dialect = CELERY_PROGRESS
    module = "bench.peers.celery_progress"


class Floor(Candidate):
    name = "(e) the floor"
    dialect = FLOOR
    module = "bench.peers.floor"
