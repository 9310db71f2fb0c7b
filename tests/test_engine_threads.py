"""Headway's engine in threads: many of them send to a websocket, and end it, at once."""

from __future__ import annotations

import random
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from headway.engine import sending
from headway.engine.events import Event
from headway.engine.frames import CLOSE, SERVICE_RESTART, TEXT
from headway.engine.handover import connection_of
from headway.engine.quotas import alone
from headway.engine.server import WORKERS, EpollServer
from headway.engine.socket import Socket
from tests.processes import wait_for
from tests.websockets import Client, masked

THREADS = 8
EACH = 400
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
WEBSOCKET = {
    "REQUEST_METHOD": "GET",
    "QUERY_STRING": "EIO=4&transport=websocket",
    "HTTP_UPGRADE": "websocket",
    "HTTP_CONNECTION": "Upgrade",
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
    "HTTP_SEC_WEBSOCKET_KEY": KEY,
}


@pytest.fixture(autouse=True)
def hasty_switches() -> Iterator[None]:
    """Threads take turns wherever they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def engine() -> EpollServer:
    made = EpollServer(
        1000,
        lambda environ: False,
        lambda environ: {},
        alone,
        async_mode="threading",
        transports=["websocket"],
        cors_allowed_origins=[],
    )
    made.on("connect", lambda sid, environ: None)
    made.on("message", lambda sid, text: None)
    made.on("disconnect", lambda sid, reason: None)
    return made


class Connected(Client):
    """A client of an engine of this process."""

    def __init__(self, engine: EpollServer) -> None:
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(20)
        self._data = b""
        before = set(engine.sockets)
        environ = {**WEBSOCKET, "werkzeug.socket": theirs}
        assert engine.handle_request(environ, lambda status, headers: None) == []
        (self.sid,) = set(engine.sockets) - before
        theirs.close()  # as the server does, which reaches nobody
        while b"\r\n\r\n" not in self._data:
            self._more()
        _, _, self._data = self._data.partition(b"\r\n\r\n")
        assert self.text().startswith("0")

    def rest(self) -> list[tuple[int, bytes]]:
        """Return all frames until the server's end."""
        frames = []
        with suppress(AssertionError, ConnectionError):
            while True:
                frames.append(self.read())
        assert self._data == b""
        return frames


@contextmanager
def in_threads(*works: Callable[[], Any]) -> Iterator[None]:
    """Do all of it at once, beside the block; what one raises fails the test."""
    errors: list[BaseException] = []
    together = threading.Barrier(len(works))

    def do(work: Callable[[], Any]) -> None:
        together.wait()
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=do, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()
    assert errors == []


def pushes(
    engine: EpollServer, sid: str, name: int, size: int = 0, count: int = EACH
) -> Callable[[], None]:
    def push() -> None:
        send = engine.sender_for(sid)
        for number in range(count):
            send(Event(f'2["{name}",{number},"{"x" * size}"]'.encode()))

    return push


def numbers_of(texts: list[str], name: int) -> list[int]:
    head = f'42["{name}",'
    return [int(text[len(head) :].partition(",")[0]) for text in texts if text.startswith(head)]


def test_frames_of_many_threads_come_whole_and_each_threads_in_order(engine: EpollServer):
    with Connected(engine) as client:
        work = [pushes(engine, client.sid, name) for name in range(THREADS)]
        with in_threads(*work):
            texts = [client.text() for _ in range(THREADS * EACH)]

    for name in range(THREADS):
        assert numbers_of(texts, name) == list(range(EACH))


def test_so_do_those_that_the_client_takes_in_parts_and_later(
    engine: EpollServer, monkeypatch: pytest.MonkeyPatch
):
    size = 3000
    monkeypatch.setattr(sending, "MAX_BACKLOG_BYTES", 2 * THREADS * EACH * size)
    with Connected(engine) as client:
        (ours,) = engine.sockets.values()
        ours._connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        work = [pushes(engine, client.sid, name, size) for name in range(THREADS)]
        with in_threads(*work):
            wait_for(lambda: ours.backlog_bytes)
            texts = [client.text() for _ in range(THREADS * EACH)]

        for name in range(THREADS):
            assert numbers_of(texts, name) == list(range(EACH))
        wait_for(lambda: not ours.backlog_bytes)
        assert ours not in engine.loop._blocked


