"""Tracks the requests of a served WSGI app, so that its process can shut down gracefully."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass
class Serving:
    """A server that runs in the background."""

    stop_accepting: Callable[[], None]
    # Returns how many connections are accepted and not handed to the server yet.
    waiting: Callable[[], int] = lambda: 0


class Requests:
    """A WSGI app that keeps count of its running requests.

    Websockets do not count: shutdown closes them and does not wait for them.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self.running: set[object] = set()
        self.connected: set[tuple[str, int]] = set()  # clients that have sent no request yet
        self.last = False  # whether each answer closes its connection, as the process is stopping

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.connected.discard((environ["REMOTE_ADDR"], int(environ["REMOTE_PORT"])))
        if environ.get("HTTP_UPGRADE", "").lower() == "websocket":
            return self._app(environ, start_response)
        return self._counted(environ, start_response)

    @contextlib.contextmanager
    def of(self, address: tuple[Any, ...]) -> Iterator[None]:
        """Note that a client at this address is connected, until it sends a request or leaves."""
        client = address[0], address[1]
        self.connected.add(client)
        try:
            yield
        finally:
            self.connected.discard(client)

    def _counted(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        request = object()
        self.running.add(request)
        try:
            answer = self._app(environ, start_response)
            try:
                yield from answer
            finally:
                if hasattr(answer, "close"):
                    answer.close()
        finally:
            self.running.discard(request)
