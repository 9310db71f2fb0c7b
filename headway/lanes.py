"""Lets each visitor ask for one costly answer at a time: other visitors' requests go between."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

WAIT_SECONDS = 5.0  # for one's turn
# A visitor may have so many costly answers at once, and one more each so many seconds.
BURST = 10
INTERVAL_SECONDS = 0.25
MAX_LANES = 10_000  # the oldest are forgotten


class Lane:
    """The costly requests of one visitor, one after the other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paid_until = 0.0

    def enter(self) -> bool:
        """Wait for one's turn; return False if it does not come in time. Call `leave` after it."""
        if not self._lock.acquire(timeout=WAIT_SECONDS):
            return False
        now = time.monotonic()
        ahead = self._paid_until - now - BURST * INTERVAL_SECONDS
        self._paid_until = max(self._paid_until, now) + INTERVAL_SECONDS
        if ahead > 0:
            time.sleep(ahead)
        return True

    def charge(self, turns: int) -> None:
        """Have the present request cost so many turns more."""
        self._paid_until += turns * INTERVAL_SECONDS

    def leave(self) -> None:
        """Let the next one in."""
        self._lock.release()


class Lanes:
    """The lanes of the visitors who have asked for something costly of late, by name."""

    def __init__(self) -> None:
        self._by_name: OrderedDict[str, Lane] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, name: str) -> Lane:
        with self._lock:
            lane = self._by_name.setdefault(name, Lane())
            self._by_name.move_to_end(name)
            if len(self._by_name) > MAX_LANES:
                self._by_name.popitem(last=False)
        return lane
