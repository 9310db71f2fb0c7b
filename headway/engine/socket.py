"""The websocket of one client, in Engine.IO's terms."""

from __future__ import annotations

import logging
import socket
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from fcntl import ioctl
from termios import TIOCOUTQ
from typing import Any, Protocol

import socketio

from headway.engine.backlog import Backlog
from headway.engine.events import Event
from headway.engine.frames import (
    BINARY,
    CLOSE,
    NO_BINARY,
    NORMAL,
    NOT_A_MESSAGE,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    Reader,
    Violation,
    close_frame,
    frame,
)

logger = logging.getLogger(__name__)

UNREAD_BYTES = 64 * 1024  # of calls that wait; beyond it the client is not read on
READ_BYTES = 64 * 1024
MOST_BYTES = 512 * 1024  # that wait for one client
STUCK_SECONDS = 20.0  # a client that takes nothing for so long is dropped
PING_FRAME = frame(b"2")  # Engine.IO's own ping, not a websocket's
GOODBYE = frame(b"1")


class Timer(Protocol):
    """What pings sockets."""

    def join(self, socket: Socket) -> set[Socket]: ...


class Engine(Protocol):
    """The server of a socket."""

    IN: int
    OUT: int
    GONE: int
    clock: Timer
    handlers: dict[str, Callable[..., Any]]
    max_http_buffer_size: int
    reason: Any

    def attend(self, socket: Socket) -> None: ...
    def block(self, socket: Socket) -> None: ...
    def forget(self, socket: Socket) -> None: ...
    def has_work(self, socket: Socket) -> None: ...
    def ignore(self, socket: Socket) -> None: ...
    def linger(self, socket: Socket) -> None: ...
    def unblock(self, socket: Socket) -> None: ...


