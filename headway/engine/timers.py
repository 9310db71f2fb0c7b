"""Pings, spread over their interval."""

from __future__ import annotations

from headway.engine.socket import Socket

TICKS = 2  # in a second: each wakes the process


class PingScheduler:
    """Pings each socket once per interval, and checks for its answer `timeout` seconds later.

    The pings of all sockets are spread over the interval; both times are in seconds.
    """

    def __init__(self, interval: float, timeout: float) -> None:
        if not 0 < timeout < interval:
            raise ValueError("The time-out of a ping must be shorter than the interval.")
        self._slots: list[set[Socket]] = [set() for _ in range(round(interval * TICKS))]
        self._timeout = round(timeout * TICKS)
        self._tick = 0

    def join(self, socket: Socket) -> set[Socket]:
        """Add a new socket; return its slot, which it has to leave when it ends."""
        slot = self._slots[self._tick]
        slot.add(socket)
        return slot

    def tick(self) -> None:
        """Ping the sockets that are due, and check those that were pinged `timeout` ago.

        It never skips a tick, however late: clients get the whole time to answer.
        """
        self._tick = (self._tick + 1) % len(self._slots)
        for asked in tuple(self._slots[self._tick]):
            asked.ping()
        for due in tuple(self._slots[self._tick - self._timeout]):
            due.check_timeout()
