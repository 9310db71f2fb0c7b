"""Which engine a Socket.IO server runs on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import engineio
import socketio

from headway.engine.handshake import Refuses
from headway.engine.server import EpollServer
from headway.engine.stock import DefaultServer


def make_engine(
    max_sockets: int | None = None, refuses: Refuses = lambda environ: False, **options: Any
) -> DefaultServer | EpollServer | engineio.Server:
    """Return the engine for the mode of a server that says how many sockets it takes,
    Engine.IO's own for any other.
    """
    if max_sockets is None:
        return engineio.Server(**options)
    lean = options["async_mode"] == "eventlet" and sys.platform == "linux"
    return (EpollServer if lean else DefaultServer)(max_sockets, refuses, **options)


@contextmanager
def patch_socketio() -> Iterator[None]:
    """Have the Socket.IO servers that the block makes run on these.

    Another one of this process keeps its own.

    Flask-SocketIO names the server's class in its code.
    """
    before = socketio.Server._engineio_server_class
    socketio.Server._engineio_server_class = lambda server: make_engine
    try:
        yield
    finally:
        socketio.Server._engineio_server_class = before
