"""Engine.IO for many websockets: an idle one costs a few kilobytes, an event one system call for each viewer.

The only file that reaches into Engine.IO. Under eventlet a websocket is taken out of the web server's hands after its
handshake: one epoll finds what can be read, one clock pings all, a few greenlets handle calls. The other modes keep
Engine.IO's own sockets, with a thread or greenlet each.
"""

from __future__ import annotations

import io
import logging
import os
import resource
import socket
import struct
import sys
import time
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from fcntl import ioctl
from functools import partial
from hashlib import sha1
from termios import TIOCOUTQ
from typing import Any

import engineio
import socketio
from engineio import packet
from engineio.exceptions import SocketIsClosedError

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
    Credit,
    Reader,
    Violation,
    close_frame,
    frame,
)

logger = logging.getLogger(__name__)

# Whether a handshake, by its environ, comes from another site's page.
Refuses = Callable[[dict[str, Any]], bool]

UNREAD_BYTES = 64 * 1024  # of calls that wait; beyond it the client is not read on
READ_BYTES = 64 * 1024
KERNEL_BYTES = 64 * 1024  # of a connection, each way: what lies there can no longer be replaced by newer
LINE_BYTES = 64 * 1024  # of log lines that wait for one client; beyond it the oldest go
MOST_BYTES = 512 * 1024  # that wait for one client
STUCK_SECONDS = 20.0  # a client that takes nothing for so long is dropped
LINGER_SECONDS = 2.0  # for a client to read why it is closed
TICKS = 2  # in a second: each wakes the process
AT_ONCE = 256  # sockets served before others have their turn
WORKERS = 64  # calls at a time; Redis has connections for as many
TURN_SECONDS = 0.005  # of handling calls, before others have their turn
MOST_WAITING = 2000  # sockets whose calls wait; beyond it a newcomer is asked to come later
SPARE_FILES = 200
RETRY_AFTER_SECONDS = 1

VERSION = "13"
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"
)
# Of a handshake's environ, which is kept as long as its socket, what nobody asks for later.
PASSING = ("eventlet.", "HTTP_SEC_WEBSOCKET_", "HTTP_ACCEPT_", "HTTP_UPGRADE", "HTTP_CONNECTION", "RAW_", "headers_raw")
OF_ONE_CLIENT = ("HTTP_COOKIE", "HTTP_AUTHORIZATION", "QUERY_STRING", "REMOTE_PORT")
NO_BODY = io.BytesIO()


PING_FRAME = frame(b"2")  # Engine.IO's own ping, not a websocket's
GOODBYE = frame(b"1")


class Event:
    """What goes to many clients: encoded once for all of them."""

    LINES = "lines"  # the key of log lines: all are kept, as far as there is room

    __slots__ = ("_packet", "frame", "key", "text")

    def __init__(self, text: bytes, key: str | None = None) -> None:
        """`text` is a Socket.IO packet. Of those that wait for a client with one `key` only the newest is sent."""
        self.text = text
        self.key = key
        self.frame = frame(b"4" + text)
        self._packet: Any = None

    @property
    def packet(self) -> Any:
        """The same for Engine.IO's own sockets."""
        if self._packet is None:
            self._packet = packet.Packet(packet.MESSAGE, self.text.decode())
        return self._packet


