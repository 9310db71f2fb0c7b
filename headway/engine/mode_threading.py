"""Headway's engine in threads: one serves all sockets and pings them, a few handle calls."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from headway.engine import handover
from headway.engine.handover import take
from headway.engine.loop import Wait
from headway.engine.thread_queue import ThreadQueue

__all__ = ["connection_of", "make_epoll", "make_lock", "make_queue", "reading", "take", "watch"]

make_lock = threading.RLock  # one for each socket: any thread may send to it, or end it


def connection_of(environ: dict[str, Any]) -> Any:
    """Return a request's connection, None where the server gives none that can be taken.

    Nor can one be where a worker of gunicorn's has made greenlets of this process's threads.
    """
    return handover.connection_of(environ) if hasattr(select, "epoll") else None


def make_epoll() -> Any:
    return select.epoll()


def watch(epoll: Any) -> Wait:
    """Return a function that waits until something can be done, and returns so much of it."""

    def wait(most: int, seconds: float) -> list[tuple[int, int]]:
        ready: list[tuple[int, int]] = epoll.poll(seconds, most)
        return ready

    return wait


@contextmanager
def reading(connection: Any) -> Iterator[Callable[[int], bytes]]:
    """Yield a function that reads from a connection as its `recv` does.

    The kernel keeps the connection's time limit: Python would ask it before each read.
    """
    seconds = connection.gettimeout()
    if seconds and not hasattr(connection, "pending"):
        limit = struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        connection.settimeout(None)
    yield connection.recv


def make_queue(engine: Any, workers: int) -> ThreadQueue:
    return ThreadQueue(workers, engine.has_work, engine.start_background_task)
