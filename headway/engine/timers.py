"""Pings, spread over their interval."""

from __future__ import annotations

from headway.engine.socket import Socket

TICKS = 2  # in a second: each wakes the process


class PingScheduler:
    """Pings each socket once in an interval, spread over it, and checks for the answer some
    time later.
    """

    def __init__(self, interval: float, timeout: float) -> None:
        if not 0 < timeout < interval:
            raise ValueError("The time-out of a ping must be shorter than the interval.")
        self._slots: list[set[Socket]] = [set() for _ in range(round(interval * TICKS))]
        self._timeout = round(timeout * TICKS)
        self._tick = 0

    def join(self, socket: Socket) -> set[Socket]:
        """Return the slot of a new socket: it leaves the slot when it ends."""
        slot = self._slots[self._tick]
        slot.add(socket)
        return slot

    def tick(self) -> None:
        """Do what is due. One tick at a time, however late: clients get the time to answer that
        they were told of.
        """
        self._tick = (self._tick + 1) % len(self._slots)
        for asked in tuple(self._slots[self._tick]):
            asked.ping()
        for due in tuple(self._slots[self._tick - self._timeout]):
            due.check_timeout()
