"""What a client has sent and nobody has handled yet."""

from __future__ import annotations

from collections import deque

UNREAD_BYTES = 64 * 1024  # of calls that wait; beyond it the client is not read on


class Inbox:
    """Messages of one socket: one is handled at a time, in their order, and last that the
    socket is gone.
    """

    __slots__ = ("_unread", "_waiting")

    def __init__(self) -> None:
        # None: nothing waits, and nothing is being handled
        self._waiting: deque[tuple[str, str]] | None = None
        self._unread = 0  # bytes in there

    @property
    def is_full(self) -> bool:
        return self._unread > UNREAD_BYTES

    def add(self, event: str, data: str) -> bool:
        """Have an event wait; whether nothing waited, and nothing was being handled, before."""
        was_idle = self._waiting is None
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append((event, data))
        self._unread += len(data)
        return was_idle

    def next(self) -> tuple[str, str]:
        """Return the event that has waited longest; `handled` has to be told when it has been."""
        assert self._waiting
        return self._waiting.popleft()

    def handled(self, data: str) -> bool:
        """Note that an event was handled; whether more waits."""
        self._unread -= len(data)
        if not self._waiting:
            self._waiting = None
        return self._waiting is not None

    def clear(self) -> None:
        """Forget what waits."""
        while self._waiting:
            self._unread -= len(self._waiting.pop()[1])
