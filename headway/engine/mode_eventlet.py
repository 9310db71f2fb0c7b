"""Headway's engine under eventlet: its loop has a thread of the system's, greenlets the calls."""

from __future__ import annotations

import _socket
from collections.abc import Callable
from typing import Any

from eventlet import patcher, wsgi

from headway.engine.handover import NoFileLeft, bare, prepared
from headway.engine.work_queue import make_queue

__all__ = ["connection_of", "make_epoll", "make_queue", "start_thread", "take"]


def make_epoll() -> Any:
    return patcher.original("select").epoll()


def start_thread(_: Any, run: Callable[[], None]) -> None:
    """Start a thread beside all greenlets. Raises RuntimeError."""
    patcher.original("_thread").start_new_thread(run, ())


def connection_of(environ: dict[str, Any]) -> Any:
    """Return a request's connection, None where the server gives none that can be taken."""
    given = environ.get("eventlet.input")
    return bare(given.get_socket()) if given else None


def take(connection: Any, _: Callable[..., Any], files: int) -> Any:
    """Take a connection over, if its descriptor is below `files`. Raises NoFileLeft.

    The server is left with nothing to close, and knows it.
    """
    if connection.fileno() >= files:
        raise NoFileLeft
    web_server = wsgi.WSGI_LOCAL
    web_server.already_handled = True
    return prepared(_socket.socket(fileno=connection.fd.detach()))
