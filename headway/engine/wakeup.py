"""Wakes the async mode's own threads or greenlets from any thread."""

from __future__ import annotations

import _socket  # which no async mode patches
import logging
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress

logger = logging.getLogger(__name__)

MAX_SIGNALS = 16  # read at once: two threads may signal for one wait


class Wakeup:
    """Wakes one thread or greenlet that waits; a signal before the wait is not lost."""

    def __init__(self) -> None:
        ours, theirs = _socket.socketpair()
        theirs.setblocking(False)
        self._writer = theirs
        self._reader = socket.socket(socket.AF_UNIX, fileno=ours.detach())  # of the async mode
        self._is_signalled = False

    def signal(self) -> None:
        """Wake the waiting thread or greenlet; any thread may call it."""
        if not self._is_signalled:
            self._is_signalled = True
            with suppress(OSError):  # the waiter has closed its end
                self._writer.send(b".")

    def wait(self) -> None:
        """Wait for the next signal; look for what to do only afterwards."""
        self._reader.recv(MAX_SIGNALS)
        self._is_signalled = False

    def close(self) -> None:
        self._writer.close()
        self._reader.close()


class CallQueue:
    """Calls that the loop's thread leaves to the async mode's own threads or greenlets.

    It must not wait, and where there are greenlets not even log: a lock of theirs that is taken
    would hold it for ever.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], object]] = deque()
        self._wakeup: Wakeup | None = None  # until the start: a process may fork before

    def start(self, start: Callable[[Callable[[], None]], object]) -> None:
        """Make the calls from now on; `start` starts a background task."""
        self._wakeup = self._wakeup or Wakeup()
        start(self._run)

    def add(self, call: Callable[[], object]) -> None:
        """Have this called soon, after those added before; any thread may call it."""
        self._waiting.append(call)
        if self._wakeup:
            self._wakeup.signal()

    def _run(self) -> None:
        assert self._wakeup
        while True:
            while self._waiting:
                call = self._waiting.popleft()
                try:
                    call()
                except Exception:
                    logger.exception("What the loop left to do failed")
            self._wakeup.wait()
