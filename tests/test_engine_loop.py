"""The engine's one loop: what Redis publishes reaches the websockets by it, whatever else runs."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
from _thread import get_native_id
from collections.abc import Iterator

import pytest

from headway.engine import loop
from headway.engine.default_server import DefaultServer
from headway.engine.events import Event
from headway.engine.server import TURN_SECONDS, EpollServer
from headway.engine.wakeup import CallQueue, Wakeup
from tests.processes import wait_for
from tests.test_engine_threads import Connected, engine

__all__ = ["engine"]

# A process of which nothing but the loop's thread runs, from the moment at which Redis publishes.
BLOCKED = """
import _socket, os, sys
from types import SimpleNamespace
mode = sys.argv[1]
from headway.patching import patch_for; patch_for(mode)
import socket
from headway.engine.events import Event
from headway.engine.quotas import alone
from headway.engine.server import EpollServer
from tests.test_engine_threads import WEBSOCKET

engine = EpollServer(
    9, lambda environ: False, lambda environ: {}, alone,
    async_mode=mode, transports=["websocket"], cors_allowed_origins=[],
)
engine.on("connect", lambda sid, environ: None)
client, theirs = socket.socketpair()
given = {"werkzeug.socket": theirs, "eventlet.input": SimpleNamespace(get_socket=lambda: theirs)}
engine.handle_request({**WEBSOCKET, **given}, lambda *_: None)
[sid] = engine.sockets
redis, ours = socket.socketpair()
engine.start_background_task(
    lambda: list(engine.read(ours, lambda data: engine.sender_for(sid)(Event(data))))
)
while len(engine.loop._by_fd) < 2:
    engine.sleep(0.01)

client = _socket.socket(fileno=os.dup(client.fileno()))
client.settimeout(20)
_socket.socket(fileno=os.dup(redis.fileno())).send(b'2["pushed"]')
data = b""
while b"pushed" not in data:
    data += client.recv(1000)
print("it came")
"""


@pytest.mark.parametrize("mode", ["eventlet", "gevent", "threading"])
def test_an_event_reaches_its_viewer_while_nothing_else_of_the_process_runs(mode: str):
    command = [sys.executable, "-W", "ignore", "-c", BLOCKED, mode]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert (ended.stdout, ended.returncode) == ("it came\n", 0), ended.stderr


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Redis's end of a connection, and ours."""
    theirs, ours = socket.socketpair()
    with theirs, ours:
        yield theirs, ours


def test_all_that_came_before_the_end_is_left_to_who_reads_and_may_log(
    engine: EpollServer,
    connection: tuple[socket.socket, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
):
    theirs, ours = connection
    came: list[bytes] = []
    threads: set[int] = set()
    loggers: list[int] = []
    monkeypatch.setattr(loop.logger, "error", lambda *_, exc_info: loggers.append(get_native_id()))

    def receive(data: bytes) -> bool:
        threads.add(get_native_id())
        came.append(data)
        if data.endswith(b"2"):
            raise ValueError("a message that cannot be handled")
        return True

    reads = engine.read(ours, receive)
    theirs.send(b"1")
    next(reads)
    assert came == [b"1"]

    theirs.send(b"2")
    wait_for(lambda: came[1:])
    next(reads)
    with pytest.raises(ConnectionError, match="could not be handled"):
        next(reads)
    assert threads == {engine.loop.thread_id}
    wait_for(lambda: loggers)
    assert engine.loop.thread_id not in loggers
    assert not engine.loop._by_fd


def test_a_reader_sees_what_was_left_before_it_is_told_of_the_end(
    engine: EpollServer, connection: tuple[socket.socket, socket.socket]
):
    theirs, ours = connection
    left: list[bytes] = []

    def receive(data: bytes) -> bool:
        left.append(data)
        return True

    reads = engine.read(ours, receive)
    theirs.send(b"first")
    next(reads)
    theirs.send(b"last")  # and the end, while the first is being handled
    wait_for(lambda: b"last" in left)
    theirs.close()
    wait_for(lambda: not engine.loop._by_fd)

    next(reads)
    assert left == [b"first", b"last"]
    with pytest.raises(ConnectionError, match="closed"):
        list(reads)


def test_a_feed_that_is_given_up_while_it_is_read_ends_nothing_else(
    engine: EpollServer, connection: tuple[socket.socket, socket.socket]
):
    theirs, ours = connection
    begun = threading.Event()
    given_up = threading.Event()

    def receive(_: bytes) -> bool:
        begun.set()
        given_up.wait(20)
        raise ValueError("a message that cannot be handled")

    reads = engine.read(ours, lambda _: True)
    theirs.send(b"first")
    next(reads)
    [feed] = engine.loop._by_fd.values()
    feed._receive = receive
    theirs.send(b"last")
    assert begun.wait(20)
    reads.close()
    given_up.set()

    came: list[bytes] = []
    again = engine.read(ours, lambda data: bool(came.append(data)))
    threading.Thread(target=next, args=[again], daemon=True).start()
    theirs.send(b"more")
    wait_for(lambda: came)


def test_a_signal_before_the_wait_is_not_lost():
    wakeup = Wakeup()
    wakeup._reader.settimeout(20)
    for _ in range(3):
        wakeup.signal()
        wakeup.signal()
        wakeup.wait()
    wakeup.close()
    wakeup.signal()  # nobody waits any more


def test_no_call_is_lost_whoever_adds_it_and_whatever_the_one_before_raises(
    caplog: pytest.LogCaptureFixture,
):
    done: list[tuple[int, int]] = []
    calls = CallQueue()
    calls.add(lambda: done.append((0, 0)))  # before there is anybody to make it

    def add(name: int) -> None:
        for number in range(500):
            calls.add(lambda number=number: done.append((name, number)))

    calls.start(lambda run: threading.Thread(target=run, daemon=True).start())
    calls.add(lambda: 1 / 0)
    threads = [threading.Thread(target=add, args=[name]) for name in (1, 2)]
    for thread in threads:
        thread.start()

    wait_for(lambda: len(done) == 1001)
    for name in (1, 2):
        assert [number for who, number in done if who == name] == list(range(500))
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_websocket_of_engine_io_is_sent_to_by_a_thread_that_may_wait(
    engine: EpollServer, monkeypatch: pytest.MonkeyPatch
):
    """Its queue is the async mode's, which the loop's thread may not wait for."""
    sent: list[tuple[Event, int]] = []
    monkeypatch.setattr(
        DefaultServer,
        "sender_for",
        lambda engine, sid: lambda event: sent.append((event, get_native_id())),
    )
    event = Event(b'2["x"]')
    engine._start()

    engine.sender_for("of Engine.IO")(event)

    wait_for(lambda: sent)
    [(what, thread)] = sent
    assert what is event
    assert thread not in (get_native_id(), engine.loop.thread_id)


def test_the_loops_thread_waits_for_nobody(engine: EpollServer, monkeypatch: pytest.MonkeyPatch):
    turns: list[float] = []
    monkeypatch.setattr(engine, "sleep", turns.append)

    engine.yield_turn()
    engine.loop.thread_id = get_native_id()
    engine.yield_turn()

    assert turns == [0]


@pytest.mark.parametrize("before", [0.005, TURN_SECONDS / 10])
def test_a_thread_that_computes_holds_the_loop_up_shortly(engine: EpollServer, before: float):
    sys.setswitchinterval(before)
    with Connected(engine):
        assert sys.getswitchinterval() == pytest.approx(min(before, TURN_SECONDS), abs=2e-6)
