"""Handles the calls of many sockets in a few threads."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

from headway.engine.socket import Socket

logger = logging.getLogger(__name__)


class ThreadQueue:
    """Handles the messages of waiting sockets, one message of each in turn.

    Threads are started as they are needed, up to `workers` of them, and stay.
    """

    def __init__(
        self,
        workers: int,
        again: Callable[[Socket], None],
        start: Callable[[Callable[[], None]], object],
    ) -> None:
        """Start; `again` is given a socket for which more waits, `start` starts a thread."""
        self._most = workers
        self._again = again
        self._start = start
        self._sockets: SimpleQueue[Socket] = SimpleQueue()
        self._lock = threading.Lock()
        self._workers = 1
        self._busy = 0
        start(self._work)

    def __len__(self) -> int:
        return self._sockets.qsize()

    def add(self, socket: Socket) -> None:
        """Note that a message of this socket waits."""
        self._sockets.put(socket)

    def _work(self) -> None:
        while True:
            socket = self._sockets.get()
            self._leave_one_waiting()
            try:
                if socket.work():
                    self._again(socket)
            except BaseException:  # whatever a handler raises, KeyboardInterrupt too
                logger.exception("A socket's message could not be handled")
            with self._lock:
                self._busy -= 1

    def _leave_one_waiting(self) -> None:
        """Start one more thread where this was the last that waited for sockets."""
        with self._lock:
            self._busy += 1
            lacks_one = self._busy == self._workers < self._most
            self._workers += lacks_one
        if lacks_one:
            try:
                self._start(self._work)
            except RuntimeError:  # the system has no thread more: those that there are go on
                with self._lock:
                    self._workers -= 1
