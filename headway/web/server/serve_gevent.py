"""gevent's server."""

from __future__ import annotations

import socket
from typing import Any

from gevent import pywsgi

from headway.settings import REQUEST_SECONDS
from headway.web.server.request_reader import RequestReader
from headway.web.server.serving import Requests, Serving


def serve(
    listener: socket.socket,
    requests: Requests,
    max_connections: int,
    request_seconds: float = REQUEST_SECONDS.default,
) -> Serving:
    """Serve in the background, at most `max_connections` connections at once.

    A client has `request_seconds` to send a whole request.
    """

    class Handler(pywsgi.WSGIHandler):  # type: ignore[misc]  # untyped
        """Reads checked requests only; closes a connection after its websocket."""

        rfile: Any

        def __init__(self, connection: Any, address: Any, server: Any) -> None:
            super().__init__(connection, address, server)
            self.rfile = RequestReader(
                connection, self.rfile, request_seconds, requests.connection_of(address)
            )

        def read_requestline(self) -> str:
            self.rfile.begin()
            line: str = super().read_requestline()
            return line

        def run_application(self) -> None:
            self.close_connection |= "HTTP_UPGRADE" in self.environ
            super().run_application()

        def start_response(
            self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Any:
            last = [("Connection", "close")] if requests.last else []
            return super().start_response(status, [*headers, *last], exc_info)

    class Server(pywsgi.WSGIServer):  # type: ignore[misc]  # untyped
        def handle(self, connection: Any, address: tuple[Any, ...]) -> None:
            with requests.of(address):
                super().handle(connection, address)

    server = Server(listener, requests, log=None, handler_class=Handler, spawn=max_connections)
    server.start()
    return Serving(server.close)
