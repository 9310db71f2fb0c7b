"""Many viewers in one process: websockets by hand over epoll, Engine.IO and Socket.IO framed and
read as bytes.

A client library would cost more than the servers that are measured. What the swarm itself costs is
told with each measurement, so that a figure that it has limited can be seen.
"""

from __future__ import annotations

import heapq
import json
import random
import select
import socket
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from bench.processes import Failed

# Linux: the port is chosen at connect, so that each source address has all of them
IP_BIND_ADDRESS_NO_PORT = 24
SOURCES = [f"127.0.0.{n}" for n in range(2, 10)]
READ_BYTES = 256 * 1024
# viewers on their way, where no storm is wanted: fewer than the 50 that eventlet lets wait
BATCH_SIZE = 40
CONNECT_SECONDS = 5.0  # as the page: one that has not come so far by then tries again
CHECK_SECONDS = 0.02


@dataclass(frozen=True)
class Dialect:
    """How a server is spoken to: the path of the websocket, and the call with which a viewer joins
    rooms.

    Without `join` it is a plain websocket whose path names the room.
    """

    path: Callable[[Sequence[str]], str] = lambda rooms: "/socket.io/?EIO=4&transport=websocket"
    join: Callable[[Sequence[str]], str] | None = lambda rooms: _event("join", {"room": rooms[0]})


def _event(name: str, payload: object) -> str:
    return f"420{json.dumps([name, payload], separators=(',', ':'))}"


SOCKETIO = Dialect()
HEADWAY = Dialect(join=lambda rooms: _event("watch", {"task_ids": rooms}))
FLOOR = Dialect(lambda rooms: f"/{rooms[0]}", None)
CELERY_PROGRESS = Dialect(lambda rooms: f"/ws/progress/{rooms[0]}/", None)


@dataclass
class Crowd:
    """Viewers of one server, and what has come to them since the last `forget`."""

    dialect: Dialect
    port: int
    headers: str = ""
    viewers: list[Viewer] = field(default_factory=list)
    latencies: array[int] = field(default_factory=lambda: array("q"))  # nanoseconds
    events: int = 0
    lost: int = 0  # connections that the server ended
    refusals: int = 0  # of rooms that were asked for

    def forget(self) -> None:
        del self.latencies[:]
        self.events = self.lost = self.refusals = 0

    @property
    def ready(self) -> int:
        return sum(viewer.ready for viewer in self.viewers)


