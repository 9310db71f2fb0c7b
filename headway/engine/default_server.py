"""Engine.IO's own server and sockets, with Headway's limits and close codes."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import engineio
from engineio.exceptions import SocketIsClosedError

from headway.early_responses import EARLY_HEADERS
from headway.engine.checked import CheckedWebSocket
from headway.engine.events import Event
from headway.engine.feed import READ_BYTES, Receive
from headway.engine.frames import close_frame
from headway.engine.handshake import (
    ADVICE,
    Refuses,
    cross_site,
    is_handshake,
    is_too_large,
    no_handshake,
    too_busy,
    too_large,
    too_many,
)
from headway.engine.quotas import NoteCounts, QuotasOf, SocketQuotas
from headway.engine.simple import let_go, limit


class DefaultServer(engineio.Server):
    """Engine.IO's own server and sockets, with Headway's limits and close codes."""

    def __init__(
        self,
        max_sockets: int,
        refuses: Refuses,
        quotas_of: QuotasOf,
        note_counts: NoteCounts,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._quotas = SocketQuotas(quotas_of, note_counts)
        self.renew_counts = self._quotas.renew
        self._max_sockets = max_sockets
        self._refuses = refuses
        self._open: dict[str, Any] = {}
        self._async: dict[str, Any] = {
            **self._async,
            "websocket": partial(self._accept, self._async["websocket"]),
        }

    def sender_for(self, sid: str) -> Callable[[Event], None]:
        """Return a function that sends an event to a socket, and nothing once that has ended."""

        def push(event: Event) -> None:
            with suppress(SocketIsClosedError):  # it closed just now; the others get the event
                self.send_packet(sid, event.packet)

        return push

    def read(self, connection: Any, receive: Receive) -> Iterator[None]:
        """Pass on what a connection receives, until it ends.

        Yields where `receive` has left something; it may be called in another thread, which must
        not wait.
        """
        while data := connection.recv(READ_BYTES):
            if receive(data):
                yield

    def yield_turn(self) -> None:
        """Let the rest of the process run."""
        self.sleep(0)

    def end(self, code: int, sids: Iterable[str] | None = None) -> None:
        """Close these websockets, or all, with this close code.

        A client that does not read it loses its connection too.
        """
        for sid in tuple(self._open) if sids is None else sids:
            if connection := self._open.get(sid):
                with suppress(OSError):
                    connection.setblocking(False)
                    connection.send(close_frame(code))
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_request(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """Answer a request as Engine.IO does, with the headers of early responses."""

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*headers, *EARLY_HEADERS], *more)

        return super().handle_request(environ, start)

    def _bad_request(self, message: str | None = None) -> Any:
        return super()._bad_request(ADVICE.get(message or "", message))

    def _log_error_once(self, message: str, message_key: str) -> None:
        # It may quote a request's session id, with an end of a line, or what a terminal obeys.
        super()._log_error_once(message.encode("unicode_escape").decode(), message_key)

    def _handle_connect(self, environ: dict[str, Any], *args: Any) -> Any:
        if refusal := self._refusal(environ):
            return refusal
        with self._quotas.entered(environ) as has_room:  # until the websocket has ended
            return super()._handle_connect(environ, *args) if has_room else too_many()

    def _refusal(self, environ: dict[str, Any]) -> dict[str, Any] | None:
        if self._refuses(environ):
            return cross_site()
        if self._is_full():
            return too_busy()
        if is_too_large(environ):
            return too_large()
        return None if is_handshake(environ) else no_handshake()

    def _is_full(self) -> bool:
        """Whether there is no room for another socket."""
        return len(self.sockets) >= self._max_sockets

    def _accept(self, accept: Callable[..., Any], handler: Any, engineio: Any) -> Any:
        """Make a websocket's WSGI app with the driver's `accept`, and track its connection."""
        sid = handler.__self__.sid

        def handle(websocket: Any) -> Any:
            self._open[sid] = self._connection_of(websocket)
            try:
                return handler(CheckedWebSocket(websocket, lambda code: self.end(code, [sid])))
            finally:
                del self._open[sid]
                if is_simple:
                    let_go(websocket.ws)

        app = accept(handle, engineio)
        is_simple = hasattr(app, "server_args")  # by simple-websocket, which has no limits itself
        if is_simple:
            limit(app.server_args, self.max_http_buffer_size)
        return app

    def _connection_of(self, websocket: Any) -> Any:
        """Return the websocket's connection, which fails from now on when its client hangs.

        Its reads and writes time out where a client is silent, or reads nothing, for too long.
        """
        if hasattr(websocket, "socket"):
            return websocket.socket  # Engine.IO sets the limit
        connection = websocket.ws.sock.connection  # `end` waits for nobody who sends
        seconds = self.ping_interval + self.ping_timeout
        if os.get_blocking(connection.fileno()):
            limit = struct.pack("@ll", int(seconds), 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        else:
            connection.settimeout(seconds)
        return connection
