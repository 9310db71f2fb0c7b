"""The loop of a web process: one epoll finds which websockets can be read, one clock pings all."""

from __future__ import annotations

import logging
import select
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, TypeAlias

from headway.engine.socket import Socket
from headway.engine.timers import TICKS, PingScheduler

logger = logging.getLogger(__name__)

MAX_BACKLOGS_BYTES = 16 * 1024 * 1024  # of all clients together
LINGER_SECONDS = 2.0  # for a client to read why it is closed
BATCH_SIZE = 256  # sockets served before others have their turn

# Takes how many sockets at most and how many seconds; waits so long until something can be done
# with one of them, and returns file descriptors and what can be done.
Wait: TypeAlias = Callable[[int, float], list[tuple[int, int]]]


class EpollLoop:
    """Serves the connections of all websockets and pings them, in one thread or greenlet."""

    def __init__(self, interval: float, timeout: float) -> None:
        """Set up; `interval` and `timeout` of the pings are in seconds."""
        self.IN = select.EPOLLIN
        self.OUT = select.EPOLLOUT
        self.GONE = select.EPOLLRDHUP
        self.clock = PingScheduler(interval, timeout)
        self.epoll: Any = None  # until it runs
        self._by_fd: dict[int, Socket] = {}
        self._blocked: set[Socket] = set()
        self._leaving: deque[tuple[float, Socket]] = deque()

    def run(self, make_wait: Callable[[], Wait], sleep: Callable[[float], object]) -> None:
        """Serve for ever; `sleep` yields to the rest of the process."""
        wait = make_wait()  # here, because a greenlet can wait for itself only
        tick_at = time.monotonic() + 1 / TICKS
        while True:
            ready = wait(BATCH_SIZE, max(0.0, tick_at - time.monotonic()))
            for fd, what in ready:
                if socket := self._by_fd.get(fd):
                    self._serve(socket, what)
            if time.monotonic() >= tick_at:
                self._tick()
                tick_at = time.monotonic() + 1 / TICKS
            if len(ready) == BATCH_SIZE:
                sleep(0)

    def _serve(self, socket: Socket, what: int) -> None:
        try:
            if what & self.OUT:
                socket.send_on()
            if socket.closed and what & ~(self.IN | self.OUT):
                socket.release()  # its client has left
            elif what & ~self.OUT:
                socket.receive()
        except Exception:
            logger.exception("A socket could not be served")
            socket.drop()

    def _tick(self) -> None:
        try:
            self.clock.tick()
            self._clear(time.monotonic())
        except Exception:
            logger.exception("A tick failed")

    def _clear(self, now: float) -> None:
        blocked = tuple(self._blocked)
        for each in blocked:
            if each.is_stalled(now):
                each.drop()
        _drop_longest_backlogs(blocked)
        while self._leaving and self._leaving[0][0] < now:
            self._leaving.popleft()[1].release()

    # Called by sockets

    def register(self, socket: Socket) -> None:
        """Watch the connection of a new socket. Raises OSError."""
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

    def unregister(self, socket: Socket) -> None:
        """Stop watching a connection that is about to be closed."""
        self._by_fd.pop(socket.fileno, None)
        with suppress(OSError):  # one that could not be registered
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
