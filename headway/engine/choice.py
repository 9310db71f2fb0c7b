"""Chooses the Engine.IO server that a Socket.IO server runs on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import engineio
import socketio

from headway.engine.default_server import DefaultServer
from headway.engine.handshake import Refuses
from headway.engine.quotas import NoteCounts, QuotasOf, alone
from headway.engine.server import EpollServer


def make_engine(
    max_sockets: int | None = None,
    refuses: Refuses = lambda environ: False,
    quotas_of: QuotasOf = lambda environ: {},
    note_counts: NoteCounts = alone,
    **options: Any,
) -> DefaultServer | engineio.Server:
    """Return Headway's engine for the async mode, or Engine.IO's own without `max_sockets`."""
    if max_sockets is None:
        return engineio.Server(**options)
    engine = EpollServer if sys.platform == "linux" else DefaultServer
    return engine(max_sockets, refuses, quotas_of, note_counts, **options)


@contextmanager
def patch_socketio() -> Iterator[None]:
    """Make the Socket.IO servers created in this block run on Headway's engines.

    All others of the process keep Engine.IO's own. The class is patched because Flask-SocketIO
    hard-codes the class of its server.
    """
    before = socketio.Server._engineio_server_class
    socketio.Server._engineio_server_class = lambda server: make_engine
    try:
        yield
    finally:
        socketio.Server._engineio_server_class = before
