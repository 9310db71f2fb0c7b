"""Clients that keep coming to a web process, each on a connection of its own, and what becomes
of each.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

EVERY_SECONDS = 0.01
AT_ONCE = 64
PATIENCE_SECONDS = 30  # of a client: a process that a busy machine holds up has all of them wait


def get(port: int) -> str:
    """Ask once, on a connection of its own; returns the status, or what went wrong."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        response.read()
        return str(response.status)
    except ConnectionRefusedError:
        return "refused"
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    finally:
        connection.close()


@contextmanager
def stream_of_clients(port: int) -> Iterator[list[str]]:
    """Have a client come every few milliseconds.

    Gives what became of each, whole when the block has ended.
    """
    ends: list[str] = []
    over = threading.Event()

    def come() -> None:
        with ThreadPoolExecutor(AT_ONCE) as many:
            while not over.wait(EVERY_SECONDS):
                many.submit(lambda: ends.append(get(port)))

    stream = threading.Thread(target=come)
    stream.start()
    try:
        yield ends
    finally:
        over.set()
        stream.join()
