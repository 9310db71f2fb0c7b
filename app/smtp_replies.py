"""Reads an SMTP server's replies: each within a time, and of no more than so many bytes.

smtplib limits a line, and the wait for its next byte: a reply that goes on, line by line or byte by
byte, would be read for ever and kept whole.
"""

from __future__ import annotations

import socket
import time

MAX_REPLY_BYTES = 64 * 1024  # RFC 5321 asks for 512 a line
READ_BYTES = 4096


class ReplyTooLong(OSError):
    """A reply is not at its end after MAX_REPLY_BYTES."""

    def __init__(self) -> None:
        super().__init__("its reply does not end")


class ReplyReader:
    """The file that smtplib reads replies from. Call `begin` before each reply."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._data = b""
        self._left = 0
        self._until = 0.0
        self._seconds: float | None = None

    def begin(self) -> None:
        """Give the next reply the connection's time limit, and so many bytes."""
        self._seconds = self._connection.gettimeout()
        self._left = MAX_REPLY_BYTES
        self._until = time.monotonic() + (self._seconds or 0.0)

    def readline(self, limit: int) -> bytes:
        """Return a line, or what has come of it at its limit, or at the connection's end.

        Raises ReplyTooLong, TimeoutError.
        """
        while not (end := self._data.find(b"\n", 0, limit) + 1) and len(self._data) < limit:
            data = self._receive()
            if not data:
                break
            self._data += data
        end = end or min(limit, len(self._data))
        self._left -= end
        if self._left < 0:
            raise ReplyTooLong
        line, self._data = self._data[:end], self._data[end:]
        return line

    def close(self) -> None:
        """Forget what has come; smtplib closes the connection itself."""
        self._data = b""

    def _receive(self) -> bytes:
        if self._seconds is not None:
            seconds = self._until - time.monotonic()
            if seconds <= 0:
                raise TimeoutError
            self._connection.settimeout(seconds)
        try:
            return self._connection.recv(READ_BYTES)
        finally:
            self._connection.settimeout(self._seconds)
