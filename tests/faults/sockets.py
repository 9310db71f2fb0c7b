"""A websocket of a visitor, whose calls notice when it ends."""

from __future__ import annotations

import queue
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import socketio

from tests.browser import OrderedClient

ANSWER_SECONDS = 5
ROUND_SECONDS = 0.05

# What a call may raise: there is no answer, and the socket is dead whatever it says.
DEAD = (socketio.exceptions.SocketIOError, OSError)


class Socket:
    """One websocket connection; it is made, or not, when the constructor returns."""

    def __init__(
        self,
        address: str,
        cookies: Mapping[str, str],
        handlers: Mapping[str, Callable[[Any], None]],
    ) -> None:
        self._socket = OrderedClient(reconnection=False)
        for event, handler in handlers.items():
            self._socket.on(event, handler)
        cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        with suppress(socketio.exceptions.ConnectionError):
            self._socket.connect(
                address, {"Cookie": cookie}, transports=["websocket"], wait_timeout=5
            )

    @property
    def open(self) -> bool:
        return bool(self._socket.connected)

    def call(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Return the acknowledgement.

        Raises one of DEAD, at once when the connection ends, which socketio's own `call` does not
        notice.
        """
        answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._socket.emit(event, payload, callback=answers.put)
        deadline = time.monotonic() + ANSWER_SECONDS
        while self.open and time.monotonic() < deadline:
            with suppress(queue.Empty):
                return answers.get(timeout=ROUND_SECONDS)
        raise socketio.exceptions.TimeoutError

    def close(self) -> None:
        """Break the connection.

        A polite end would wait for the other one, who may be out of reach.
        """
        websocket = self._socket.eio.ws
        if websocket is None or websocket.sock is None:
            return
        with suppress(OSError):
            # wakes the reader, who puts the rest in order
            websocket.sock.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + ANSWER_SECONDS
        while self.open and time.monotonic() < deadline:
            time.sleep(ROUND_SECONDS)
        websocket.shutdown()
