"""A stand-in for a Redis without functions: it answers as Redis 6.2 does to what Headway begins
with.
"""

from __future__ import annotations

import socketserver
import threading
from typing import Any

REPLIES = {
    "AUTH": b"+OK\r\n",
    "CLIENT": b"+OK\r\n",
    "GET": b"$-1\r\n",
    "PING": b"+PONG\r\n",
    "PUBLISH": b":0\r\n",
    "SELECT": b"+OK\r\n",
    "TIME": b"*2\r\n$10\r\n1795849881\r\n$6\r\n958437\r\n",
}


class OldRedis(socketserver.ThreadingTCPServer):
    """Listens on this machine, at a free port unless one is given.

    `version` "" is one that knows no HELLO.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, version: str = "6.2.14", port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Conversation)
        self.version = version
        self.asked: list[str] = []
        self.url = f"redis://127.0.0.1:{self.server_address[1]}/0"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_: Any) -> None:
        self.shutdown()
        self.server_close()


class Conversation(socketserver.StreamRequestHandler):
    server: OldRedis

    def handle(self) -> None:
        while count := self.rfile.readline().strip():
            words = [self._word() for _ in range(int(count[1:]))]
            self.server.asked.append(words[0].upper())
            self.wfile.write(self._reply(words))

    def _word(self) -> str:
        length = int(self.rfile.readline()[1:])
        return self.rfile.read(length + 2)[:-2].decode()

    def _reply(self, words: list[str]) -> bytes:
        command = words[0].upper()
        version = self.server.version
        if command == "HELLO" and version:
            said = ("server", "redis", "version", version)
            return b"*4\r\n" + b"".join(
                b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in said
            )
        if command in REPLIES:
            return REPLIES[command]
        args = "".join(f"`{word[:128]}`, " for word in words[1:])
        return f"-ERR unknown command `{words[0]}`, with args beginning with: {args}\r\n".encode()
