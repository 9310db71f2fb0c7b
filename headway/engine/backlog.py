"""Frames queued for a client that does not take them."""

from __future__ import annotations

import time
from collections import deque

from headway.engine.events import Event
from headway.tcp import untaken

STALL_SECONDS = 20.0  # a client that takes nothing for so long is dropped
LINE_BYTES = 64 * 1024  # of log lines queued for one client; beyond it the oldest are dropped


class Backlog:
    """Frames queued for a slow client: the newest of each key, in the place of the oldest."""

    __slots__ = ("_line_bytes", "_lines", "_rest", "_serial", "_waiting", "held", "since", "size")

    def __init__(self, rest: bytes) -> None:
        self._rest = rest  # of a frame that was sent in part; it has to go first
        self._waiting: dict[str | int, bytes] = {}
        self._serial = 0
        self._lines: deque[int] = deque()
        self._line_bytes = 0
        self.size = len(rest)
        self.since = time.monotonic()  # when the client last took something
        self.held = b""  # how much the kernel's send buffer held then

    def add(self, data: bytes, key: str | None) -> None:
        """Queue a frame; it replaces a queued one of the same key, unless that is Event.LINES."""
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
        """Queue a ping or pong ahead of the rest, unless one is queued there already."""
        if 0 not in self._waiting:
            self._waiting = {0: data, **self._waiting}
            self.size += len(data)

    def next(self) -> bytes:
        """Return the bytes to send next, b"" for none; pass how many were sent to `took`."""
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

    def is_stalled(self, fileno: int, now: float) -> bool:
        """Whether the client has taken nothing for STALL_SECONDS; called at each tick."""
        held = untaken(fileno)
        if held != self.held:  # the client's kernel has taken some of our send buffer
            self.held = held
            self.since = now
        return now - self.since > STALL_SECONDS

    def _keep_lines(self, added: int) -> None:
        """Drop the oldest log lines beyond LINE_BYTES.

        The newest always stays: by its number the client sees the gap.
        """
        self._lines.append(self._serial)
        self._line_bytes += added
        while self._line_bytes > LINE_BYTES and len(self._lines) > 1:
            dropped = len(self._waiting.pop(self._lines.popleft()))
            self._line_bytes -= dropped
            self.size -= dropped
