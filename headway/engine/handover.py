"""Takes connections over from web servers, which do not notice."""

from __future__ import annotations

import _socket  # which no async mode patches
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

# Of a connection, each way: what the kernel holds can no longer be replaced by newer data.
KERNEL_BYTES = 64 * 1024
ENVIRON_KEYS = ("werkzeug.socket", "gunicorn.socket")  # under which servers expose a connection


def connection_of(environ: dict[str, Any]) -> Any:
    """Return a request's connection, None if its server exposes none that can be taken over."""
    for name in ENVIRON_KEYS:
        if connection := environ.get(name):
            return bare(connection)
    return None


def bare(connection: Any) -> Any:
    """Return the connection, None under TLS, which buffers what it has read."""
    return None if hasattr(connection, "pending") else connection


class NoFileLeft(OSError):
    """A connection would take a file descriptor that is reserved for requests."""


def take(connection: Any, start_response: Callable[..., Any], files: int) -> Any:
    """Take a connection over, with a descriptor below `files`; return it. Raises OSError.

    The server keeps a connection that has ended: it reads nothing from it, and what it sends or
    does to close it reaches nobody.
    """
    ours = _socket.socket(fileno=os.dup(connection.fileno()))
    if ours.fileno() >= files:
        ours.close()
        raise NoFileLeft
    os.dup2(_ended(), connection.fileno(), inheritable=False)
    start_response("101 Switching Protocols", [])  # WSGI requires some status
    return prepared(ours)


def prepared(ours: Any) -> Any:
    """Set what a websocket's connection needs; return it."""
    ours.setblocking(False)
    with suppress(OSError):  # the connection may be broken already
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)
    return ours


@cache
def _ended() -> int:
    """Return the descriptor of a connection whose other end is closed."""
    ours, theirs = _socket.socketpair()
    theirs.close()
    return ours.detach()
