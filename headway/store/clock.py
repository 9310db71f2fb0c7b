"""Redis's clock, which all times of records are by."""

from __future__ import annotations

import time
from math import inf

from headway.store.functions import Functions

FRESH_SECONDS = 5.0  # for which a reading is good


class RedisClock:
    """Tells the time of Redis in microseconds since 1970."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        # When it was read (monotonic seconds), and its lead over ours (microseconds).
        self._reading = (-inf, 0)

    def now(self) -> int:
        """Ask Redis for its time."""
        seconds, micros = self._functions.client.time()
        return seconds * 1_000_000 + micros

    def after(self, seconds: float) -> int:
        """Return the time in so many seconds, by a reading that is made now and then."""
        read_at, ahead = self._reading
        if time.monotonic() - read_at > FRESH_SECONDS:
            now = self.now()
            read_at = time.monotonic()
            ahead = now - int(read_at * 1e6)
            self._reading = read_at, ahead
        return int((time.monotonic() + seconds) * 1e6) + ahead

    def expire(self) -> None:
        """Forget the reading: Redis's clock has been set."""
        self._reading = -inf, 0
