"""How many websockets of a process one client may have open."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

# Takes a handshake's environ; returns the names by which its client is counted, and how many
# websockets each may have.
QuotasOf = Callable[[dict[str, Any]], Mapping[str, int]]


class SocketQuotas:
    """Counts the open websockets of clients, by whatever names these are known."""

    def __init__(self, quotas_of: QuotasOf) -> None:
        self._quotas_of = quotas_of
        self._open: Counter[str] = Counter()
        self._names: dict[object, tuple[str, ...]] = {}  # by websocket, what it is counted by
        self._lock = threading.Lock()

    def enter(self, websocket: object, environ: dict[str, Any]) -> bool:
        """Count a websocket until it leaves; return False if its client has too many."""
        quotas = self._quotas_of(environ)
        with self._lock:
            if any(self._open[name] >= most for name, most in quotas.items()):
                return False
            self._names[websocket] = tuple(quotas)
            self._open.update(quotas.keys())
        return True

    def name_of(self, websocket: object) -> str:
        """Return the first name under which a websocket is counted, "" if it is not counted."""
        return next(iter(self._names.get(websocket, ())), "")

    def leave(self, websocket: object) -> None:
        """Count a websocket no more, if it is counted."""
        with self._lock:
            for name in self._names.pop(websocket, ()):
                self._open[name] -= 1
                if not self._open[name]:
                    del self._open[name]

    @contextmanager
    def entered(self, environ: dict[str, Any]) -> Iterator[bool]:
        """Count a websocket during a block; yields False if its client has too many."""
        websocket = object()
        try:
            yield self.enter(websocket, environ)
        finally:
            self.leave(websocket)