class Socket:
    """The websocket of one client, in Engine.IO's terms. Nothing in here waits for anything."""

    __slots__ = (
        "_backlog",
        "_connection",
        "_engine",
        "_environ",
        "_heard",
        "_inbox",
        "_reader",
        "_slot",
        "_unread",
        "closed",
        "session",
        "sid",
    )

    # What Engine.IO asks of a socket: there is no polling before the websocket.
    connected = upgraded = True

    def __init__(self, engine: Engine, sid: str, connection: socket.socket, environ: dict[str, Any]) -> None:
        self.sid = sid
        self.session: dict[str, Any] = {}
        self.closed = False
        self._engine = engine
        self._connection = connection
        self._environ = environ
        self._reader = Reader(engine.max_http_buffer_size)
        self._backlog: Backlog | None = None
        self._inbox: deque[tuple[str, str]] | None = None  # None: nothing waits, and nothing is being handled
        self._unread = 0  # bytes in there
        self._heard = True  # since the last ping
        self._slot = engine.clock.join(self)

    @property
    def fileno(self) -> int:
        return self._connection.fileno()

    @property
    def interest(self) -> Any:
        """What has to be waited for, as epoll's flags."""
        if self.closed:
            return self._engine.GONE
        return (self._engine.IN if self._unread <= UNREAD_BYTES else 0) | (self._engine.OUT if self._backlog else 0)

    # Sending

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
        if self._backlog.size > MOST_BYTES:
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

    # Receiving

    def receive(self) -> None:
        """Take in what the client has sent."""
        if self.closed:
            return self.release()  # it is gone
        try:
            data = self._connection.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._heard = True
            self._take(data)
        else:
            self.abort(self._engine.reason.TRANSPORT_CLOSE)

    def _take(self, data: bytes) -> None:
        try:
            for opcode, payload in self._reader.feed(data):
                if opcode == TEXT:
                    self._take_packet(payload)
                elif opcode == PING:
                    self._send_first(frame(payload, PONG))
                elif opcode == CLOSE:
                    self._take_leave(payload)
                elif opcode != PONG:
                    raise Violation(PROTOCOL_ERROR)
                if self.closed:
                    return
        except Violation as violation:
            self.end(violation.code, self._engine.reason.TRANSPORT_ERROR)

    def _take_packet(self, payload: bytes) -> None:
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            raise Violation(NOT_A_MESSAGE) from None
        kind = text[:1]
        if kind == "4":
            if text[1:2] in ("5", "6"):
                raise Violation(NO_BINARY)  # Socket.IO's announcement of binary frames, which would be waited for
            self._post("message", text[1:])
        elif kind == "1":
            self.end(NORMAL, self._engine.reason.CLIENT_DISCONNECT)
        elif kind != "3":
            raise Violation(NOT_A_MESSAGE)

    def _take_leave(self, payload: bytes) -> None:
        if len(payload) == 1:
            raise Violation(PROTOCOL_ERROR)
        if payload:
            code = int.from_bytes(payload[:2])
            if not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
                raise Violation(PROTOCOL_ERROR)
            try:
                payload[2:].decode()
            except UnicodeDecodeError:
                raise Violation(NOT_A_MESSAGE) from None
        if self._backlog is None:
            self._write(frame(payload[:2], CLOSE))
        self.abort(self._engine.reason.TRANSPORT_CLOSE)

    # Handling: one message at a time, in their order, and last that the socket is gone

    def _post(self, event: str, data: str) -> None:
        if self._inbox is None:
            self._inbox = deque()
            self._engine.has_work(self)
        self._inbox.append((event, data))
        self._unread += len(data)
        if self._unread > UNREAD_BYTES >= self._unread - len(data):
            self._engine.attend(self)

    def work(self) -> bool:
        """Handle what has waited longest; return whether more waits."""
        assert self._inbox
        event, data = self._inbox.popleft()
        try:
            self._engine.handlers[event](self.sid, data)
        except Exception:
            if event == "message" and not _is_sound(data):
                self.end(NOT_A_MESSAGE, self._engine.reason.TRANSPORT_ERROR)
            else:
                logger.exception("A socket's %s could not be handled", event)
        self._environ.pop("werkzeug.request", None)  # which a request context leaves there
        self._unread -= len(data)
        if self._unread <= UNREAD_BYTES < self._unread + len(data):
            self._engine.attend(self)
        if not self._inbox:
            self._inbox = None
        return self._inbox is not None

    # Living and ending

    def ping(self) -> None:
        self._heard = False
        self._send_first(PING_FRAME)

    def judge(self) -> None:
        """Give up a client that has not answered the last ping, nor anything else since."""
        if self._heard or self._backlog or self._unread > UNREAD_BYTES:
            return  # one that does not take what is sent is judged by that, one that is not read by nothing
        self.receive()  # it may have answered while this process was busy
        if not self._heard:
            self.abort(self._engine.reason.PING_TIMEOUT)

    def is_stuck(self, now: float) -> bool:
        """Whether the client has taken nothing for too long; asked at each tick while something waits."""
        if self._backlog is None:
            return False
        held = ioctl(self.fileno, TIOCOUTQ, bytes(4))
        if held != self._backlog.held:  # the client's kernel has taken some of what ours holds
            self._backlog.held, self._backlog.since = held, now
        return now - self._backlog.since > STUCK_SECONDS

    def drop(self) -> None:
        """Give up a client that does not take what is sent; what lies in the kernel for it is given up too."""
        with suppress(OSError):
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.abort(self._engine.reason.TRANSPORT_ERROR)

    def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """Close as Engine.IO does: with a goodbye of its own."""
        if not abort:
            self._send_first(GOODBYE)
        self.end(NORMAL, reason or self._engine.reason.SERVER_DISCONNECT)

    def end(self, code: int, reason: str) -> None:
        """Close, and leave the client a moment to read why; what it sends from now on is not read."""
        if not self.closed and self._backlog is None:
            self._write(close_frame(code))
        if self.closed:
            return
        self._part(reason)
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
        self._engine.linger(self)

    def abort(self, reason: str) -> None:
        """Close without a word."""
        if not self.closed:
            self._part(reason)
            self.release()

    def release(self) -> None:
        """Let go of the connection."""
        if self.fileno >= 0:
            self._engine.ignore(self)
            self._connection.close()

    def _part(self, reason: str) -> None:
        self.closed = True
        self._backlog = None
        self._slot.discard(self)
        self._engine.forget(self)
        while self._inbox:
            self._unread -= len(self._inbox.pop()[1])
        self._post("disconnect", reason)


def _is_sound(text: str) -> bool:
    """Whether a message is a packet that Socket.IO can handle."""
    try:
        found = socketio.packet.Packet(encoded_packet=text)
    except Exception:  # of many kinds; the JSON decoder's RecursionError is one
        return False
    is_event = found.packet_type == socketio.packet.EVENT
    return not is_event or (isinstance(found.data, list) and bool(found.data) and isinstance(found.data[0], str))
