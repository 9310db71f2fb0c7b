"""A web process that stops: what is asked of it is answered, and its viewers find themselves at
another one.
"""

from __future__ import annotations

import http.client
import signal
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import websocket

from headway.snapshot import Phase
from headway.store.records import Records
from headway.web.server.listening import listen
from tests.browser import Returning, Visitor
from tests.by_hand import hand_task, open_websocket, write
from tests.processes import Process, Valkey, answers, freeze, wait_for

MODES = ("eventlet", "gevent", "threading")
EXIT_SECONDS = 15


class Webs:
    """Web processes that share one listening socket, as those of `run.py` do."""

    def __init__(self, folder: Path, env: dict[str, str], records: Records) -> None:
        self._listener = listen("127.0.0.1", 0)
        self._folder = folder
        self._records = records
        self._env = env | {"HEADWAY_LISTEN_FD": str(self._listener.fileno())}
        self._all: list[Process] = []
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def start(self) -> Process:
        """Start one more, and wait until it hears Redis."""
        log = self._folder / f"web-{len(self._all)}.log"
        process = Process([sys.executable, "wsgi.py"], log, self._env, [self._listener.fileno()])
        heard = self._hearing()
        self._all.append(process)
        process.wait_until(lambda: self._hearing() > heard and answers(f"{self.address}/readyz"))
        return process

    def _hearing(self) -> int:
        return len(self._records.client.pubsub_channels("flask-socketio:process:*"))

    def close(self) -> None:
        for process in self._all:
            process.stop()
        self._listener.close()


@pytest.fixture(params=MODES)
def webs(
    request: pytest.FixtureRequest, env: dict[str, str], records: Records, tmp_path: Path
) -> Iterator[Webs]:
    webs = Webs(tmp_path, env | {"SOCKETIO_ASYNC_MODE": request.param}, records)
    yield webs
    webs.close()


def test_viewers_of_a_process_that_stops_go_to_another_and_hear_the_end_there(
    webs: Webs, records: Records
):
    old = webs.start()
    viewers = [Returning(webs.address) for _ in range(10)]
    tasks = {}
    with frozen(webs.start()):  # so that all come to the old one
        for viewer in viewers:
            viewer.connect()
            tasks[viewer] = hand_task(records, viewer)
            viewer.watch(tasks[viewer])
        # It answers no ping, so it has a few seconds: less than a busy machine takes for a start.
        plain = open_websocket(webs.address)

    with visiting(webs.address) as failures:
        old.popen.send_signal(signal.SIGTERM)
        for task_id in tasks.values():
            write(records, task_id, 7)
        wait_for(lambda: all(viewer.goodbyes for viewer in viewers))
        assert close_code(plain) == 1012
        wait_for(lambda: all(viewer.connects == 2 for viewer in viewers))
        assert old.popen.wait(EXIT_SECONDS) == 0

    for viewer, task_id in tasks.items():
        write(records, task_id, 1000, Phase.SUCCEEDED)
        assert viewer.wait_for_end(task_id, 5)["phase"] == "succeeded"
    assert {tuple(viewer.goodbyes) for viewer in viewers} == {("transport error",)}
    assert failures == []
    plain.shutdown()


@contextmanager
def frozen(process: Process) -> Iterator[None]:
    freeze(process.pid)
    try:
        yield
    finally:
        process.popen.send_signal(signal.SIGCONT)


@contextmanager
def visiting(address: str) -> Iterator[list[str]]:
    """Ask again and again, each time on a connection of its own; gives what went wrong."""
    over = threading.Event()
    failures = []

    def visit(_: int) -> None:
        while not over.is_set():
            try:
                requests.get(f"{address}/healthz", timeout=20).raise_for_status()
            except requests.RequestException as error:
                failures.append(repr(error))

    with ThreadPoolExecutor(4) as many:
        try:
            results = many.map(visit, range(4))
            yield failures
        finally:
            over.set()
        list(results)


def close_code(connection: websocket.WebSocket) -> int:
    """Read until the server says why it closes; fails if it says anything else before."""
    while (frame := connection.recv_frame()).opcode != websocket.ABNF.OPCODE_CLOSE:
        assert frame.data.startswith((b'42["server"', b"2")), frame.data
    return int(struct.unpack("!H", frame.data[:2])[0])


def test_a_request_in_the_air_is_answered_before_the_process_ends(
    webs: Webs, records: Records, valkey: Valkey
):
    process = webs.start()
    visitor = Visitor(webs.address)
    task_id = hand_task(records, visitor)
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.http.cookies.items())
    asked = http.client.HTTPConnection(webs.address.removeprefix("http://"), timeout=20)
    valkey.freeze()  # the answer takes a second: it is that Redis does not answer
    try:
        asked.request("GET", f"/status/{task_id}", headers={"Cookie": cookies})
        wait_for(lambda: has_been_read(asked.sock))
        process.popen.send_signal(signal.SIGTERM)

        assert asked.getresponse().status == 503
        assert process.popen.wait(EXIT_SECONDS) == 0
    finally:
        valkey.thaw()
        asked.close()


def has_been_read(client: socket.socket) -> bool:
    """Whether the server has taken all that this client has sent, by the kernel's account."""
    ends = [f"0100007F:{end[1]:04X}" for end in (client.getpeername(), client.getsockname())]
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    [queues] = [line[4] for line in lines if line[1:3] == ends]  # to be sent, and to be read
    return queues.endswith(":00000000")


def test_silent_viewers_do_not_keep_a_process_from_ending(webs: Webs):
    process = webs.start()
    silent = [open_websocket(webs.address) for _ in range(5)]

    process.popen.send_signal(signal.SIGTERM)

    assert process.popen.wait(EXIT_SECONDS) == 0
    for connection in silent:
        connection.shutdown()
