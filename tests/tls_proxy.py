"""TLS before a Redis that speaks none: what comes in is decrypted and passed on."""

from __future__ import annotations

import select
import socket
import socketserver
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

CHUNK = 65536
POLL_SECONDS = 0.02


class TlsProxy(socketserver.ThreadingTCPServer):
    """Listens on a free port of its own; `accepted` counts the handshakes that came to an end."""

    daemon_threads = False  # so that `stop` waits for them

    def __init__(self, certificate: Path, port: int) -> None:
        """`certificate`: a file with the key too; `port`: of the Redis on this machine."""
        super().__init__(("127.0.0.1", 0), Connection)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate)
        self.target = port
        self.port: int = self.server_address[1]
        self.accepted = 0
        self.open: set[Any] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(POLL_SECONDS,))
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        for end in tuple(self.open):
            with suppress(OSError):
                socket.socket.shutdown(end, socket.SHUT_RDWR)  # which wakes its thread
        self.server_close()


class Connection(socketserver.BaseRequestHandler):
    server: TlsProxy

    def handle(self) -> None:
        with (
            suppress(OSError),  # a handshake that the client broke off, for one
            self.server.tls.wrap_socket(self.request, server_side=True) as client,
            socket.create_connection(("127.0.0.1", self.server.target)) as redis,
        ):
            self.server.accepted += 1
            self.server.open |= {client, redis}
            relay(client, redis)


def relay(client: ssl.SSLSocket, redis: socket.socket) -> None:
    """Pass on what either says until one ends.

    In one thread, since a TLS connection bears no two.
    """
    while True:
        ready = [client] if client.pending() else select.select([client, redis], [], [])[0]
        for source in ready:
            data = source.recv(CHUNK)
            if not data:
                return
            (redis if source is client else client).sendall(data)
