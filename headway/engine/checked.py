"""What a client may send over a driver's websocket: what Headway's engine takes, and no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headway.engine.frames import ProtocolError, RateLimiter
from headway.engine.packets import check_message


class CheckedWebSocket:
    """A driver's websocket, which is closed when its client breaks the protocol."""

    def __init__(self, websocket: Any, close: Callable[[int], None]) -> None:
        """`close` closes it with a code."""
        self._websocket = websocket
        self._close = close
        self._limiter = RateLimiter()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._websocket, name)

    def wait(self) -> Any:
        """Return the next message; None once the websocket has closed."""
        message = self._websocket.wait()
        if message is None:
            return None
        try:
            self._limiter.take()
            check_message(message)
        except ProtocolError as error:
            self._close(error.code)
            return None
        return message
