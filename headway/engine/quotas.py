"""How many websockets one client may have open."""

from __future__ import annotations

import logging
import time
from _thread import RLock  # which no async mode patches
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from headway.store.errors import RedisUnavailable
from headway.store.sockets import Count
from headway.throttled import ThrottledLogger

logger = ThrottledLogger(logging.getLogger(__name__))

AWAY_SECONDS = 5.0  # after Redis did not answer, before a handshake asks it again
BATCH_SIZE = 500  # clients whose counts are sent to Redis in one call

# Takes a handshake's environ; returns the names by which its client is counted, and how many
# websockets each may have.
QuotasOf = Callable[[dict[str, Any]], Mapping[str, int]]
# As SocketRecords.note.
NoteCounts = Callable[[Mapping[str, Count]], tuple[bool, bool]]


def alone(_: Mapping[str, Count]) -> tuple[bool, bool]:
    """Note nothing: no other process counts websockets."""
    return True, True


class SocketQuotas:
    """Counts the open websockets of clients, by whatever names these are known.

    What counts is how many there are at all processes together, which Redis knows; while it is
    away, how many there are here. A handshake costs one round trip, a websocket's end none: it is
    told with the next heartbeat.
    """

    def __init__(self, quotas_of: QuotasOf, note: NoteCounts = alone) -> None:
        self._quotas_of = quotas_of
        self._note = note
        self._open: Counter[str] = Counter()
        self._names: dict[object, tuple[str, ...]] = {}  # by websocket, what it is counted by
        self._untold: set[str] = set()  # names whose count in Redis is out of date
        self._lock = RLock()
        self._away_until = 0.0

    def enter(self, websocket: object, environ: dict[str, Any]) -> bool:
        """Count a websocket until it leaves; return False if its client has too many."""
        quotas = self._quotas_of(environ)
        if not quotas:
            return True
        with self._lock:
            if any(self._open[name] >= most for name, most in quotas.items()):
                return False
            self._names[websocket] = tuple(quotas)
            self._open.update(quotas.keys())
            counts = {name: Count(self._open[name], most) for name, most in quotas.items()}
        if self._has_room(counts):
            return True
        self.leave(websocket)
        return False

    def name_of(self, websocket: object) -> str:
        """Return the first name under which a websocket is counted, "" if it is not counted."""
        return next(iter(self._names.get(websocket, ())), "")

    def leave(self, websocket: object) -> None:
        """Count a websocket no more, if it is counted."""
        with self._lock:
            for name in self._names.pop(websocket, ()):
                self._open[name] -= 1
                self._untold.add(name)
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

    def renew(self) -> None:
        """Tell Redis the counts that have changed, and that the others still hold.

        Raises RedisUnavailable.
        """
        with self._lock:
            untold = list(self._untold)
            if not untold and not self._open:
                return
        for begin in range(0, max(1, len(untold)), BATCH_SIZE):
            names = untold[begin : begin + BATCH_SIZE]
            with self._lock:
                counts = {name: Count(self._open[name], None) for name in names}
            self._tell(counts)

    def _has_room(self, counts: Mapping[str, Count]) -> bool:
        """Whether all processes together have room for a client that has room here."""
        if time.monotonic() >= self._away_until:
            try:
                return self._tell(counts)
            except RedisUnavailable as error:
                self._away_until = time.monotonic() + AWAY_SECONDS
                logger.warning("Websockets are counted here alone, as Redis is away: %s", error)
        with self._lock:
            self._untold.update(counts)
        return True

    def _tell(self, counts: Mapping[str, Count]) -> bool:
        """Send these counts to Redis; return whether it accepted them. Raises RedisUnavailable."""
        taken, were_known = self._note(counts)
        with self._lock:
            if not were_known:  # Redis has lost the others too
                self._untold.update(self._open)
            for name, count in counts.items():
                # Calls may arrive in another order than the counts were made in.
                if taken and self._open[name] == count.here:
                    self._untold.discard(name)
                else:
                    self._untold.add(name)
        return taken
