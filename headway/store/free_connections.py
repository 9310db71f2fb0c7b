"""The free connections of a client's pool."""

from __future__ import annotations

from collections import deque
from queue import Empty, Full
from threading import Lock
from typing import Any


class FreeConnections:
    """A stack of connections; one that comes back goes to whoever has waited longest.

    The `queue_class` of redis-py's pool. The queues of a green process give to any of those who
    wait: among many that come again and again, one may wait until it takes Redis for away.
    """

    def __init__(self, maxsize: int) -> None:
        self.queue: list[Any] = []  # redis-py counts what is in it
        self._maxsize = maxsize
        self._waiters: deque[_Waiter] = deque()
        self._lock = Lock()

    def put_nowait(self, connection: Any) -> None:
        """Give a connection back. Raises queue.Full."""
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
        except BaseException:  # a greenlet may be ended at any wait
            if not self._leave(waiter):
                self.put_nowait(waiter.connection)
            raise
        if self._leave(waiter):
            raise Empty
        return waiter.connection

    def _leave(self, waiter: _Waiter) -> bool:
        """Have someone wait no more; return whether they were still waiting."""
        with self._lock:
            waits = waiter in self._waiters
            if waits:
                self._waiters.remove(waiter)
            return waits


class _Waiter:
    """Someone who waits for a connection."""

    def __init__(self) -> None:
        self.connection: Any = None
        self._came = Lock()
        self._came.acquire()

    def take(self, connection: Any) -> None:
        self.connection = connection
        self._came.release()

    def wait(self, timeout: float | None) -> None:
        self._came.acquire(timeout=-1 if timeout is None else timeout)
