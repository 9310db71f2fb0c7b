"""Headway's engine in gevent's greenlets."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from gevent import Timeout, get_hub, monkey

from headway.engine import handover
from headway.engine.handover import reading, take
from headway.engine.loop import Wait
from headway.engine.work_queue import WorkQueue

__all__ = ["connection_of", "make_epoll", "make_lock", "make_queue", "reading", "take", "watch"]

READABLE = 1  # of libev
NO_LOCK = nullcontext()  # no greenlet lets others run while it sends


def make_lock() -> nullcontext[None]:
    return NO_LOCK


def make_epoll() -> Any:
    return monkey.get_original("select", "epoll")()


def watch(epoll: Any) -> Wait:
    """Return a function that waits until something can be done, and returns so much of it."""
    hub = get_hub()
    watcher = hub.loop.io(epoll.fileno(), READABLE)

    def wait(most: int, seconds: float) -> list[tuple[int, int]]:
        with Timeout(seconds, False):
            hub.wait(watcher)
        ready: list[tuple[int, int]] = epoll.poll(0, most)
        return ready

    return wait


def connection_of(environ: dict[str, Any]) -> Any:
    """Return a request's connection, None where the server gives none that can be taken."""
    if given := handover.connection_of(environ):
        return given
    file = environ["wsgi.input"]  # of gevent's own server, which gives that of the connection
    connection = getattr(getattr(file, "raw", None), "_sock", None)
    return handover.bare(connection) if connection else None


def make_queue(engine: Any, workers: int) -> WorkQueue:
    return WorkQueue(workers, engine.has_work, engine.start_background_task, engine.sleep)
