"""Reads requests from a connection for an HTTP server: checked, and within a time."""

from __future__ import annotations

import contextlib
import io
import logging
import socket
import time
from collections import deque
from itertools import count
from typing import Any

from headway.throttled import ThrottledLogger
from headway.web.server.connection_limiter import Awaited, TrackedConnection
from headway.web.server.incoming import READ_BYTES, Incoming
from headway.web.server.request_head import (
    MAX_CHUNK_LINE_BYTES,
    MAX_LINE_BYTES,
    BadSyntax,
    ChunkLines,
    Head,
)
from headway.web.server.small_bodies import SECOND_BYTES, await_small_body

logger = ThrottledLogger(logging.getLogger(__name__))

SILENCE_SECONDS = 60  # for a client to begin its next request
LINGER_SECONDS = 1.0  # for a client to read why it is refused
LINGER_BYTES = 256 * 1024

_refused = count(1)  # requests of this process


class BadBody(ConnectionError):
    """A body is malformed or comes too slowly; Werkzeug answers 400."""


class RequestReader(io.IOBase):
    """The file that an HTTP server reads requests from, in the place of the connection's own.

    Call `begin` before each request. A bad head or small body is answered here, and the server
    finds the connection ended. Any other bad body raises BadBody where it is read.
    """

    def __init__(
        self, connection: Any, file: Any, seconds: float, tracked: TrackedConnection | None = None
    ) -> None:
        """`file` is the connection's own, `seconds` the time for a whole request.

        A body has another second for each SECOND_BYTES of it. `tracked` is the connection's among
        those of its address.
        """
        self._connection = connection
        self._file = file
        self._seconds = seconds
        self._incoming = Incoming(connection)
        self._tracked = tracked or TrackedConnection()
        self._tracked.ends_by(self._incoming.cut)
        self._lines: deque[bytes] = deque()  # checked, and not read yet
        self._left = 0  # bytes of the body, or of its chunk
        self._chunks: ChunkLines | None = None

    @property
    def raw(self) -> Any:
        """The connection's own file, by which simple-websocket finds the connection."""
        return self._file.raw

    def close(self) -> None:
        """Close the connection's own file too, which keeps the connection open."""
        self._file.close()
        super().close()

    def begin(self) -> None:
        """Wait for the next request, and check its head."""
        if self._left or (self._chunks and not self._chunks.is_complete):
            self._incoming.has_ended = True  # nobody knows where the next request begins
            return
        self._chunks = None
        if self._tracked.is_refused:
            self._refuse(BadSyntax("an address of too many", "429 Too Many Requests"))
            return
        self._incoming.wait_at_most(SILENCE_SECONDS)
        try:
            if not self._incoming.data:
                self._tracked.awaits(Awaited.REQUEST)
                if not self._incoming.receive():
                    return
            self._incoming.await_taken()
        except TimeoutError:
            self._incoming.has_ended = True
            return
        self._incoming.wait_at_most(self._seconds)
        self._tracked.awaits(Awaited.REST)
        try:
            self._take_head()
            self._note_end()
        except BadSyntax as bad:
            self._refuse(bad)
        except TimeoutError:
            self._refuse(BadSyntax("a request that came too slowly", "408 Request Timeout"))

    def readline(self, limit: int | None = -1) -> bytes:
        """Read a line of the head, of the chunks, or of the body."""
        self._check_chunk_line()
        if self._lines:
            return self._lines.popleft()
        size = self._left if limit is None or limit < 0 else min(limit, self._left)
        while True:
            end = self._incoming.data.find(b"\n", 0, size) + 1
            if end or len(self._incoming.data) >= size or not self._receive_body():
                return self._take(end or size)

    def read(self, size: int = -1) -> bytes:
        """Read so many bytes of the body, or all that is left of it, or of its chunk."""
        self._check_chunk_line()
        if self._lines:
            line = self._lines.popleft()
            if 0 <= size < len(line):
                self._lines.appendleft(line[size:])
                line = line[:size]
            return line
        size = self._left if size < 0 else min(size, self._left)
        while len(self._incoming.data) < size and self._receive_body():
            pass
        return self._take(size)

    def _take(self, size: int) -> bytes:
        data = self._incoming.take(size)
        self._left -= len(data)
        self._note_end()
        return data

    def _note_end(self) -> None:
        if not self._left and (self._chunks is None or self._chunks.is_complete):
            self._tracked.awaits(Awaited.NOTHING)

    def _take_head(self) -> None:
        head = Head()
        while line := self._incoming.take_line(MAX_LINE_BYTES, is_first=not head.lines):
            if head.add(line):
                break
        else:
            return
        await_small_body(self._incoming, head)
        self._lines.extend(head.lines)
        self._left = head.length
        self._chunks = ChunkLines() if head.is_chunked else None

    def _check_chunk_line(self) -> None:
        if self._lines or self._left or self._chunks is None or self._chunks.is_complete:
            return
        try:
            if line := self._incoming.take_line(MAX_CHUNK_LINE_BYTES):
                self._left = self._chunks.add(line)
                self._lines.append(line)
                self._note_end()
        except (BadSyntax, TimeoutError) as error:
            self._incoming.has_ended = True
            _count(error)
            raise BadBody(str(error)) from None

    def _receive_body(self) -> bool:
        before = len(self._incoming.data)
        try:
            has_come = self._incoming.receive()
        except TimeoutError as error:
            self._incoming.has_ended = True
            _count(error)
            raise BadBody("a body that came too slowly") from None
        self._incoming.wait_longer((len(self._incoming.data) - before) / SECOND_BYTES)
        return has_come

    def _refuse(self, bad: BadSyntax) -> None:
        """Answer a bad head, after which nothing is read."""
        self._incoming.has_ended = True
        self._incoming.data.clear()
        _count(bad)
        _answer(self._connection, bad.status)


def _count(error: Exception) -> None:
    reason = error if isinstance(error, BadSyntax) else "a body that came too slowly"
    logger.warning("%d bad requests so far; the last one had %s", next(_refused), reason)


def _answer(connection: Any, status: str) -> None:
    """Answer without a body, and leave the client a moment to read that."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    until = time.monotonic() + LINGER_SECONDS
    taken = 0
    with contextlib.suppress(OSError):
        connection.settimeout(LINGER_SECONDS)
        connection.sendall(head.encode())
        connection.shutdown(socket.SHUT_WR)
        # Closing a connection with unread data resets it: the answer would be lost.
        while taken < LINGER_BYTES and time.monotonic() < until:
            data = connection.recv(READ_BYTES)
            if not data:
                break
            taken += len(data)
