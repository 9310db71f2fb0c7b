"""Engine.IO for many websockets, in every async mode.

An idle websocket costs a few kilobytes, an event one system call for each viewer. After its
handshake a websocket is taken over from the web server: one loop, in a thread of its own, serves
and pings all and reads what Redis publishes for them; a few greenlets or threads handle calls. What
only one async mode does is in a module of its own, as `mode_threading.py`.
"""

from __future__ import annotations

import resource
import sys
import threading
from _thread import get_native_id  # which no async mode patches
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from hashlib import sha1
from importlib import import_module
from typing import Any

from headway.engine.default_server import DefaultServer
from headway.engine.events import Event
from headway.engine.feed import Feed, Receive
from headway.engine.frames import encode_frame
from headway.engine.handover import bare
from headway.engine.handshake import GUID, SWITCHING, Refuses, socket_environ, too_busy, too_many
from headway.engine.loop import EpollLoop
from headway.engine.quotas import NoteCounts, QuotasOf
from headway.engine.shares import Shares
from headway.engine.socket import Socket
from headway.engine.wakeup import CallQueue

# Calls at a time. With 16, thousands of clients that come back together took twice as long.
WORKERS = 64
GREEDY_WORKERS = 1  # of clients that ask for more than their share
MAX_WAITING = 2000  # sockets whose calls wait; beyond it handshakes are answered with 503
SPARE_FILES = 200  # left to requests
# The longest that a request which computes keeps Python from the loop. Each event takes two turns,
# so with Python's own 5 ms it would come 8 ms later beside such a request; with this it is 0.7.
TURN_SECONDS = 0.0005


class EpollServer(DefaultServer):
    """Engine.IO's server with sockets that need no thread or greenlet each.

    Engine.IO's own serve a connection that its web server does not give away, and TLS.
    """

    def __init__(
        self,
        max_sockets: int,
        refuses: Refuses,
        quotas_of: QuotasOf,
        note_counts: NoteCounts,
        **options: Any,
    ) -> None:
        super().__init__(max_sockets, refuses, quotas_of, note_counts, **options)
        # Imported here, because the other modes, and workers, run without eventlet and gevent.
        self._mode: Any = import_module(f"headway.engine.mode_{options['async_mode']}")
        self.calls = CallQueue()
        self.loop = EpollLoop(self.ping_interval, self.ping_timeout, self.calls.add)
        self._shares = Shares()
        self._starting = threading.Lock()
        self._work: Any = ()  # until the first handshake: a process may fork before it serves
        self._greedy_work: Any = ()

    def sender_for(self, sid: str) -> Callable[[Event], None]:
        """Return a function that sends an event to a socket, and nothing once that has ended."""
        socket = self.sockets.get(sid)
        if isinstance(socket, Socket):
            return socket.push
        push = super().sender_for(sid)  # into a queue of the async mode's
        return lambda event: self.calls.add(partial(push, event))

    def end(self, code: int, sids: Iterable[str] | None = None) -> None:
        """Close these websockets, or all, with this close code."""
        ending = tuple(self.sockets if sids is None else sids)
        super().end(code, ending)
        for sid in ending:
            socket = self.sockets.get(sid)
            if isinstance(socket, Socket):
                socket.end(code, self.reason.SERVER_DISCONNECT)

    def read(self, connection: Any, receive: Receive) -> Iterator[None]:
        """Pass on what a connection receives, in the loop's thread, until it ends.

        Yields where `receive` has left something.
        """
        self._start()
        if bare(connection) is None:
            return super().read(connection, receive)
        return Feed(self.loop, connection, receive).leftovers()

    def yield_turn(self) -> None:
        """Let the rest of the process run; the loop's thread has it run at each send."""
        if get_native_id() != self.loop.thread_id:
            super().yield_turn()

    # The handshake

    def _handle_connect(self, environ: dict[str, Any], start_response: Any, *args: Any) -> Any:
        connection = self._mode.connection_of(environ)
        if connection is None:
            return super()._handle_connect(environ, start_response, *args)
        if refusal := self._refusal(environ):
            return refusal
        try:
            self._start()
        except RuntimeError:  # there is no thread for it
            return too_busy()
        sid = self.generate_id()
        reduced = socket_environ(environ)
        if not self._quotas.enter(sid, reduced):
            return too_many()
        if self._trigger_event("connect", sid, reduced, run_async=False) is False:
            self._quotas.leave(sid)
            return self._unauthorized()
        try:
            most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            ours = self._mode.take(connection, start_response, most_files - SPARE_FILES)
        except OSError:
            self._trigger_event("disconnect", sid, self.reason.TRANSPORT_ERROR, run_async=False)
            self._quotas.leave(sid)
            return too_busy()
        share = self._shares.of(self._quotas.name_of(sid))
        accept = b64encode(sha1(environ["HTTP_SEC_WEBSOCKET_KEY"].encode() + GUID).digest())
        Socket(self, sid, ours, reduced, share).open(SWITCHING % accept + _opening(sid, self))
        return []

    def _is_full(self) -> bool:
        """Whether there is no room for another socket."""
        return super()._is_full() or len(self._work) > MAX_WAITING

    def _start(self) -> None:
        with self._starting:
            if not self.loop.epoll:
                self._work = self._mode.make_queue(self, WORKERS)
                self._greedy_work = self._mode.make_queue(self, GREEDY_WORKERS)
                self.calls.start(self.start_background_task)
                if sys.getswitchinterval() > TURN_SECONDS:
                    sys.setswitchinterval(TURN_SECONDS)
                epoll = self._mode.make_epoll()
                self._mode.start_thread(self, partial(self.loop.run, epoll))
                self.loop.epoll = epoll  # not before: the system may have no thread more

    # Called by sockets

    def has_work(self, socket: Socket) -> None:
        """Note that a message of this socket waits to be handled."""
        (self._greedy_work if socket.is_greedy else self._work).add(socket)

    def enter(self, socket: Socket) -> None:
        """Note that a socket has begun, and watch its connection. Raises OSError."""
        self.sockets[socket.sid] = socket
        self.loop.register(socket)

    def forget(self, socket: Socket) -> None:
        """Note that a socket has ended."""
        self.sockets.pop(socket.sid, None)
        self._quotas.leave(socket.sid)
        self.loop.forget_backlog(socket)


def _opening(sid: str, server: EpollServer) -> bytes:
    timeout = int(server.ping_timeout * 1000)
    interval = int(server.ping_interval * 1000)
    return encode_frame(
        f'0{{"sid":"{sid}","upgrades":[],"pingTimeout":{timeout},"pingInterval":{interval},'
        f'"maxPayload":{server.max_http_buffer_size}}}'.encode()
    )
