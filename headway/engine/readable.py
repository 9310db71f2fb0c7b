"""Waiting, in a green thread, until there is something to read at a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any


def watch_file(fd: int) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return what gives way until there is something to read at a file, and what ends the watch
    over it.
    """
    # In here, because the other modes, and workers, go without it.
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

    Waiting is prepared once, not at each read: to wake up costs more than to read. What comes
    while the process is busy is read together; a pause to gather more would cost each report
    that pause.
    """
    if hasattr(connection, "pending"):
        # TLS holds back what it has read; whether a file is readable says little
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
