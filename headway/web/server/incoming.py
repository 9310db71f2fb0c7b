"""Receives what arrives on a connection, until a deadline."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from headway.web.server.request_head import BadSyntax

READ_BYTES = 16 * 1024
# Data that has arrived is read even after the deadline.
MIN_WAIT_SECONDS = 0.05


class Incoming:
    """The bytes of a connection that have arrived and are not taken yet."""

    def __init__(self, connection: Any) -> None:
        self.data = bytearray()
        self.has_ended = False  # set it to receive no more
        self._connection = connection
        self._deadline = 0.0

    def wait_at_most(self, seconds: float) -> None:
        """Set the deadline."""
        self._deadline = time.monotonic() + seconds

    def wait_longer(self, seconds: float) -> None:
        """Put the deadline off."""
        self._deadline += seconds

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
        self.data += data
        self.has_ended = not data
        return bool(data)

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
