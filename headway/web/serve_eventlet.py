"""eventlet's server, for a crowd."""

from __future__ import annotations

import contextlib
import resource
import socket
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import eventlet
from eventlet import wsgi

from headway.store.connection import peer_closed
from headway.web.serving import SILENCE_SECONDS, Requests, Serving

BATCH_SIZE = 16  # connections let in before others have their turn
RECEIVED_AT_ONCE = 64  # connections that come to wait for that
STAYS_SECONDS = 1.0  # who has closed its side before that may only have nothing more to say
MAX_HEAD_BYTES = 64 * 1024
NO_PLACE = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"Retry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class AcceptQueue:
    """A listener for eventlet's server, which lets a crowd in a few at a time: those inside have
    their turn.

    The crowd waits here. The kernel has few places, and whoever finds none hears nothing: it tries
    again seconds later.
    """

    def __init__(self, listener: Any) -> None:
        self._listener = listener
        most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._waiting = eventlet.Queue(most_files // 2)
        self._let_in = count(1)
        self._acceptor = eventlet.spawn(self._receive)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listener, name)

    def accept(self) -> Any:
        """Return the next connection whose client has not left while it waited for long."""
        if next(self._let_in) % BATCH_SIZE == 0:
            time.sleep(0)
        while True:
            came, (connection, address) = self._waiting.get()
            if time.monotonic() - came < STAYS_SECONDS or not peer_closed(connection):
                return connection, address
            connection.close()

    def waiting(self) -> int:
        """Return how many wait here."""
        return int(self._waiting.qsize())

    def stop(self) -> None:
        """Receive nobody else. Whoever waits is still let in: a server that ends would cut them
        off.
        """
        self._acceptor.kill()

    def _receive(self) -> None:
        for received in count(1):
            try:
                connection = self._listener.accept()
                self._waiting.put((time.monotonic(), connection))
            except OSError:
                # It has left already, or there are no files: until somebody else has left.
                time.sleep(0.1)
            if received % RECEIVED_AT_ONCE == 0:
                time.sleep(0)


def serve(listener: socket.socket, requests: Requests, max_connections: int) -> Serving:
    """Serve in the background; more than `max_connections` requests at once are refused."""

    class ConnectionPool(eventlet.GreenPool):  # type: ignore[misc]  # untyped
        """Room for so many connections; who finds none is told so and does not wait.

        Websockets take none.
        """

        def spawn(self, serve: Callable[..., None], connection: Any) -> Any:
            if self.free() <= 0:
                return eventlet.spawn(_reject, connection[1])
            return super().spawn(self._serve, serve, connection)

        def _serve(self, serve: Callable[..., None], connection: Any) -> None:
            with requests.of(connection[0]):
                serve(connection)

    class Protocol(wsgi.HttpProtocol):  # type: ignore[misc]  # untyped
        """Has a connection end with the last request."""

        def parse_request(self) -> bool:
            is_sound: bool = super().parse_request()
            self.close_connection |= requests.last
            return is_sound

    queue = AcceptQueue(listener)
    eventlet.spawn(
        wsgi.server,
        queue,
        requests,
        custom_pool=ConnectionPool(max_connections),
        protocol=Protocol,
        socket_timeout=SILENCE_SECONDS,
        log_output=False,
        debug=False,  # no traceback to clients
        capitalize_response_headers=False,  # they are as they should be
    )
    return Serving(queue.stop, queue.waiting)


def _reject(connection: Any) -> None:
    """Ask a client to come later."""
    connection.settimeout(1)
    with contextlib.suppress(OSError):
        connection.recv(MAX_HEAD_BYTES)  # what is closed unread is reset, and the answer lost
        connection.sendall(NO_PLACE)