def test_nothing_comes_after_a_close_frame_whoever_sends_meanwhile(engine: EpollServer):
    for _ in range(20):
        with Connected(engine) as client:
            ends = [lambda: engine.end(SERVICE_RESTART)] * 2
            # So few that the kernel takes all: to a client with a backlog no close frame is sent.
            work = [pushes(engine, client.sid, name, count=20) for name in range(3)]
            with in_threads(*work, *ends):
                frames = client.rest()

            assert {opcode for opcode, _ in frames[:-1]} <= {TEXT}
            assert frames[-1] == (CLOSE, SERVICE_RESTART.to_bytes(2))
            wait_for(lambda: not engine.sockets)


def test_who_ends_while_all_send_and_call_leaves_nothing(engine: EpollServer):
    gone: list[str] = []
    engine.on("disconnect", lambda sid, reason: gone.append(sid))
    clients = [Connected(engine) for _ in range(40)]
    sids = [client.sid for client in clients]

    def leave() -> None:
        for client in random.sample(clients, len(clients)):
            client.write(masked(b'42["x"]') * 3)
            client.__exit__()

    with in_threads(
        *(lambda: [pushes(engine, sid, 1)() for sid in sids] for _ in range(3)),
        lambda: [engine.disconnect(sid) for sid in reversed(sids)],
        leave,
    ):
        pass

    wait_for(lambda: len(gone) == len(sids))
    assert sorted(gone) == sorted(sids)  # each once
    wait_for(lambda: not engine.loop._by_fd)  # those that were closed politely linger
    assert (engine.sockets, engine.loop._blocked) == ({}, set())
    assert not any(engine.loop.clock._slots)  # type: ignore[attr-defined]


def test_calls_of_a_socket_are_handled_in_order_one_at_a_time_in_whichever_thread(
    engine: EpollServer,
):
    handled: dict[str, list[int]] = {}
    at_once: list[str] = []
    overlaps: list[str] = []

    def handle(sid: str, text: str) -> None:
        overlaps.extend({sid} & set(at_once))
        at_once.append(sid)
        handled.setdefault(sid, []).append(int(text[1:]))
        at_once.remove(sid)

    engine.on("message", handle)
    clients = [Connected(engine) for _ in range(10)]
    for number in range(100):
        for client in clients:
            client.say(f"42{number}")

    wait_for(lambda: sum(map(len, handled.values())) == 1000)
    assert all(handled[client.sid] == list(range(100)) for client in clients)
    assert overlaps == []
    for client in clients:
        client.__exit__()
    wait_for(lambda: not engine.loop._by_fd)


def test_a_handler_that_ends_its_thread_ends_no_other_calls(engine: EpollServer):
    answered = threading.Event()
    exits: list[str] = []

    def handle(sid: str, text: str) -> None:
        if text == "2exit":
            exits.append(sid)
            sys.exit()
        answered.set()

    engine.on("message", handle)
    clients = [Connected(engine) for _ in range(WORKERS + 1)]
    for client in clients[:-1]:
        client.say("42exit")
    wait_for(lambda: len(exits) == WORKERS)
    clients[-1].say("42more")

    assert answered.wait(20)
    for client in clients:
        client.__exit__()


def test_while_calls_are_held_others_are_handled(engine: EpollServer):
    released = threading.Event()
    held: list[str] = []

    def handle(sid: str, text: str) -> None:
        held.append(sid)
        released.wait(60)

    engine.on("message", handle)
    clients = [Connected(engine) for _ in range(20)]
    for client in clients:
        client.say("42x")

    wait_for(lambda: len(held) == len(clients))
    released.set()
    assert {socket.sid for socket in engine.sockets.values() if isinstance(socket, Socket)} == {
        client.sid for client in clients
    }
    for client in clients:
        client.__exit__()


def test_a_connection_with_tls_is_left_to_engine_io():
    ours, theirs = socket.socketpair()
    context = ssl.create_default_context()
    with (
        theirs,
        context.wrap_socket(
            ours, server_hostname="a.example", do_handshake_on_connect=False
        ) as secured,
    ):
        for name in ("werkzeug.socket", "gunicorn.socket"):
            assert connection_of({name: theirs}) is theirs
            assert connection_of({name: secured}) is None
    assert connection_of({}) is None
