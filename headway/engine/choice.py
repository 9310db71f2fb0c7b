"""Which engine a Socket.IO server runs on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import engineio
import socketio

from headway.engine.handshake import Refuses
from headway.engine.server import LeanEngine
from headway.engine.stock import StockEngine


def make_engine(
    most_sockets: int | None = None, refuses: Refuses = lambda environ: False, **options: Any
) -> StockEngine | LeanEngine | engineio.Server:
    """Return the engine for the mode of a server that says how many sockets it takes, Engine.IO's own for any other."""
    if most_sockets is None:
        return engineio.Server(**options)
    lean = options["async_mode"] == "eventlet" and sys.platform == "linux"
    return (LeanEngine if lean else StockEngine)(most_sockets, refuses, **options)


@contextmanager
def installed() -> Iterator[None]:
    """Have the Socket.IO servers that the block makes run on these; another one of this process keeps its own.

    Flask-SocketIO names the server's class in its code.
    """
    before = socketio.Server._engineio_server_class
    socketio.Server._engineio_server_class = lambda server: make_engine
    try:
        yield
    finally:
        socketio.Server._engineio_server_class = before