class Backlog:
    """What waits for a client that does not take it: of each key the newest, where the first of them stood."""

    __slots__ = ("_line_bytes", "_lines", "_rest", "_serial", "_waiting", "held", "since", "size")

    def __init__(self, rest: bytes) -> None:
        self._rest = rest  # of a frame that was sent in part: nothing may come between
        self._waiting: dict[str | int, bytes] = {}
        self._serial = 0
        self._lines: deque[int] = deque()
        self._line_bytes = 0
        self.size = len(rest)
        self.since = time.monotonic()  # when the client last took something
        self.held = b""  # how much the kernel held then

    def add(self, data: bytes, key: str | None) -> None:
        """Have a frame wait; one of a key takes the place of what waits with it."""
        if key is None or key == Event.LINES:
            self._serial += 1
            self._waiting[self._serial] = data
            self.size += len(data)
            if key:
                self._keep_lines(len(data))
        else:
            self.size += len(data) - len(self._waiting.get(key, b""))
            self._waiting[key] = data

    def add_first(self, data: bytes) -> None:
        """Have a ping, or the answer to one, overtake the rest; one at a time."""
        if 0 not in self._waiting:
            self._waiting = {0: data, **self._waiting}
            self.size += len(data)

    def next(self) -> bytes:
        """Return what has to be sent next, b"" for nothing; tell `took` how much of it was."""
        if not self._rest and self._waiting:
            key = next(iter(self._waiting))
            self._rest = self._waiting.pop(key)
            if self._lines and self._lines[0] == key:
                self._lines.popleft()
                self._line_bytes -= len(self._rest)
        return self._rest

    def took(self, sent: int) -> None:
        self._rest = self._rest[sent:]
        self.size -= sent
        self.since = time.monotonic()

    def _keep_lines(self, added: int) -> None:
        """Forget the oldest lines where there is no room: by the newest, which comes, the client sees the gap."""
        self._lines.append(self._serial)
        self._line_bytes += added
        while self._line_bytes > LINE_BYTES and len(self._lines) > 1:
            dropped = len(self._waiting.pop(self._lines.popleft()))
            self._line_bytes -= dropped
            self.size -= dropped


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

    def __init__(self, engine: LeanEngine, sid: str, connection: socket.socket, environ: dict[str, Any]) -> None:
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


class Clock:
    """Pings each socket once in an interval, and judges it some time later; they are spread over the interval."""

    def __init__(self, interval: float, timeout: float) -> None:
        if not 0 < timeout < interval:
            raise ValueError("The time-out of a ping must be shorter than the interval.")
        self._slots: list[set[Socket]] = [set() for _ in range(round(interval * TICKS))]
        self._timeout = round(timeout * TICKS)
        self._now = 0

    def join(self, socket: Socket) -> set[Socket]:
        """Return the slot of a new socket: it leaves the slot when it ends."""
        slot = self._slots[self._now]
        slot.add(socket)
        return slot

    def tick(self) -> None:
        """Do what is due. One tick at a time, however late: clients get the time to answer that they were told of."""
        self._now = (self._now + 1) % len(self._slots)
        for asked in tuple(self._slots[self._now]):
            asked.ping()
        for due in tuple(self._slots[self._now - self._timeout]):
            due.judge()


