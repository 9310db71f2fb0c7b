"""eventlet's server, prepared for many clients that connect at once."""

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

from headway.settings import REQUEST_SECONDS
from headway.store.connection import peer_closed
from headway.web.request_reader import SILENCE_SECONDS, RequestReader
from headway.web.serving import Requests, Serving

BATCH_SIZE = 16  # connections handed to the server before other greenlets run
RECEIVED_BATCH = 64  # connections accepted into the queue before other greenlets run
STAYS_SECONDS = 1.0  # a client that half-closes before that may just have sent its request
MAX_HEAD_BYTES = 64 * 1024
NO_PLACE = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"Retry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class AcceptQueue:
    """A listener that accepts all connections at once and hands them to the server in batches.

    Between batches the server works on the connections that it has. The kernel's own queue is
    short, and a client that finds it full gets no answer and retries only seconds later.
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
        """Return the next connection; skip clients that have left after a long wait."""
        if next(self._let_in) % BATCH_SIZE == 0:
            time.sleep(0)
        while True:
            came, (connection, address) = self._waiting.get()
            if time.monotonic() - came < STAYS_SECONDS or not peer_closed(connection):
                return connection, address
            connection.close()

    def waiting(self) -> int:
        """Return the number of queued connections."""
        return int(self._waiting.qsize())

    def stop(self) -> None:
        """Accept no more connections; those in the queue are still handed to the server."""
        self._acceptor.kill()

    def _receive(self) -> None:
        for received in count(1):
            try:
                connection = self._listener.accept()
                self._waiting.put((time.monotonic(), connection))
            except OSError:
                # The client has left already, or there is no file descriptor until another leaves.
                time.sleep(0.1)
            if received % RECEIVED_BATCH == 0:
                time.sleep(0)


class ConnectionPool(eventlet.GreenPool):  # type: ignore[misc]  # untyped
    """Room for so many connections; beyond it a client gets a 503 at once.

    Websockets take no room.
    """

    def __init__(self, requests: Requests, size: int) -> None:
        super().__init__(size)
        self._requests = requests

    def spawn(self, serve: Callable[..., None], connection: Any) -> Any:
        if self.free() <= 0:
            return eventlet.spawn(_reject, connection[1])
        return super().spawn(self._serve, serve, connection)

    def _serve(self, serve: Callable[..., None], connection: Any) -> None:
        with self._requests.of(connection[0]):
            serve(connection)


def serve(
    listener: socket.socket,
    requests: Requests,
    max_connections: int,
    request_seconds: float = REQUEST_SECONDS.default,
) -> Serving:
    """Serve in the background; more than `max_connections` requests at once are refused.

    A client has `request_seconds` to send a whole request.
    """
    queue = AcceptQueue(listener)
    eventlet.spawn(
        wsgi.server,
        queue,
        requests,
        custom_pool=ConnectionPool(requests, max_connections),
        protocol=_protocol(requests, request_seconds),
        socket_timeout=SILENCE_SECONDS,
        log_output=False,
        debug=False,  # no traceback to clients
        capitalize_response_headers=False,  # they are spelled as they should be
    )
    return Serving(queue.stop, queue.waiting)


def _protocol(requests: Requests, seconds: float) -> type:
    """Return the protocol by which eventlet reads requests."""

    class Protocol(wsgi.HttpProtocol):  # type: ignore[misc]  # untyped
        """Reads checked requests only; closes connections once the process is stopping."""

        rfile: Any
        rbufsize = 1  # nothing is read by the file itself, whose buffer takes 8 KiB otherwise

        def setup(self) -> None:
            super().setup()
            self.rfile = RequestReader(self.connection, self.rfile, seconds)

        def _read_request_line(self) -> bytes:
            self.rfile.begin()
            line: bytes = super()._read_request_line()
            return line

        def parse_request(self) -> bool:
            is_sound: bool = super().parse_request()
            self.close_connection |= requests.last
            return is_sound

    return Protocol


def _reject(connection: Any) -> None:
    """Answer 503 with Retry-After."""
    connection.settimeout(1)
    with contextlib.suppress(OSError):
        connection.recv(MAX_HEAD_BYTES)  # closing with unread data resets: the answer is lost
        connection.sendall(NO_PLACE)
