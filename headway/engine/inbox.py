"""Messages of a client that have not been handled yet."""

from __future__ import annotations

from collections import deque

UNREAD_BYTES = 64 * 1024  # of unhandled calls; beyond it reading from the client pauses


class Inbox:
    """Messages of one socket, handled one at a time and in order; its disconnect comes last."""

    __slots__ = ("_is_paused", "_unread", "_waiting")

    def __init__(self) -> None:
        # None when idle: nothing waits, and nothing is being handled.
        self._waiting: deque[tuple[str, str]] | None = None
        self._is_paused = False
        self._unread = 0  # bytes that wait or are being handled

    @property
    def is_full(self) -> bool:
        return self._unread > UNREAD_BYTES

    def add(self, event: str, data: str) -> bool:
        """Queue an event; return whether the inbox was idle before."""
        was_idle = self._waiting is None
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append((event, data))
        self._unread += len(data)
        return was_idle

    def next(self) -> tuple[str, str]:
        """Return the oldest event; call `handled` when it has been handled."""
        assert self._waiting
        return self._waiting.popleft()

    def handled(self, data: str) -> bool:
        """Note that an event was handled; return whether more wait."""
        self._unread -= len(data)
        if not self._waiting:
            self._waiting = None
        return self._waiting is not None

    def pause(self) -> None:
        """Note that what waits is not handled until `resume`."""
        self._is_paused = True

    def resume(self) -> bool:
        """Return whether it was paused, and is no more."""
        was_paused = self._is_paused
        self._is_paused = False
        return was_paused

    def clear(self) -> None:
        """Discard what waits."""
        while self._waiting:
            self._unread -= len(self._waiting.pop()[1])
