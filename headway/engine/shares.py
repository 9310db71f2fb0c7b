"""How much each client asks of a web process, by the size of its calls and of their answers."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from typing import Any
from weakref import WeakValueDictionary

# What a client may ask for at once, and on average. One that asks for more is greedy: its calls are
# still handled, but few greedy clients' at a time, and those of others go first.
BURST_BYTES = 64 * 1024
BYTES_PER_SECOND = 16 * 1024


class Share:
    """How much one client has asked for, on all of its websockets together."""

    __slots__ = ("__weakref__", "_lock", "_used_until")

    def __init__(self, lock: AbstractContextManager[Any]) -> None:
        self._lock = lock
        self._used_until = 0.0  # when the average rate will have caught up with what it has had

    @property
    def is_used_up(self) -> bool:
        """Whether the client has asked for more than its share."""
        return self._used_until > time.monotonic() + BURST_BYTES / BYTES_PER_SECOND

    def spend(self, size: int) -> None:
        """Note that so many bytes were called for and answered."""
        with self._lock:
            self._used_until = max(self._used_until, time.monotonic()) + size / BYTES_PER_SECOND


class Shares:
    """The shares of all clients that have a websocket."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_name: WeakValueDictionary[str, Share] = WeakValueDictionary()

    def of(self, name: str) -> Share:
        """Return the share of the client of this name; one without a name has its own."""
        share = Share(self._lock)
        with self._lock:
            return self._by_name.setdefault(name, share) if name else share
