"""A proxy before a web process, which lives below a path there: it takes the path away, and
says so in a header.
"""

from __future__ import annotations

import re
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import ClassVar

REQUEST = re.compile(rb"([A-Z]+) ([^ ]*) ([^\r]*)\r\n")


class Handler(socketserver.StreamRequestHandler):
    """One connection: one request and its answer, or a websocket."""

    server: PathProxy

    def handle(self) -> None:
        head = b"".join(iter(self.rfile.readline, b"\r\n"))
        request = REQUEST.match(head)
        if request is None:
            return
        path = request[2]
        self.server.asked.append(path.decode())
        if not path.startswith(self.server.prefix + b"/"):
            self.wfile.write(
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            return
        line = b"%s %s %s\r\n" % (request[1], path.removeprefix(self.server.prefix), request[3])
        extra = b"X-Forwarded-Prefix: %s\r\n" % self.server.prefix
        if b"\r\nupgrade: websocket" not in head.lower():
            head = re.sub(rb"(?i)\r\nconnection: [^\r]*", b"\r\nConnection: close", head)
        with socket.create_connection(self.server.behind) as behind:
            behind.sendall(line + extra + head[request.end() :] + b"\r\n")
            answers = threading.Thread(target=pump, args=(behind, self.connection))
            answers.start()
            with suppress(OSError):
                while data := self.rfile.read1(65536):  # type: ignore[attr-defined]
                    behind.sendall(data)
                behind.shutdown(socket.SHUT_WR)
            answers.join()


class PathProxy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    asked: ClassVar[list[str]] = []

    def __init__(self, address: str, prefix: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.prefix = prefix.encode()
        host, _, port = address.removeprefix("http://").partition(":")
        self.behind = host, int(port)
        self.address = f"http://127.0.0.1:{self.server_address[1]}"
        self.asked = []


def pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_RDWR)


@contextmanager
def below(address: str, prefix: str) -> Iterator[PathProxy]:
    """Put the server at this address below `prefix`."""
    with PathProxy(address, prefix) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=[0.05])
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
