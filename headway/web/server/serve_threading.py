"""Werkzeug's server, with a thread for each connection."""

from __future__ import annotations

import logging
import socket
import threading
from typing import Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from headway.settings import REQUEST_SECONDS
from headway.web.server.request_reader import RequestReader
from headway.web.server.serving import Requests, Serving

POLL_SECONDS = 0.05  # how often the server checks whether it has to stop


class Server(ThreadedWSGIServer):
    """Knows the clients whose threads have yet to begin."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.starting: set[tuple[Any, ...]] = set()

    def process_request(self, connection: Any, address: tuple[Any, ...]) -> None:
        self.starting.add(address)
        try:
            super().process_request(connection, address)
        except BaseException:  # no thread can be started
            self.starting.discard(address)
            raise


def serve(
    listener: socket.socket,
    requests: Requests,
    _: int,
    request_seconds: float = REQUEST_SECONDS.default,
) -> Serving:
    """Serve in the background; a client has `request_seconds` to send a whole request."""

    class Handler(WSGIRequestHandler):
        """Reads checked requests only; closes a connection after its websocket."""

        rfile: Any

        def __init__(self, connection: Any, address: tuple[Any, ...], server: Server) -> None:
            with requests.of(address):
                server.starting.discard(address)
                super().__init__(connection, address, server)  # which serves it

        def setup(self) -> None:
            super().setup()
            self.rfile = RequestReader(
                self.connection,
                self.rfile,
                request_seconds,
                requests.connection_of(self.client_address),
            )

        def handle_one_request(self) -> None:
            self.rfile.begin()
            super().handle_one_request()

        def run_wsgi(self) -> None:
            self.close_connection |= "Upgrade" in self.headers
            super().run_wsgi()

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # no line for each request
    host, port = listener.getsockname()[:2]
    server = Server(host, port, requests, Handler, fd=listener.fileno())
    server.socket.settimeout(1.0)  # another process may accept the connection that this one sees
    threading.Thread(target=server.serve_forever, args=[POLL_SECONDS], daemon=True).start()

    def stop_accepting() -> None:
        server.shutdown()
        server.socket.close()  # a duplicate of the listener

    return Serving(stop_accepting, lambda: len(server.starting))
