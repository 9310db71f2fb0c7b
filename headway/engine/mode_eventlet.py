"""Headway's engine in eventlet's greenlets."""

from __future__ import annotations

import _socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

from eventlet import getcurrent, hubs, patcher, wsgi

from headway.engine.handover import NoFileLeft, bare, prepared
from headway.engine.loop import Wait
from headway.engine.work_queue import WorkQueue

NO_LOCK = nullcontext()  # no greenlet lets others run while it sends


def make_lock() -> nullcontext[None]:
    return NO_LOCK


def make_epoll() -> Any:
    return patcher.original("select").epoll()


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


def make_queue(engine: Any, workers: int) -> WorkQueue:
    return WorkQueue(workers, engine.has_work, engine.start_background_task, engine.sleep)


def watch(epoll: Any) -> Wait:
    """Return a function that waits until something can be done, and returns so much of it."""
    # Registered once: adding an epoll to another one costs more the more it contains.
    wait_for_any, _ = _watch_file(epoll.fileno())

    def wait(most: int, seconds: float) -> list[tuple[int, int]]:
        wait_for_any(seconds)
        ready: list[tuple[int, int]] = epoll.poll(0, most)
        return ready

    return wait


@contextmanager
def reading(connection: Any) -> Iterator[Callable[[int], bytes]]:
    """Yield a function that reads from a connection as its `recv` does.

    The descriptor is registered once, not at each read: waking up costs more than reading. What
    arrives while the process is busy is read together; a pause to gather more would delay each
    report by that pause.
    """
    if hasattr(connection, "pending"):
        # TLS buffers what it has read, so whether the descriptor is readable says little.
        yield connection.recv
        return
    wait, stop = _watch_file(connection.fileno())

    def receive(size: int) -> bytes:
        while True:
            wait()
            try:
                data: bytes = connection.fd.recv(size)
            except BlockingIOError:
                continue
            return data

    try:
        yield receive
    finally:
        stop()


def _watch_file(fd: int) -> tuple[Callable[..., None], Callable[[], None]]:
    """Return two functions: one waits until the file is readable, one ends the watch on it.

    The first may be given how many seconds it waits at most.
    """
    hub = hubs.get_hub()
    me = getcurrent()
    waiting = False

    def wake(*_: int) -> None:
        if waiting:
            me.switch()

    def wait(seconds: float | None = None) -> None:
        nonlocal waiting
        waiting = True
        timer = None if seconds is None else hub.schedule_call_global(seconds, wake)
        try:
            hub.switch()
        finally:
            waiting = False
            if timer:
                timer.cancel()

    watch = hub.add(hub.READ, fd, wake, me.throw, None)
    return wait, partial(hub.remove, watch)
