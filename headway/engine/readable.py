"""Waits in a greenlet until a file descriptor is readable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any


def watch_file(fd: int) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return two functions: one waits until the file is readable, one ends the watch on it."""
    # Imported here, because the other modes, and workers, run without eventlet.
    from eventlet import getcurrent, hubs

    hub = hubs.get_hub()
    me = getcurrent()
    waiting = False

    def wake(fd: int) -> None:
        if waiting:
            me.switch()

    def wait() -> None:
        nonlocal waiting
        waiting = True
        try:
            hub.switch()
        finally:
            waiting = False

    watch = hub.add(hub.READ, fd, wake, me.throw, None)
    return wait, partial(hub.remove, watch)


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
    wait, stop = watch_file(connection.fileno())

    def receive(size: int) -> bytes:
        while True:
            wait()
            with suppress(BlockingIOError):
                data: bytes = connection.fd.recv(size)
                return data

    try:
        yield receive
    finally:
        stop()
