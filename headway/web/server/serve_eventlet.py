"""eventlet's server, prepared for many clients that connect at once."""

from __future__ import annotations

import contextlib
import io
import resource
import socket
import time
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

import eventlet
from eventlet import wsgi

from headway.settings import REQUEST_SECONDS
from headway.tcp import peer_closed
from headway.web.server.request_reader import SILENCE_SECONDS, RequestReader
from headway.web.server.serving import Requests, Serving

BATCH_SIZE = 16  # connections handed to the server before other greenlets run
RECEIVED_BATCH = 64  # connections accepted into the queue before other greenlets run
STAYS_SECONDS = 1.0  # a client that half-closes before that may just have sent its request
MAX_HEAD_BYTES = 64 * 1024
JOINED_BYTES = 4 * 1024  # an answer of more is not copied to be sent with its head
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
        connected = contextlib.ExitStack()
        # Not in its greenlet, which has yet to begin: a process that stops would not wait for it.
        connected.enter_context(self._requests.of(connection[0]))
        return super().spawn(self._serve, connected, serve, connection)

    def _serve(
        self, connected: contextlib.ExitStack, serve: Callable[..., None], connection: Any
    ) -> None:
        with connected:
            serve(connection)


class JoinedWriter(io.BufferedWriter):
    """Sends what is written together in one piece, or two, without a buffer of its own.

    A buffer would take 16 KiB for each connection, as long as it is open.
    """

    def __init__(self, raw: Any) -> None:
        super().__init__(raw, 1)

    def writelines(self, lines: Iterable[Any]) -> None:
        *first, last = lines
        if len(last) < JOINED_BYTES:
            self.write(b"".join((*first, last)))
        else:
            self.write(b"".join(first))
            self.write(last)


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
        wfile: Any
        rbufsize = 1  # nothing is read by the file itself, whose buffer takes 8 KiB otherwise
        wbufsize = 0  # a JoinedWriter does without

        def setup(self) -> None:
            super().setup()
            self.rfile = RequestReader(
                self.connection, self.rfile, seconds, requests.connection_of(self.client_address)
            )
            self.wfile = JoinedWriter(self.wfile)

        def get_environ(self) -> dict[str, Any]:
            environ: dict[str, Any] = super().get_environ()
            # A websocket counts no more as a connection: where it becomes none, that would go on.
            self.close_connection |= "HTTP_UPGRADE" in environ
            if environ["eventlet.input"].chunked_input:
                # Its end is told, so it may be read: Werkzeug takes it for empty otherwise.
                environ["wsgi.input_terminated"] = True
            return environ

        def finish(self) -> None:
            super().finish()
            # It refers to this: with all that a connection has, it would wait for the garbage
            # collector, which looks at what was long in use once in a long while.
            self.environ = None

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
