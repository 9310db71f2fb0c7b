"""The way out to one client: frames that go at once, and those that have to wait for it."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from typing import Any

from headway.engine.backlog import Backlog
from headway.engine.events import Event
from headway.engine.frames import BINARY, frame
from headway.engine.protocols import Engine

MAX_BACKLOG_BYTES = 512 * 1024  # that wait for one client


class FrameSender:
    """Sends frames to one client: at once what it takes, the rest when it takes more."""

    __slots__ = ("_backlog", "_connection", "_engine", "_heard", "closed")

    def __init__(self, engine: Engine, connection: socket.socket) -> None:
        self.closed = False
        self._engine = engine
        self._connection = connection
        self._backlog: Backlog | None = None
        self._heard = True  # of the client, since the last ping

    @property
    def fileno(self) -> int:
        return self._connection.fileno()

    def abort(self, reason: str) -> None:
        """Give up a connection that is broken."""
        raise NotImplementedError

    def send(self, pkt: Any) -> None:
        """Send an Engine.IO packet; one that goes to many is made a frame once."""
        data = getattr(pkt, "frame", None)
        if data is None:
            encoded = pkt.encode()
            data = pkt.frame = frame(encoded, BINARY) if pkt.binary else frame(encoded.encode())
        self.send_frame(data)

    def push(self, event: Event) -> None:
        """Send an event that goes to many."""
        self.send_frame(event.frame, event.key)

    def send_frame(self, data: bytes, key: str | None = None) -> None:
        """Send at once what the client takes; the rest waits, of each key the newest."""
        if self.closed:
            return
        if self._backlog is None:
            sent = self._write(data)
            if sent == len(data) or self.closed:
                return
            self._backlog = Backlog(data[sent:] if sent else b"")
            self._engine.block(self)
            if sent:
                return
        self._backlog.add(data, key)
        if self._backlog.size > MAX_BACKLOG_BYTES:
            self.drop()

    def send_on(self) -> None:
        """Send what waits, as far as the client takes it."""
        while self._backlog and (data := self._backlog.next()):
            sent = self._write(data)
            if not sent:
                return
            self._heard = True
            self._backlog.took(sent)
        self._backlog = None
        self._engine.unblock(self)

    def _send_first(self, data: bytes) -> None:
        if self._backlog is None:
            self.send_frame(data)
        else:
            self._backlog.add_first(data)

    def _write(self, data: bytes) -> int:
        """Return how much of it the kernel takes; a connection that is broken is given up."""
        try:
            return self._connection.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self.abort(self._engine.reason.TRANSPORT_ERROR)
            return 0

    def is_stalled(self, now: float) -> bool:
        """Whether the client has taken nothing for too long.

        Asked at each tick while something waits.
        """
        return self._backlog is not None and self._backlog.is_stalled(self.fileno, now)

    def drop(self) -> None:
        """Give up a client that does not take what is sent.

        What lies in the kernel for it is given up too.
        """
        with suppress(OSError):
            self._connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        self.abort(self._engine.reason.TRANSPORT_ERROR)
