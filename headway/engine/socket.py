"""The websocket of one client, in Engine.IO's terms."""

from __future__ import annotations

import socket
from typing import Any

from headway.engine.connection import Connection
from headway.engine.frames import (
    NORMAL,
    NOT_A_MESSAGE,
    PING,
    PONG,
    FrameParser,
    ProtocolError,
    encode_frame,
)
from headway.engine.inbox import Inbox
from headway.engine.packets import ANSWER, GOODBYE, MESSAGE, read_packets
from headway.engine.protocols import Engine
from headway.engine.shares import Share

PING_FRAME = encode_frame(b"2")  # Engine.IO's own ping, not a websocket's
GOODBYE_FRAME = encode_frame(b"1")


class Socket(Connection):
    """The websocket of one client, in Engine.IO's terms. Only `work` may block.

    Any thread may send to it or end it; `work` is called by one at a time.
    """

    __slots__ = ("_inbox", "_parser", "_slot", "session", "sid")

    # Engine.IO reads these: there is no polling before the websocket.
    connected = upgraded = True

    def __init__(
        self,
        engine: Engine,
        sid: str,
        connection: socket.socket,
        environ: dict[str, Any],
        share: Share,
    ) -> None:
        super().__init__(engine, connection)
        self.sid = sid
        self.session: dict[str, Any] = {}
        self._parser = FrameParser(engine.max_http_buffer_size)
        self._inbox = Inbox(environ, share)
        self._slot = engine.loop.clock.join(self)

    @property
    def interest(self) -> Any:
        """The epoll flags to watch the connection for, under its lock."""
        if self.closed:
            return self._engine.loop.GONE
        return (0 if self._inbox.is_full else self._engine.loop.IN) | (
            self._engine.loop.OUT if self._backlog else 0
        )

    @property
    def is_greedy(self) -> bool:
        """Whether the client has asked for more than its share."""
        return self._inbox.is_greedy

    def open(self, head: bytes) -> None:
        """Send the head of the websocket's stream, and read the connection from now on."""
        with self._lock:  # nobody else sends before
            try:
                self._engine.enter(self)
            except OSError:  # epoll watches as many as the system allows
                return self.abort(self._engine.reason.TRANSPORT_ERROR)
            self.send_frame(head)

    def receive(self) -> None:
        """Read and queue what the client has sent; from a closed connection nothing is read."""
        with self._lock:
            data = None if self.closed else self._read()
            if data is None:
                return
            if not data:
                return self.abort(self._engine.reason.TRANSPORT_CLOSE)
            # An idle client sends only this, once for each ping: it need not count for its limits.
            answers = not self._heard and self._parser.is_one_byte(data, ANSWER[0])
            self._heard = True
            if not answers:
                self._take(data)

    def _take(self, data: bytes) -> None:
        try:
            for kind, payload in read_packets(self._parser, data):
                if kind == MESSAGE:
                    self._post("message", payload.decode())
                elif kind == PING:
                    self._send_first(encode_frame(payload, PONG))
                elif kind == GOODBYE:
                    self.end(NORMAL, self._engine.reason.CLIENT_DISCONNECT)
                else:
                    self.answer_close(payload)
                if self.closed:
                    return
        except ProtocolError as error:
            self.end(error.code, self._engine.reason.TRANSPORT_ERROR)

    # Handling

    def _post(self, event: str, data: str) -> None:
        was_full = self._inbox.is_full
        if self._inbox.add(event, data):
            self._engine.has_work(self)
        if self._inbox.is_full and not was_full:
            self._engine.loop.update_interest(self)

    def work(self) -> bool:
        """Handle the oldest message; return whether more wait that can be handled.

        A client's messages wait while it has not taken the answers to earlier ones.
        """
        with self._lock:
            event, data = self._inbox.next()
            answered = self._answered
        if not self._inbox.handle(self._engine.handlers, self.sid, event, data):
            self.end(NOT_A_MESSAGE, self._engine.reason.TRANSPORT_ERROR)
        with self._lock:
            was_full = self._inbox.is_full
            has_more = self._inbox.handled(data, self._answered - answered)
            if was_full and not self._inbox.is_full:
                self._engine.loop.update_interest(self)
            if has_more and self._backlog:
                self._inbox.pause()
                return False
            return has_more

    def resume(self) -> None:
        """Go on with the messages that waited for the client to take its answers."""
        if self._inbox.resume():
            self._engine.has_work(self)

    # Pings and the end

    def ping(self) -> None:
        with self._lock:
            self._heard = False
            self._send_first(PING_FRAME)

    def check_timeout(self) -> None:
        """Close the connection of a client that has shown no sign of life since the last ping.

        A client with a backlog is left to the stall check, and one whose reading is paused cannot
        answer.
        """
        if self._heard:  # nearly all, so without their locks
            return
        with self._lock:
            if self._backlog or self._inbox.is_full:
                return
            self.receive()  # it may have answered while this process was busy
            if not self._heard:
                self.abort(self._engine.reason.PING_TIMEOUT)

    def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """Close as Engine.IO does: with its own close packet first."""
        with self._lock:
            if not abort:
                self._send_first(GOODBYE_FRAME)
            self.end(NORMAL, reason or self._engine.reason.SERVER_DISCONNECT)

    def on_end(self, reason: str) -> None:
        self._slot.discard(self)
        self._engine.forget(self)
        self._inbox.clear()
        self._post("disconnect", reason)
        self.resume()
