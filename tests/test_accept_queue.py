"""Where a crowd of clients waits until a web process has time for them."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.processes import ROOT, wait_for

BACKLOG = 4
CROWD = 40


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener:
        yield listener


@pytest.fixture
def queue(listener: socket.socket, env: dict[str, str]) -> Iterator[AcceptQueue]:
    with AcceptQueue(listener, env) as queue:
        yield queue


class AcceptQueue:
    """`tests.accept_queue` as a process."""

    def __init__(self, listener: socket.socket, env: dict[str, str]) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "tests.accept_queue"],
            cwd=ROOT,
            env={**os.environ, **env, "HEADWAY_LISTEN_FD": str(listener.fileno())},
            pass_fds=[listener.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> AcceptQueue:
        return self

    def __exit__(self, *_: object) -> None:
        self._popen.terminate()
        self._popen.communicate(timeout=10)

    def ask(self, what: str) -> str:
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._popen.stdin.write(f"{what}\n")
        self._popen.stdin.flush()
        assert select.select([self._popen.stdout], [], [], 20)[0], f"no answer to {what}"
        return self._popen.stdout.readline().strip()


def come(listener: socket.socket) -> socket.socket:
    return socket.create_connection(listener.getsockname(), timeout=20)


def port_of(client: socket.socket) -> str:
    return str(client.getsockname()[1])


def waiting_in_the_kernel(listener: socket.socket) -> int:
    """Of those who have come, how many no process has received."""
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)
    return int.from_bytes(info[24:28], sys.byteorder)  # tcpi_unacked


def test_a_crowd_is_received_before_it_is_let_in_and_in_its_order(
    listener: socket.socket, queue: AcceptQueue
):
    crowd = [come(listener) for _ in range(CROWD)]

    assert [queue.ask("next") for _ in crowd] == [port_of(client) for client in crowd]
    for client in crowd:
        client.close()


def test_who_has_only_said_all_is_let_in(listener: socket.socket, queue: AcceptQueue):
    first = come(listener)
    assert queue.ask("next") == port_of(first)
    client = come(listener)
    client.shutdown(socket.SHUT_WR)

    assert queue.ask("next") == port_of(client)
    first.close()
    client.close()


def test_who_has_left_meanwhile_is_not_let_in(listener: socket.socket, queue: AcceptQueue):
    first = come(listener)
    assert queue.ask("next") == port_of(first)
    for _ in range(3):
        come(listener).close()
    second = come(listener)
    time.sleep(1.2)  # as a crowd makes them wait

    assert queue.ask("next") == port_of(second)
    first.close()
    second.close()


def test_a_shut_door_receives_nobody_and_lets_in_who_waits(
    listener: socket.socket, queue: AcceptQueue
):
    first = come(listener)
    second = come(listener)
    assert queue.ask("next") == port_of(first)
    wait_for(lambda: waiting_in_the_kernel(listener) == 0)

    queue.ask("stop")
    third = come(listener)

    assert queue.ask("next") == port_of(second)
    assert waiting_in_the_kernel(listener) == 1
    for client in (first, second, third):
        client.close()
