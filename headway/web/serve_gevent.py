"""gevent's server."""

from __future__ import annotations

import socket
from typing import Any

from gevent import pywsgi

from headway.web.serving import Requests, Serving


def serve(listener: socket.socket, requests: Requests, max_connections: int) -> Serving:
    """Serve in the background, at most `max_connections` connections at once."""

    class Handler(pywsgi.WSGIHandler):  # type: ignore[misc]  # untyped
        """Closes a connection after its websocket: no other request follows on it."""

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