class StockEngine(engineio.Server):
    """Engine.IO's own server and sockets, closed as Headway closes them."""

    def __init__(self, most_sockets: int, refuses: Refuses, **options: Any) -> None:
        super().__init__(**options)
        self._most = most_sockets
        self._refuses = refuses
        self._open: dict[str, Any] = {}
        self._credits: dict[str, Credit] = {}
        self._async: dict[str, Any] = {**self._async, "websocket": partial(self._accept, self._async["websocket"])}

    def pusher(self, sid: str) -> Callable[[Event], None]:
        """Return what sends an event to a socket, or nothing once that has ended."""

        def push(event: Event) -> None:
            with suppress(SocketIsClosedError):  # just now; the others get it
                self.send_packet(sid, event.packet)

        return push

    @contextmanager
    def reading(self, connection: Any) -> Iterator[Callable[[int], bytes]]:
        """Give what reads from a connection."""
        yield connection.recv

    def end(self, code: int, sids: Iterable[str] | None = None) -> None:
        """Close these websockets, or all, with this code. A client that does not read it loses its connection too."""
        for sid in tuple(self._open) if sids is None else sids:
            if connection := self._open.get(sid):
                with suppress(OSError):
                    connection.setblocking(False)
                    connection.send(close_frame(code))
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _handle_connect(self, environ: dict[str, Any], *args: Any) -> Any:
        if self._refuses(environ):
            return _cross_site()
        return _too_busy() if len(self.sockets) >= self._most else super()._handle_connect(environ, *args)

    def _trigger_event(self, event: str, sid: str, *args: Any, **options: Any) -> Any:
        if event == "message":
            try:
                self._credits.setdefault(sid, Credit()).spend()
            except Violation as violation:
                return self.end(violation.code, [sid])
        elif event == "disconnect":
            self._credits.pop(sid, None)
        return super()._trigger_event(event, sid, *args, **options)

    def _accept(self, accept: Callable[..., Any], handler: Any, engineio: Any) -> Any:
        """Stand in for the driver's own way to make the WSGI app of a websocket."""
        sid = handler.__self__.sid

        def handle(websocket: Any) -> Any:
            self._open[sid] = self._connection_of(websocket)
            try:
                return handler(websocket)
            finally:
                del self._open[sid]

        return accept(handle, engineio)

    def _connection_of(self, websocket: Any) -> Any:
        """Return the socket below, which from now on fails when its client is silent or does not read for too long."""
        if hasattr(websocket, "socket"):
            return websocket.socket  # Engine.IO sets the limit
        connection, seconds = websocket.ws.sock, self.ping_interval + self.ping_timeout
        if os.get_blocking(connection.fileno()):
            limit = struct.pack("@ll", int(seconds), 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        else:
            connection.settimeout(seconds)
        return connection


class LeanEngine(engineio.Server):
    """Engine.IO's server for eventlet, with sockets that need no greenlet."""

    def __init__(self, most_sockets: int, refuses: Refuses, **options: Any) -> None:
        super().__init__(**options)
        # In here, because the other modes, and workers, go without it.
        from eventlet import getcurrent, hubs, patcher, wsgi

        self._hub, self._getcurrent = hubs.get_hub, getcurrent
        self._web_server = wsgi.WSGI_LOCAL
        self._select = patcher.original("select")
        self.IN, self.OUT, self.GONE = self._select.EPOLLIN, self._select.EPOLLOUT, self._select.EPOLLRDHUP
        self.clock = Clock(self.ping_interval, self.ping_timeout)
        self._most = most_sockets
        self._refuses = refuses
        self._epoll: Any = None
        self._by_fd: dict[int, Socket] = {}
        self._blocked: set[Socket] = set()
        self._leaving: deque[tuple[float, Socket]] = deque()
        self._with_work: deque[Socket] = deque()
        self._workers = 0
        self._starting = False  # whether one of them has not begun yet

    def pusher(self, sid: str) -> Callable[[Event], None]:
        """Return what sends an event to a socket, or nothing once that has ended."""
        socket = self.sockets.get(sid)
        return socket.push if socket else lambda event: None

    def end(self, code: int, sids: Iterable[str] | None = None) -> None:
        """Close these websockets, or all, with this code."""
        for sid in tuple(self.sockets) if sids is None else sids:
            if socket := self.sockets.get(sid):
                socket.end(code, self.reason.SERVER_DISCONNECT)

    @contextmanager
    def reading(self, connection: Any) -> Iterator[Callable[[int], bytes]]:
        """Yield a function that reads from a connection as its `recv` does.

        Waiting is prepared once, not at each read: to wake up costs more than to read. What comes
        while the process is busy is read together; a pause to gather more would cost each report
        that pause.
        """
        if hasattr(connection, "pending"):  # TLS holds back what it has read; whether a file is readable says little
            yield connection.recv
            return
        wait, stop = self._wait_at(connection.fileno())

        def receive(size: int) -> bytes:
            while True:
                wait()
                with suppress(BlockingIOError):
                    data: bytes = connection.fd.recv(size)
                    return data

        try:
            yield receive
        finally:
            stop()

    # The handshake

    def _handle_connect(self, environ: dict[str, Any], *_: Any) -> Any:
        if self._refuses(environ):
            return _cross_site()
        if self._is_full(environ) or len(self._with_work) > MOST_WAITING:
            return _too_busy()
        key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "")
        if not _is_handshake(environ, key):
            refusal = self._bad_request("Not a handshake of a websocket.")
            return {**refusal, "headers": [*refusal["headers"], ("Sec-WebSocket-Version", VERSION)]}
        self._start()
        sid = self.generate_id()
        kept = _kept(environ)
        if self._trigger_event("connect", sid, kept, run_async=False) is False:
            return self._unauthorized()
        socket = Socket(self, sid, self._take_over(environ), kept)
        self.sockets[sid] = socket
        self._by_fd[socket.fileno] = socket
        self._epoll.register(socket.fileno, self.IN)
        accept = b64encode(sha1(key.encode() + GUID).digest())
        socket.send_frame(SWITCHING % accept + self._opening(sid))
        return []

    def _is_full(self, environ: dict[str, Any]) -> bool:
        """Whether there is no place for one more socket. Some files are left to requests, so that these go on."""
        most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return (
            len(self.sockets) >= self._most
            or environ["eventlet.input"].get_socket().fileno() >= most_files - SPARE_FILES
        )

    def _take_over(self, environ: dict[str, Any]) -> Any:
        """Take the connection out of the web server's hands, which is left with nothing to close."""
        theirs = environ["eventlet.input"].get_socket().fd
        self._web_server.already_handled = True
        ours = type(theirs)(fileno=theirs.detach())
        ours.setblocking(False)
        with suppress(OSError):  # of a connection that is broken already
            ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)
        return ours

    def _opening(self, sid: str) -> bytes:
        timeout, interval = int(self.ping_timeout * 1000), int(self.ping_interval * 1000)
        return frame(
            f'0{{"sid":"{sid}","upgrades":[],"pingTimeout":{timeout},"pingInterval":{interval},'
            f'"maxPayload":{self.max_http_buffer_size}}}'.encode()
        )

    # What goes on in the background

    def _start(self) -> None:
        if self._epoll is None:
            self._epoll = self._select.epoll()
            self.start_background_task(self._serve_for_ever)
            self.start_background_task(self._tick_for_ever)

    def _serve_for_ever(self) -> None:
        # Once and for all: to add an epoll to another costs by what is in it.
        wait, _ = self._wait_at(self._epoll.fileno())
        while True:
            wait()
            ready = self._epoll.poll(0, AT_ONCE)
            for fd, what in ready:
                if socket := self._by_fd.get(fd):
                    self._serve(socket, what)
            if len(ready) == AT_ONCE:
                self.sleep(0)

    def _serve(self, socket: Socket, what: int) -> None:
        try:
            if what & self.OUT:
                socket.send_on()
            if what & ~self.OUT:
                socket.receive()
        except Exception:
            logger.exception("A socket could not be served")
            socket.abort(self.reason.TRANSPORT_ERROR)

    def _wait_at(self, fd: int) -> tuple[Callable[[], None], Callable[[], None]]:
        """Return what gives way until there is something to read at a file, and what ends the watch over it."""
        hub, me = self._hub(), self._getcurrent()
        waiting = False

        def wake(fd: int) -> None:
            if waiting:
                me.switch()

        def wait() -> None:
            nonlocal waiting
            waiting = True
            try:
                hub.switch()
            finally:
                waiting = False

        watch = hub.add(hub.READ, fd, wake, me.throw, None)
        return wait, partial(hub.remove, watch)

    def _tick_for_ever(self) -> None:
        while True:
            self.sleep(1 / TICKS)
            try:
                self.clock.tick()
                self._clear(time.monotonic())
            except Exception:
                logger.exception("A tick failed")

    def _clear(self, now: float) -> None:
        for stuck in [blocked for blocked in self._blocked if blocked.is_stuck(now)]:
            stuck.drop()
        while self._leaving and self._leaving[0][0] < now:
            self._leaving.popleft()[1].release()

    def _work(self) -> None:
        """Handle what waits, one message of each socket in turn; a worker that waits is followed by another."""
        self._starting = False
        until = time.monotonic() + TURN_SECONDS
        try:
            while self._with_work:
                socket = self._with_work.popleft()
                self._have_a_worker()
                if socket.work():
                    self._with_work.append(socket)
                if time.monotonic() > until:
                    self.sleep(0)
                    until = time.monotonic() + TURN_SECONDS
        finally:
            self._workers -= 1

    def _have_a_worker(self) -> None:
        """Have one more start with the next turn, if there is anything left for it."""
        if self._with_work and not self._starting and self._workers < WORKERS:
            self._starting = True
            self._workers += 1
            self.start_background_task(self._work)

    # What sockets tell

    def has_work(self, socket: Socket) -> None:
        """Note that a message waits to be handled."""
        self._with_work.append(socket)
        self._have_a_worker()

    def attend(self, socket: Socket) -> None:
        """Wait for what the socket is interested in now."""
        if socket.fileno in self._by_fd:
            self._epoll.modify(socket.fileno, socket.interest)

    def block(self, socket: Socket) -> None:
        """Note that a client does not take what is sent."""
        self._blocked.add(socket)
        self.attend(socket)

    def unblock(self, socket: Socket) -> None:
        self._blocked.discard(socket)
        self.attend(socket)

    def linger(self, socket: Socket) -> None:
        """Keep a closed socket's connection until the client has closed it too, but not for long."""
        self._leaving.append((time.monotonic() + LINGER_SECONDS, socket))
        self.attend(socket)

    def forget(self, socket: Socket) -> None:
        """Note that a socket has ended."""
        self.sockets.pop(socket.sid, None)
        self._blocked.discard(socket)

    def ignore(self, socket: Socket) -> None:
        """Wait for nothing more on a connection that will be closed now."""
        del self._by_fd[socket.fileno]
        self._epoll.unregister(socket.fileno)


