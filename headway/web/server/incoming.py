"""Receives what arrives on a connection, until a deadline."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

from headway import tcp
from headway.web.server.request_head import BadSyntax

READ_BYTES = 16 * 1024
# Data that has arrived is read even after the deadline.
MIN_WAIT_SECONDS = 0.05
# Between two looks at what a client has taken: the first, each later one twice that, and the most.
LOOK_SECONDS = 0.005
MAX_LOOK_SECONDS = 0.2


class Incoming:
    """The bytes of a connection that have arrived and are not taken yet."""

    def __init__(self, connection: Any) -> None:
        self.data = bytearray()
        self.has_ended = False  # set it to receive no more
        self._connection = connection
        self._deadline = 0.0
        self._is_cut = False

    def wait_at_most(self, seconds: float) -> None:
        """Set the deadline."""
        self._deadline = time.monotonic() + seconds

    def wait_longer(self, seconds: float) -> None:
        """Put the deadline off."""
        self._deadline += seconds

    def cut(self) -> None:
        """Have who waits, or will, see that the time is over."""
        self._is_cut = True
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RD)

    def receive(self) -> bool:
        """Wait for data; return False at the end of the connection. Raises TimeoutError."""
        if self.has_ended:
            return False
        seconds = max(self._deadline - time.monotonic(), MIN_WAIT_SECONDS)
        try:
            data = _receive(self._connection, seconds)
        except TimeoutError:
            raise
        except OSError:
            data = b""
        if self._is_cut and not data:
            raise TimeoutError
        self.data += data
        self.has_ended = not data
        return bool(data)

    def await_taken(self) -> None:
        """Wait until the client has taken what was sent to it. Raises TimeoutError.

        For a client that asks on and takes no answers none are made: the kernel's buffer, which
        they go into, has room for megabytes.
        """
        pause = LOOK_SECONDS
        while tcp.untaken(self._connection.fileno()) != tcp.NO_BYTES:
            is_over = self._is_cut or tcp.is_over(self._connection)
            if is_over or time.monotonic() > self._deadline:
                raise TimeoutError
            time.sleep(pause)
            pause = min(2 * pause, MAX_LOOK_SECONDS)

    def take(self, size: int) -> bytes:
        """Return so many bytes, or fewer where fewer have arrived."""
        taken = bytes(self.data[:size])
        del self.data[:size]
        return taken

    def take_line(self, limit: int, *, is_first: bool = False) -> bytes:
        """Return the next line, b"" at the end of the connection.

        Raises BadSyntax for a longer one, TimeoutError.
        """
        begin = 0
        while not (end := self.data.find(b"\n", begin, limit) + 1):
            if len(self.data) >= limit:
                status = "414 URI Too Long" if is_first else "400 Bad Request"
                raise BadSyntax("a line that is too long", status)
            begin = len(self.data)
            if not self.receive():
                return b""
        return self.take(end)


def _receive(connection: Any, seconds: float) -> bytes:
    """Wait so long for data; b"" is the end of the connection. Raises OSError."""
    before = connection.gettimeout()
    connection.settimeout(seconds)
    try:
        data: bytes = connection.recv(READ_BYTES)
        return data
    finally:
        with contextlib.suppress(OSError):
            connection.settimeout(before)
