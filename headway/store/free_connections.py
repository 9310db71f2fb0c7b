"""The free connections of a client's pool."""

from __future__ import annotations

from collections import deque
from queue import Empty, Full
from threading import Lock
from typing import Any


class FreeConnections:
    """A stack of connections; one that is returned goes to the caller that has waited longest.

    The `queue_class` of redis-py's pool. A queue under greenlets wakes any of its waiters, so under
    load one could wait so long that it would take Redis to be down.
    """

    def __init__(self, maxsize: int) -> None:
        self.queue: list[Any] = []  # redis-py counts what is in it
        self._maxsize = maxsize
        self._waiters: deque[_Waiter] = deque()
        self._lock = Lock()

    def put_nowait(self, connection: Any) -> None:
        """Return a connection to the pool. Raises queue.Full."""
        with self._lock:
            if self._waiters:
                self._waiters.popleft().take(connection)
            elif len(self.queue) < self._maxsize:
                self.queue.append(connection)
            else:
                raise Full

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return a connection; wait up to `timeout` seconds for one. Raises queue.Empty."""
        with self._lock:
            if self.queue:
                return self.queue.pop()
            if not block:
                raise Empty
            waiter = _Waiter()
            self._waiters.append(waiter)
        try:
            waiter.wait(timeout)
        except BaseException:  # a greenlet may be killed at any wait
            if not self._withdraw(waiter):
                self.put_nowait(waiter.connection)
            raise
        if self._withdraw(waiter):
            raise Empty
        return waiter.connection

    def _withdraw(self, waiter: _Waiter) -> bool:
        """Stop waiting; return False if a connection had been handed over already."""
        with self._lock:
            waits = waiter in self._waiters
            if waits:
                self._waiters.remove(waiter)
            return waits


class _Waiter:
    """A caller that waits for a connection."""

    def __init__(self) -> None:
        self.connection: Any = None
        self._came = Lock()
        self._came.acquire()

    def take(self, connection: Any) -> None:
        self.connection = connection
        self._came.release()

    def wait(self, timeout: float | None) -> None:
        self._came.acquire(timeout=-1 if timeout is None else timeout)
