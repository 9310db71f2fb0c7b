"""The loop of a web process: one thread and one epoll for websockets and what Redis publishes.

One clock pings all.
"""

from __future__ import annotations

import logging
import select
import time
from _thread import get_native_id  # which no async mode patches
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from headway.engine.socket import Socket
from headway.engine.timers import TICKS, PingScheduler

logger = logging.getLogger(__name__)

MAX_BACKLOGS_BYTES = 16 * 1024 * 1024  # of all clients together
LINGER_SECONDS = 2.0  # for a client to read why it is closed
BATCH_SIZE = 256  # sockets served at most between two looks at the clock


class EpollLoop:
    """Serves the connections of all websockets and pings them, in one thread."""

    def __init__(
        self,
        interval: float,
        timeout: float,
        call: Callable[[Callable[[], object]], None],
    ) -> None:
        """Set up.

        `interval` and `timeout` of the pings are in seconds; `call` has a function called in
        another thread.
        """
        self.IN = select.EPOLLIN
        self.OUT = select.EPOLLOUT
        self.GONE = select.EPOLLRDHUP
        self.clock = PingScheduler(interval, timeout)
        self.epoll: Any = None  # until it runs
        self.thread_id = 0  # until then too
        self._call = call
        self._by_fd: dict[int, Any] = {}
        self._blocked: set[Socket] = set()
        self._leaving: deque[tuple[float, Socket]] = deque()

    def run(self, epoll: Any) -> None:
        """Serve for ever."""
        self.thread_id = get_native_id()
        tick_at = time.monotonic() + 1 / TICKS
        while True:
            ready = epoll.poll(max(0.0, tick_at - time.monotonic()), BATCH_SIZE)
            for fd, what in ready:
                if socket := self._by_fd.get(fd):
                    self._serve(socket, what)
            if time.monotonic() >= tick_at:
                self._tick()
                tick_at = time.monotonic() + 1 / TICKS

    def _serve(self, socket: Any, what: int) -> None:
        try:
            if what & self.OUT:
                socket.send_on()
            if socket.closed and what & ~(self.IN | self.OUT):
                socket.release()  # its client has left
            elif what & ~self.OUT:
                socket.receive()
        except Exception as error:
            self._log("A socket could not be served", error)
            socket.drop()

    def _tick(self) -> None:
        try:
            self.clock.tick()
            self._clear(time.monotonic())
        except Exception as error:
            self._log("A tick failed", error)

    def _log(self, message: str, error: Exception) -> None:
        self._call(partial(logger.error, message, exc_info=error))

    def _clear(self, now: float) -> None:
        blocked = tuple(self._blocked)
        for each in blocked:
            if each.is_stalled(now):
                each.drop()
        _drop_longest_backlogs(blocked)
        while self._leaving and self._leaving[0][0] < now:
            self._leaving.popleft()[1].release()

    # Called by sockets

    def register(self, socket: Any) -> None:
        """Watch the connection of a new socket, or of a feed. Raises OSError."""
        self._by_fd[socket.fileno] = socket
        self.epoll.register(socket.fileno, self.IN)

    def update_interest(self, socket: Socket) -> None:
        """Have epoll watch what the socket is interested in now."""
        if socket.fileno in self._by_fd:
            self.epoll.modify(socket.fileno, socket.interest)

    def block(self, socket: Socket) -> None:
        """Note that a client has a backlog."""
        self._blocked.add(socket)
        self.update_interest(socket)

    def unblock(self, socket: Socket) -> None:
        """Note that a client has taken its backlog."""
        self._blocked.discard(socket)
        self.update_interest(socket)
        socket.resume()

    def forget_backlog(self, socket: Socket) -> None:
        """Note that a socket has ended, with what was queued for its client."""
        self._blocked.discard(socket)

    def linger(self, socket: Socket) -> None:
        """Keep a closed socket's connection for LINGER_SECONDS, for the client to close it too."""
        self._leaving.append((time.monotonic() + LINGER_SECONDS, socket))
        self.update_interest(socket)

    def unregister(self, socket: Any) -> None:
        """Stop watching a connection that is about to be closed."""
        self._by_fd.pop(socket.fileno, None)
        with suppress(OSError, ValueError):  # one that could not be registered, or is closed by now
            self.epoll.unregister(socket.fileno)


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
