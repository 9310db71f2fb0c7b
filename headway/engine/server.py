"""Engine.IO for many websockets under eventlet.

An idle websocket costs a few kilobytes, an event one system call for each viewer. After its
handshake a websocket is detached from the web server: one epoll finds what can be read, one clock
pings all, a few greenlets handle calls.
"""

from __future__ import annotations

import logging
import resource
import socket
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from hashlib import sha1
from typing import Any

import engineio

from headway.engine.events import Event
from headway.engine.frames import frame
from headway.engine.handshake import (
    GUID,
    SWITCHING,
    Refuses,
    cross_site,
    is_handshake,
    kept_environ,
    no_handshake,
    too_busy,
    too_many,
)
from headway.engine.quotas import QuotasOf, SocketQuotas
from headway.engine.readable import reading, watch_file
from headway.engine.shares import Shares
from headway.engine.socket import Socket
from headway.engine.timers import TICKS, PingScheduler
from headway.engine.work_queue import WorkQueue

logger = logging.getLogger(__name__)

# Of a connection, each way: what the kernel holds can no longer be replaced by newer data.
KERNEL_BYTES = 64 * 1024
MAX_BACKLOGS_BYTES = 16 * 1024 * 1024  # of all clients together
LINGER_SECONDS = 2.0  # for a client to read why it is closed
BATCH_SIZE = 256  # sockets served before other greenlets have their turn
# Calls at a time. With 16, thousands of clients that come back together took twice as long.
WORKERS = 64
GREEDY_WORKERS = 1  # of clients that ask for more than their share
MAX_WAITING = 2000  # sockets whose calls wait; beyond it handshakes are answered with 503
SPARE_FILES = 200  # left to requests


class EpollServer(engineio.Server):
    """Engine.IO's server for eventlet, with sockets that need no greenlet."""

    def __init__(
        self, max_sockets: int, refuses: Refuses, quotas_of: QuotasOf, **options: Any
    ) -> None:
        super().__init__(**options)
        self._quotas = SocketQuotas(quotas_of)
        self._shares = Shares()
        # Imported here, because the other modes, and workers, run without eventlet.
        from eventlet import patcher, wsgi

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
        self._work = self._work_queue(WORKERS)
        self._greedy_work = self._work_queue(GREEDY_WORKERS)

    def _work_queue(self, workers: int) -> WorkQueue:
        return WorkQueue(workers, self.has_work, self.start_background_task, self.sleep)

    def sender_for(self, sid: str) -> Callable[[Event], None]:
        """Return a function that sends an event to a socket, and nothing once that has ended."""
        socket = self.sockets.get(sid)
        return socket.push if socket else lambda event: None

    def end(self, code: int, sids: Iterable[str] | None = None) -> None:
        """Close these websockets, or all, with this close code."""
        for sid in tuple(self.sockets) if sids is None else sids:
            if socket := self.sockets.get(sid):
                socket.end(code, self.reason.SERVER_DISCONNECT)

    def reading(self, connection: Any) -> AbstractContextManager[Callable[[int], bytes]]:
        """Return a context whose value reads from a connection as its `recv` does."""
        return reading(connection)

    # The handshake

    def _handle_connect(self, environ: dict[str, Any], *_: Any) -> Any:
        if self._refuses(environ):
            return cross_site()
        if self._is_full(environ) or len(self._work) > MAX_WAITING:
            return too_busy()
        if not is_handshake(environ):
            return no_handshake()
        key = environ["HTTP_SEC_WEBSOCKET_KEY"]
        self._start()
        sid = self.generate_id()
        kept = kept_environ(environ)
        if not self._quotas.enter(sid, kept):
            return too_many()
        if self._trigger_event("connect", sid, kept, run_async=False) is False:
            self._quotas.leave(sid)
            return self._unauthorized()
        self._web_server.already_handled = True
        share = self._shares.of(self._quotas.name_of(sid))
        socket = Socket(self, sid, _detach(environ), kept, share)
        self.sockets[sid] = socket
        self._by_fd[socket.fileno] = socket
        self._epoll.register(socket.fileno, self.IN)
        accept = b64encode(sha1(key.encode() + GUID).digest())
        socket.send_frame(SWITCHING % accept + _opening(sid, self))
        return []

    def _is_full(self, environ: dict[str, Any]) -> bool:
        """Whether there is no room for another socket."""
        most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return (
            len(self.sockets) >= self._max_sockets
            or environ["eventlet.input"].get_socket().fileno() >= most_files - SPARE_FILES
        )

    # Background tasks

    def _start(self) -> None:
        if self._epoll is None:
            self._epoll = self._select.epoll()
            self.start_background_task(self._serve_for_ever)
            self.start_background_task(self._tick_for_ever)

    def _serve_for_ever(self) -> None:
        # Registered once: adding an epoll to another one costs more the more it contains.
        wait, _ = watch_file(self._epoll.fileno())
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
        _drop_longest_backlogs(self._blocked)
        while self._leaving and self._leaving[0][0] < now:
            self._leaving.popleft()[1].release()

    # Called by sockets

    def has_work(self, socket: Socket) -> None:
        """Note that a message of this socket waits to be handled."""
        (self._greedy_work if socket.is_greedy else self._work).add(socket)

    def update_interest(self, socket: Socket) -> None:
        """Have epoll watch what the socket is interested in now."""
        if socket.fileno in self._by_fd:
            self._epoll.modify(socket.fileno, socket.interest)

    def block(self, socket: Socket) -> None:
        """Note that a client has a backlog."""
        self._blocked.add(socket)
        self.update_interest(socket)

    def unblock(self, socket: Socket) -> None:
        self._blocked.discard(socket)
        self.update_interest(socket)
        socket.resume()

    def linger(self, socket: Socket) -> None:
        """Keep a closed socket's connection for LINGER_SECONDS, for the client to close it too."""
        self._leaving.append((time.monotonic() + LINGER_SECONDS, socket))
        self.update_interest(socket)

    def forget(self, socket: Socket) -> None:
        """Note that a socket has ended."""
        self.sockets.pop(socket.sid, None)
        self._quotas.leave(socket.sid)
        self._blocked.discard(socket)

    def unregister(self, socket: Socket) -> None:
        """Stop watching a connection that is about to be closed."""
        del self._by_fd[socket.fileno]
        self._epoll.unregister(socket.fileno)


def _drop_longest_backlogs(blocked: Iterable[Socket]) -> None:
    """Drop the clients with the longest backlogs while all of them together are too long."""
    excess = sum(each.backlog_bytes for each in blocked) - MAX_BACKLOGS_BYTES
    if excess <= 0:
        return
    for longest in sorted(blocked, key=lambda each: -each.backlog_bytes):
        excess -= longest.backlog_bytes
        longest.drop()
        if excess <= 0:
            return


def _detach(environ: dict[str, Any]) -> Any:
    """Take the connection over from the web server, which is left with nothing to close."""
    theirs = environ["eventlet.input"].get_socket().fd
    ours = type(theirs)(fileno=theirs.detach())
    ours.setblocking(False)
    with suppress(OSError):  # the connection may be broken already
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)
    return ours


def _opening(sid: str, server: EpollServer) -> bytes:
    timeout = int(server.ping_timeout * 1000)
    interval = int(server.ping_interval * 1000)
    return frame(
        f'0{{"sid":"{sid}","upgrades":[],"pingTimeout":{timeout},"pingInterval":{interval},'
        f'"maxPayload":{server.max_http_buffer_size}}}'.encode()
    )
