"""A connection that the loop reads beside the websockets: the subscription to Redis."""

from __future__ import annotations

import _socket  # which no async mode patches
import os
from collections.abc import Callable, Iterator
from typing import Any

from headway.engine.protocols import Loop
from headway.engine.wakeup import Wakeup

READ_BYTES = 256 * 1024

# Takes what has arrived; returns whether it leaves something for `leftovers` to yield for.
Receive = Callable[[bytes], bool]


class Feed:
    """A connection that the loop reads; the loop's thread passes on what arrives."""

    closed = False

    def __init__(self, loop: Loop, connection: Any, receive: Receive) -> None:
        """Read a duplicate of `connection`, by which its owner may go on sending, and break it."""
        self._loop = loop
        self._connection = _socket.socket(fileno=os.dup(connection.fileno()))
        self._connection.setblocking(False)
        self._receive = receive
        self._wakeup = Wakeup()
        self._error: Exception | None = None

    @property
    def fileno(self) -> int:
        return self._connection.fileno()

    def leftovers(self) -> Iterator[None]:
        """Yield whenever `receive` has left something, until the connection ends.

        Raises what broke it, once all that it left has been yielded for.
        """
        try:
            self._loop.register(self)
            while True:
                self._wakeup.wait()
                error = self._error
                yield
                if error:
                    raise error
        finally:
            self._loop.unregister(self)
            self._connection.close()
            self._wakeup.close()

    # Called by the loop

    def receive(self) -> None:
        try:
            data = self._connection.recv(READ_BYTES)
            if not data:
                raise ConnectionError("The other end has closed the connection.")
            has_leftovers = self._receive(data)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        if has_leftovers:
            self._wakeup.signal()

    def drop(self) -> None:
        """End it after a failure, which is logged."""
        self._end(ConnectionError("What has arrived could not be handled."))

    def _end(self, error: Exception) -> None:
        self._loop.unregister(self)  # which would call at once again
        self._error = error
        self._wakeup.signal()
