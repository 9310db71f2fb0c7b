"""Headway's engine under gevent: its loop has a thread of the system's, greenlets the calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gevent import monkey

from headway.engine import handover
from headway.engine.handover import take
from headway.engine.work_queue import make_queue

__all__ = ["connection_of", "make_epoll", "make_queue", "start_thread", "take"]


def make_epoll() -> Any:
    return monkey.get_original("select", "epoll")()


def start_thread(_: Any, run: Callable[[], None]) -> None:
    """Start a thread beside all greenlets. Raises RuntimeError."""
    monkey.get_original("_thread", "start_new_thread")(run, ())


def connection_of(environ: dict[str, Any]) -> Any:
    """Return a request's connection, None where the server gives none that can be taken."""
    if given := handover.connection_of(environ):
        return given
    file = environ["wsgi.input"]  # of gevent's own server, which gives that of the connection
    connection = getattr(getattr(file, "raw", None), "_sock", None)
    return handover.bare(connection) if connection else None
