"""Headway's engine where two things happen to one websocket in an order that is rare."""

from __future__ import annotations

import errno
import select
import socket
import sys
import threading
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from headway.engine import loop, mode_threading
from headway.engine.frames import CLOSE, FLOOD, FRAMES, SERVICE_RESTART, encode_frame
from headway.engine.server import EpollServer
from headway.engine.socket import Socket
from tests.processes import wait_for
from tests.test_engine_threads import WEBSOCKET, Connected, engine

__all__ = ["engine"]

FIRST = '2["first"]'
SECOND = '2["second"]'


def exits() -> None:
    sys.exit()


class TimeOut(BaseException):
    """What gevent and eventlet raise, which is no Exception either."""


def times_out() -> None:
    raise TimeOut


@pytest.mark.parametrize("fails", [exits, times_out])
def test_after_a_handler_that_raises_no_exception_the_same_websocket_goes_on(
    engine: EpollServer, fails: Callable[[], None]
):
    handled: list[str] = []
    gone: list[str] = []

    def handle(sid: str, text: str) -> None:
        handled.append(text)
        if text == FIRST:
            fails()

    engine.on("message", handle)
    engine.on("disconnect", lambda sid, reason: gone.append(sid))
    with Connected(engine) as client:
        client.say(f"4{FIRST}")
        client.say(f"4{SECOND}")
        wait_for(lambda: handled == [FIRST, SECOND])

    wait_for(lambda: gone == [client.sid])
    wait_for(lambda: not engine.loop._by_fd)


def test_what_a_client_said_before_its_end_does_not_cut_the_close_frame(
    engine: EpollServer, monkeypatch: pytest.MonkeyPatch
):
    """The loop may have seen that it can be read before another thread ended it."""
    monkeypatch.setattr(loop, "LINGER_SECONDS", 600.0)
    with Connected(engine) as client:
        (ours,) = engine.sockets.values()
        with ours._lock:  # so that the loop does not read it
            client.say("42late")
            ours.end(SERVICE_RESTART, "")
            ours.receive()
            ours.receive()
            assert ours.fileno >= 0

        assert client.read() == (CLOSE, SERVICE_RESTART.to_bytes(2))
    wait_for(lambda: not engine.loop._by_fd)  # once it has left


def test_a_closed_websocket_outlives_the_check_of_its_ping(engine: EpollServer):
    """The clock checks those that it knew when its tick began."""
    with Connected(engine) as client:
        (ours,) = engine.sockets.values()
        ours.ping()
        ours.end(SERVICE_RESTART, "")
        ours.check_timeout()

        assert ours.fileno >= 0
        assert client.rest()[-1] == (CLOSE, SERVICE_RESTART.to_bytes(2))


def test_one_answer_to_a_ping_is_free_and_more_are_a_flood(engine: EpollServer):
    with Connected(engine) as client:
        (ours,) = engine.sockets.values()
        with ours._lock:  # so that the loop does not read them
            for _ in range(FRAMES):
                ours.ping()
                client.say("3")
                ours.receive()
            assert not ours.closed
            for _ in range(FRAMES + 5):
                client.say("3")
                ours.receive()

        assert client.rest()[-1] == (CLOSE, FLOOD.to_bytes(2))


def test_nobody_sends_before_the_head_of_the_stream(
    engine: EpollServer, monkeypatch: pytest.MonkeyPatch
):
    register = engine.loop.register
    pushing: list[threading.Thread] = []

    def register_and_push(ours: Socket) -> None:
        register(ours)
        other = threading.Thread(target=ours.send_frame, args=[encode_frame(b"4early")])
        pushing.append(other)
        other.start()
        other.join(0.2)  # it ends in that time where nothing holds it

    monkeypatch.setattr(engine.loop, "register", register_and_push)

    with Connected(engine) as client:  # which has read the head
        assert client.text() == "4early"
    pushing[0].join()


class FullEpoll:
    """As the system's, of which a user may have it watch so many files (max_user_watches)."""

    def register(self, *_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def unregister(self, *_: Any) -> None:
        raise OSError(errno.ENOENT, "No such file or directory")


def test_a_websocket_that_cannot_be_watched_leaves_nothing(engine: EpollServer):
    gone: list[str] = []
    engine.on("disconnect", lambda sid, reason: gone.append(sid))
    engine._start()
    engine.loop.epoll = FullEpoll()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        environ = {**WEBSOCKET, "werkzeug.socket": theirs}
        assert engine.handle_request(environ, lambda status, headers: None) == []
        theirs.close()
        ours.settimeout(20)
        assert ours.recv(1) == b""

    wait_for(lambda: gone)
    assert (engine.sockets, engine.loop._by_fd) == ({}, {})
    assert not any(engine.loop.clock._slots)  # type: ignore[attr-defined]


@pytest.mark.parametrize("missing", range(1, 4))
def test_a_system_without_threads_is_asked_again(
    engine: EpollServer, monkeypatch: pytest.MonkeyPatch, missing: int
):
    start = engine.start_background_task
    asked = count(1)

    def start_most(*what: Any) -> Any:
        if next(asked) == missing:
            raise RuntimeError("can't start new thread")
        return start(*what)

    monkeypatch.setattr(engine, "start_background_task", start_most)
    ours, theirs = socket.socketpair()
    answers: list[str] = []
    with ours, theirs:
        environ = {**WEBSOCKET, "werkzeug.socket": theirs}
        engine.handle_request(environ, lambda status, headers: answers.append(status))
    assert answers == ["503 Service Unavailable"]

    handled = threading.Event()
    engine.on("message", lambda sid, text: handled.set())
    with Connected(engine) as client:
        client.say("42x")
        assert handled.wait(20)


def test_where_threads_are_greenlets_engine_io_serves(monkeypatch: pytest.MonkeyPatch):
    """Under `gunicorn -k gevent`, which a setting need not say: it patches late, `epoll` away."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert mode_threading.connection_of({"gunicorn.socket": ours}) is ours
        monkeypatch.delattr(select, "epoll")
        assert mode_threading.connection_of({"gunicorn.socket": ours}) is None
