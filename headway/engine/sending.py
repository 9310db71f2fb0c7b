"""Sends frames to one client, and queues those that it does not take at once."""

from __future__ import annotations

import socket
import struct
from _thread import RLock  # which no async mode patches
from contextlib import suppress
from typing import Any

from headway.engine.backlog import Backlog
from headway.engine.events import Event
from headway.engine.frames import BINARY, encode_frame
from headway.engine.protocols import Engine

MAX_BACKLOG_BYTES = 512 * 1024  # beyond it a client is dropped


class FrameSender:
    """Sends frames to one client: what it takes at once, the rest as it takes more.

    Any thread may call it. Its state changes only under its lock, and nothing that blocks is done
    under that.
    """

    __slots__ = ("_answered", "_backlog", "_connection", "_engine", "_heard", "_lock", "closed")

    def __init__(self, engine: Engine, connection: socket.socket) -> None:
        self.closed = False
        self._lock = RLock()
        self._engine = engine
        self._connection = connection
        self._backlog: Backlog | None = None
        self._answered = 0  # bytes that went to this client alone
        self._heard = True  # whether the client has sent or taken anything since the last ping

    @property
    def fileno(self) -> int:
        return self._connection.fileno()

    @property
    def backlog_bytes(self) -> int:
        """How much is queued for the client."""
        backlog = self._backlog
        return backlog.size if backlog else 0

    def abort(self, reason: str) -> None:
        """Close a broken connection."""
        raise NotImplementedError

    def send(self, pkt: Any) -> None:
        """Send an Engine.IO packet; one that goes to many clients is encoded as a frame once."""
        data = getattr(pkt, "frame", None)
        if data is None:
            encoded = pkt.encode()
            data = encode_frame(encoded, BINARY) if pkt.binary else encode_frame(encoded.encode())
            pkt.frame = data
        with self._lock:
            self._answered += len(data)
            self.send_frame(data)

    def push(self, event: Event) -> None:
        """Send an event that goes to many clients."""
        self.send_frame(event.frame, event.key)

    def send_frame(self, data: bytes, key: str | None = None) -> None:
        """Send what the client takes at once; queue the rest, of each key only the newest."""
        with self._lock:
            if self.closed:
                return
            if self._backlog is None:
                sent = self._write(data)
                if sent == len(data) or self.closed:
                    return
                self._backlog = Backlog(data[sent:] if sent else b"")
                self._engine.loop.block(self)
                if sent:
                    return
            self._backlog.add(data, key)
            if self._backlog.size > MAX_BACKLOG_BYTES:
                self.drop()

    def send_on(self) -> None:
        """Send queued frames, as far as the client takes them."""
        with self._lock:
            while self._backlog and (data := self._backlog.next()):
                sent = self._write(data)
                if not sent:
                    return
                self._heard = True
                self._backlog.took(sent)
            self._backlog = None
            self._engine.loop.unblock(self)

    def _send_first(self, data: bytes) -> None:
        if self._backlog is None:
            self.send_frame(data)
        else:
            self._backlog.add_first(data)

    def _write(self, data: bytes) -> int:
        """Return how many bytes the kernel has taken; abort a connection that is broken."""
        try:
            return self._connection.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self.abort(self._engine.reason.TRANSPORT_ERROR)
            return 0

    def is_stalled(self, now: float) -> bool:
        """Whether the client has taken nothing for too long; called at each tick."""
        with self._lock:
            return self._backlog is not None and self._backlog.is_stalled(self.fileno, now)

    def drop(self) -> None:
        """Close the connection of a client with too long a backlog, or a stalled one.

        What the kernel's buffer holds for it is discarded too.
        """
        with self._lock:
            with suppress(OSError):
                self._connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
            self.abort(self._engine.reason.TRANSPORT_ERROR)
