"""The connection of one client: closing it gracefully, aborting it, releasing it."""

from __future__ import annotations

import socket
from contextlib import suppress

from headway.engine.frames import CLOSE, close_frame, encode_frame
from headway.engine.sending import FrameSender

READ_BYTES = 4096  # per read; the answer to a ping has 7


class Connection(FrameSender):
    """The connection of one client, until it has been released."""

    __slots__ = ()

    def on_end(self, reason: str) -> None:
        """Clean up, once, under the lock: nothing more is sent or read."""
        raise NotImplementedError

    def end(self, code: int, reason: str) -> None:
        """Close with this close code, and give the client a moment to read it.

        What the client sends from now on is not read.
        """
        with self._lock:
            if not self.closed and self._backlog is None:
                self._write(close_frame(code))
            if self.closed:
                return
            self._mark_closed(reason)
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_WR)
            self._engine.loop.linger(self)

    def _read(self) -> bytes | None:
        """Return what has arrived, b"" at the connection's end, None for nothing."""
        try:
            return self._connection.recv(READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def answer_close(self, code: bytes) -> None:
        """Close as the client does, with the code that it sent."""
        if self._backlog is None:
            self._write(encode_frame(code, CLOSE))
        self.abort(self._engine.reason.TRANSPORT_CLOSE)

    def abort(self, reason: str) -> None:
        """Close at once, without a close frame."""
        with self._lock:
            if not self.closed:
                self._mark_closed(reason)
                self.release()

    def release(self) -> None:
        """Close the connection itself and stop watching it."""
        with self._lock:
            if self.fileno >= 0:
                self._engine.loop.unregister(self)
                self._connection.close()

    def _mark_closed(self, reason: str) -> None:
        self.closed = True
        self._backlog = None
        self.on_end(reason)
