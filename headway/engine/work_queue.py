"""Handles the calls of many sockets in a few greenlets."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from headway.engine.socket import Socket

TURN_SECONDS = 0.005  # of handling calls, before other greenlets have their turn


class WorkQueue:
    """Handles the messages of waiting sockets, one message of each in turn.

    While a worker blocks, another one goes on, up to `workers` of them.
    """

    def __init__(
        self,
        workers: int,
        again: Callable[[Socket], None],
        start: Callable[[Callable[[], None]], object],
        sleep: Callable[[float], Any],
        call: Callable[[Callable[[], None]], None],
    ) -> None:
        """Set up the queue.

        `again` is given a socket for which more waits, `start` starts a background task, `sleep`
        yields to the others, `call` has a function called in a greenlet.
        """
        self._most = workers
        self._again = again
        self._start = start
        self._sleep = sleep
        self._call = call
        self._sockets: deque[Socket] = deque()
        self._workers = 0
        self._starting = False  # whether one of them has not begun yet

    def __len__(self) -> int:
        return len(self._sockets)

    def add(self, socket: Socket) -> None:
        """Note that a message of this socket waits; any thread may call it."""
        self._sockets.append(socket)
        self._call(self._have_a_worker)

    def _work(self) -> None:
        self._starting = False
        until = time.monotonic() + TURN_SECONDS
        try:
            while self._sockets:
                socket = self._sockets.popleft()
                self._have_a_worker()
                if socket.work():
                    self._again(socket)
                if time.monotonic() > until:
                    self._sleep(0)
                    until = time.monotonic() + TURN_SECONDS
        finally:
            self._workers -= 1

    def _have_a_worker(self) -> None:
        """Start one more worker with the next turn, if there is anything left for it."""
        if self._sockets and not self._starting and self._workers < self._most:
            self._starting = True
            self._workers += 1
            self._start(self._work)


def make_queue(engine: Any, workers: int) -> WorkQueue:
    return WorkQueue(
        workers,
        engine.has_work,
        engine.start_background_task,
        engine.sleep,
        engine.calls.add,
    )