class Viewer:
    """One websocket that watches some rooms."""

    __slots__ = (
        "_buffer",
        "asked",
        "crowd",
        "last",
        "ready",
        "refused",
        "rooms",
        "socket",
        "tries",
        "upgraded",
    )

    def __init__(self, crowd: Crowd, rooms: Sequence[str]) -> None:
        self.crowd = crowd
        self.rooms = rooms
        self.tries = 0
        self.last = 0  # the moment that the newest event carries
        self.socket: socket.socket | None = None
        self._forget()

    def _forget(self) -> None:
        self._buffer = b""
        self.upgraded = self.ready = self.refused = False
        self.asked = 0

    def open(self, source: str, receive_buffer: int = 0) -> socket.socket:
        self._forget()
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.bind((source, 0))
        self.socket.connect_ex(("127.0.0.1", self.crowd.port))
        return self.socket

    def upgrade(self) -> None:
        """Ask for the websocket; the TCP connection stands."""
        crowd = self.crowd
        self._send(
            f"GET {crowd.dialect.path(self.rooms)} HTTP/1.1\r\nHost: "
            f"127.0.0.1:{crowd.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            f"{crowd.headers}\r\n".encode()
        )

    def take(self) -> bool:
        """Read what there is; False when the server has ended the connection, or refused it."""
        assert self.socket is not None
        try:
            data = self.socket.recv(READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not data:
            return False
        now = time.monotonic_ns()
        data = self._buffer + data
        at = 0
        if not self.upgraded:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = data
                return True
            if not data.startswith(b"HTTP/1.1 101"):
                return False
            self.upgraded = True
            self.ready = self.crowd.dialect.join is None
            at = end + 4
        return self._frames(data, at, now)

    def _frames(self, data: bytes, at: int, now: int) -> bool:
        while len(data) >= at + 2:
            length = data[at + 1]
            begin = at + 2
            if length == 126:
                length = int.from_bytes(data[at + 2 : at + 4], "big")
                begin = at + 4
            elif length == 127:
                length = int.from_bytes(data[at + 2 : at + 10], "big")
                begin = at + 10
            end = begin + length
            if end > len(data):
                break
            opcode = data[at] & 15
            if opcode == 8:
                return False
            if opcode == 9:
                self._send_frame(0x8A, data[begin:end])
            else:
                self._message(data, begin, end, now)
            at = end
        self._buffer = data[at:]
        return True

    def _message(self, data: bytes, begin: int, end: int, now: int) -> None:
        crowd = self.crowd
        stamp = data.rfind(b"@", begin, end)
        if stamp > 0:
            self.last = int(data[stamp + 1 : data.index(b'"', stamp, end)])
            if crowd.dialect.join is None or data.startswith(b"42", begin):
                crowd.events += 1
                crowd.latencies.append(now - self.last)
                return
        if crowd.dialect.join is None:
            return
        kind = data[begin : min(begin + 2, end)]
        if kind == b"2":
            self.send("3")
        elif kind.startswith(b"0"):
            self.send("40")
        elif kind == b"40":
            self.join()
        elif kind == b"43":
            self.refused = b'"error"' in data[begin : begin + 20]
            self.ready = not self.refused

    def join(self) -> None:
        """Ask for the rooms."""
        assert self.crowd.dialect.join is not None
        self.refused = False
        self.asked += 1
        self.send(self.crowd.dialect.join(self.rooms))

    def send(self, text: str) -> None:
        self._send_frame(0x81, text.encode())

    def _send_frame(self, head: int, payload: bytes) -> None:
        """Send a frame, masked with zeros, so that the payload stays as it is."""
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        self._send(bytes([head]) + length + b"\0\0\0\0" + payload)

    def _send(self, data: bytes) -> None:
        assert self.socket is not None
        with suppress(OSError):  # one that has been closed is seen when it is read
            self.socket.send(data)

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
        self.socket = None
        self.ready = False


class Swarm:
    """All viewers of this process, whichever servers they are of: the idle ones answer pings
    while others are busy.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._by_fd: dict[int, Viewer] = {}
        self._timers: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()
        self._comes_back: set[int] = set()  # crowds whose viewers reconnect, by id

    def add(self, crowd: Crowd, viewers: Iterable[Sequence[str]], seconds: float = 60.0) -> None:
        """Connect viewers, each of some rooms, a few at a time.

        Raises Failed where not all are there in time.
        """
        waiting = [Viewer(crowd, rooms) for rooms in viewers]
        target = len(crowd.viewers) + len(waiting)
        waiting.reverse()

        def there() -> bool:
            while waiting and len(crowd.viewers) - crowd.ready < BATCH_SIZE:
                for viewer in [waiting.pop() for _ in range(min(BATCH_SIZE // 2, len(waiting)))]:
                    crowd.viewers.append(viewer)
                    self.connect(viewer)
            return crowd.ready >= target

        if not self.run_until(there, seconds):
            raise Failed(
                f"{crowd.ready} of {target} viewers are connected after {seconds:g} s "
                f"({crowd.lost} refused)."
            )

    def connect(self, viewer: Viewer, receive_buffer: int = 0) -> None:
        opened = viewer.open(SOURCES[next(self._order) % len(SOURCES)], receive_buffer)
        self._by_fd[opened.fileno()] = viewer
        self._epoll.register(opened.fileno(), select.EPOLLOUT)

    def stop_reading(self, viewer: Viewer) -> None:
        """Leave in the kernel whatever comes to this viewer from now on."""
        assert viewer.socket is not None
        self._epoll.modify(viewer.socket.fileno(), 0)

    def come_back(self, crowd: Crowd) -> None:
        """Have viewers that lose their server reconnect, at the page's own intervals."""
        self._comes_back.add(id(crowd))

    def dismiss(self, crowd: Crowd) -> None:
        self._comes_back.discard(id(crowd))
        for viewer in crowd.viewers:
            self._drop(viewer)
        crowd.viewers.clear()

    def run(self, seconds: float) -> None:
        """Let the viewers live for so long."""
        self.run_until(lambda: False, seconds)

    def run_until(self, ready: Callable[[], bool], seconds: float) -> bool:
        """Let the viewers live until it is so; False when it is not within so many seconds."""
        deadline = time.monotonic() + seconds
        check_at = 0.0
        while (now := time.monotonic()) < deadline:
            if now >= check_at:
                if ready():
                    return True
                check_at = time.monotonic() + CHECK_SECONDS
            self._turn(min(CHECK_SECONDS, deadline - now))
        return ready()

    def _turn(self, seconds: float) -> None:
        by_fd = self._by_fd
        for fd, what in self._epoll.poll(seconds, 1024):
            viewer = by_fd.get(fd)
            if viewer is None:
                continue
            if what & select.EPOLLOUT and not what & select.EPOLLERR:
                self._epoll.modify(fd, select.EPOLLIN)
                viewer.upgrade()
            elif not viewer.take():
                self._lose(viewer)
            elif viewer.refused:
                self._ask_again(viewer)
        while self._timers and self._timers[0][0] <= time.monotonic():
            heapq.heappop(self._timers)[2]()

    def _ask_again(self, viewer: Viewer) -> None:
        """Ask for the rooms again after the pauses of subscriber.js: up to 500 ms, and twice
        that each time.
        """
        viewer.refused = False
        viewer.crowd.refusals += 1
        opened = viewer.socket

        def ask() -> None:
            if viewer.socket is opened:
                viewer.join()

        self._in(min(5.0, 0.25 * 2**viewer.asked) * (0.5 + 0.5 * random.random()), ask)

    def _lose(self, viewer: Viewer) -> None:
        viewer.crowd.lost += 1
        if viewer.ready:
            viewer.tries = 0
        self._drop(viewer)
        if id(viewer.crowd) in self._comes_back:
            self._again(viewer)

    def _again(self, viewer: Viewer) -> None:
        """Connect again as reconnecting-socket.js does: within 500 ms, later within 2 s."""
        viewer.tries += 1

        def connect() -> None:
            self.connect(viewer)
            opened = viewer.socket

            def give_up() -> None:
                if viewer.socket is opened and not viewer.upgraded:
                    self._lose(viewer)

            self._in(CONNECT_SECONDS, give_up)

        self._in(random.random() * (0.5 if viewer.tries == 1 else 2.0), connect)

    def _in(self, seconds: float, what: Callable[[], object]) -> None:
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._order), what))

    def _drop(self, viewer: Viewer) -> None:
        if viewer.socket is not None:
            self._by_fd.pop(viewer.socket.fileno(), None)
            viewer.close()
