"""Engine.IO for many websockets under eventlet.

An idle websocket costs a few kilobytes, an event one system call for each viewer. A websocket is taken out of the web
server's hands after its handshake: one epoll finds what can be read, one clock pings all, a few greenlets handle calls.
"""

from __future__ import annotations

import logging
import resource
import socket
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import sha1
from typing import Any

import engineio

from headway.engine.events import Event
from headway.engine.frames import frame
from headway.engine.handshake import GUID, SWITCHING, VERSION, Refuses, cross_site, is_handshake, kept_environ, too_busy
from headway.engine.socket import Socket
from headway.engine.timers import TICKS, PingScheduler

logger = logging.getLogger(__name__)

KERNEL_BYTES = 64 * 1024  # of a connection, each way: what lies there can no longer be replaced by newer
LINGER_SECONDS = 2.0  # for a client to read why it is closed
BATCH_SIZE = 256  # sockets served before others have their turn
WORKERS = 64  # calls at a time; Redis has connections for as many
TURN_SECONDS = 0.005  # of handling calls, before others have their turn
MAX_WAITING = 2000  # sockets whose calls wait; beyond it a newcomer is asked to come later
SPARE_FILES = 200


class EpollServer(engineio.Server):
    """Engine.IO's server for eventlet, with sockets that need no greenlet."""

    def __init__(self, max_sockets: int, refuses: Refuses, **options: Any) -> None:
        super().__init__(**options)
        # In here, because the other modes, and workers, go without it.
        from eventlet import getcurrent, hubs, patcher, wsgi

        self._hub = hubs.get_hub
        self._getcurrent = getcurrent
        self._web_server = wsgi.WSGI_LOCAL
        self._select = patcher.original("select")
        self.IN = self._select.EPOLLIN
        self.OUT = self._select.EPOLLOUT
        self.GONE = self._select.EPOLLRDHUP
        self.clock = PingScheduler(self.ping_interval, self.ping_timeout)
        self._max_sockets = max_sockets
        self._refuses = refuses
        self._epoll: Any = None
        self._by_fd: dict[int, Socket] = {}
        self._blocked: set[Socket] = set()
        self._leaving: deque[tuple[float, Socket]] = deque()
        self._with_work: deque[Socket] = deque()
        self._workers = 0
        self._starting = False  # whether one of them has not begun yet

    def sender_for(self, sid: str) -> Callable[[Event], None]:
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
            return cross_site()
        if self._is_full(environ) or len(self._with_work) > MAX_WAITING:
            return too_busy()
        key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "")
        if not is_handshake(environ, key):
            refusal = self._bad_request("Not a handshake of a websocket.")
            return {**refusal, "headers": [*refusal["headers"], ("Sec-WebSocket-Version", VERSION)]}
        self._start()
        sid = self.generate_id()
        kept = kept_environ(environ)
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
            len(self.sockets) >= self._max_sockets
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
        timeout = int(self.ping_timeout * 1000)
        interval = int(self.ping_interval * 1000)
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
            ready = self._epoll.poll(0, BATCH_SIZE)
            for fd, what in ready:
                if socket := self._by_fd.get(fd):
                    self._serve(socket, what)
            if len(ready) == BATCH_SIZE:
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
        hub = self._hub()
        me = self._getcurrent()
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
        for stuck in [blocked for blocked in self._blocked if blocked.is_stalled(now)]:
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

    def update_interest(self, socket: Socket) -> None:
        """Wait for what the socket is interested in now."""
        if socket.fileno in self._by_fd:
            self._epoll.modify(socket.fileno, socket.interest)

    def block(self, socket: Socket) -> None:
        """Note that a client does not take what is sent."""
        self._blocked.add(socket)
        self.update_interest(socket)

    def unblock(self, socket: Socket) -> None:
        self._blocked.discard(socket)
        self.update_interest(socket)

    def linger(self, socket: Socket) -> None:
        """Keep a closed socket's connection until the client has closed it too, but not for long."""
        self._leaving.append((time.monotonic() + LINGER_SECONDS, socket))
        self.update_interest(socket)

    def forget(self, socket: Socket) -> None:
        """Note that a socket has ended."""
        self.sockets.pop(socket.sid, None)
        self._blocked.discard(socket)

    def unregister(self, socket: Socket) -> None:
        """Wait for nothing more on a connection that will be closed now."""
        del self._by_fd[socket.fileno]
        self._epoll.unregister(socket.fileno)
