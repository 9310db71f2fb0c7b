"""Tracks the requests of a served WSGI app, so that its process can shut down gracefully."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from headway.web.server.connection_limiter import ConnectionLimiter, TrackedConnection


@dataclass
class Serving:
    """A server that runs in the background."""

    stop_accepting: Callable[[], None]
    # Returns how many connections are accepted and wait for their greenlet or thread.
    waiting: Callable[[], int] = lambda: 0


class Requests:
    """A WSGI app that keeps count of its running requests.

    Websockets do not count: shutdown closes them and does not wait for them.
    """

    def __init__(
        self, app: Callable[..., Iterable[bytes]], max_of_address: int | None = None
    ) -> None:
        """An address has at most `max_of_address` connections at a time, if that is set."""
        self._app = app
        self._connections = ConnectionLimiter(max_of_address)
        self._by_client: dict[tuple[str, int], TrackedConnection] = {}
        self.running: set[object] = set()
        self.connected: set[tuple[str, int]] = set()  # clients that have sent no request yet
        self.last = False  # whether each answer closes its connection, as the process is stopping

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        client = environ["REMOTE_ADDR"], int(environ["REMOTE_PORT"])
        self.connected.discard(client)
        if environ.get("HTTP_UPGRADE", "").lower() == "websocket":
            # A websocket has limits of its own.
            self._connections.leave(client[0], self.connection_of(client))
            return self._app(environ, start_response)
        return self._counted(environ, start_response)

    @contextlib.contextmanager
    def of(self, address: tuple[Any, ...]) -> Iterator[None]:
        """Note that a client at this address is connected, until it sends a request or leaves."""
        client = address[0], address[1]
        self.connected.add(client)
        tracked = self._by_client[client] = self._connections.enter(client[0])
        try:
            yield
        finally:
            self.connected.discard(client)
            self._connections.leave(client[0], self._by_client.pop(client, tracked))

    def connection_of(self, address: tuple[Any, ...]) -> TrackedConnection:
        """Return what is known of a connected client's connection."""
        return self._by_client.get((address[0], address[1])) or TrackedConnection()

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