def make_engine(
    most_sockets: int | None = None, refuses: Refuses = lambda environ: False, **options: Any
) -> StockEngine | LeanEngine | engineio.Server:
    """Return the engine for the mode of a server that says how many sockets it takes, Engine.IO's own for any other."""
    if most_sockets is None:
        return engineio.Server(**options)
    lean = options["async_mode"] == "eventlet" and sys.platform == "linux"
    return (LeanEngine if lean else StockEngine)(most_sockets, refuses, **options)


@contextmanager
def installed() -> Iterator[None]:
    """Have the Socket.IO servers that the block makes run on these; another one of this process keeps its own.

    Flask-SocketIO names the server's class in its code.
    """
    before = socketio.Server._engineio_server_class
    socketio.Server._engineio_server_class = lambda server: make_engine
    try:
        yield
    finally:
        socketio.Server._engineio_server_class = before


def _is_handshake(environ: dict[str, Any], key: str) -> bool:
    connection = environ.get("HTTP_CONNECTION", "").lower()
    if "upgrade" not in connection or environ.get("HTTP_SEC_WEBSOCKET_VERSION") != VERSION:
        return False
    try:
        return len(b64decode(key, validate=True)) == 16
    except ValueError:
        return False


def _kept(environ: dict[str, Any]) -> dict[str, Any]:
    """Return what a socket's handlers may ask of its handshake; what many sockets have alike is there once."""
    kept = {
        name: sys.intern(value) if type(value) is str and name not in OF_ONE_CLIENT else value
        for name, value in environ.items()
        if not name.startswith(PASSING)
    }
    return {**kept, "wsgi.input": NO_BODY}


def _cross_site() -> dict[str, Any]:
    headers = [("Content-Type", "text/plain")]
    return {
        "status": "403 FORBIDDEN",
        "headers": headers,
        "response": b"This handshake comes from another site's page.",
    }


def _too_busy() -> dict[str, Any]:
    headers = [("Retry-After", str(RETRY_AFTER_SECONDS)), ("Content-Type", "text/plain")]
    return {"status": "503 Service Unavailable", "headers": headers, "response": b"Come back in a moment."}


def _is_sound(text: str) -> bool:
    """Whether a message is a packet that Socket.IO can handle."""
    try:
        found = socketio.packet.Packet(encoded_packet=text)
    except Exception:  # of many kinds; the JSON decoder's RecursionError is one
        return False
    is_event = found.packet_type == socketio.packet.EVENT
    return not is_event or (isinstance(found.data, list) and bool(found.data) and isinstance(found.data[0], str))
