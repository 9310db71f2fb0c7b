"""A server of Engine.IO's part alone, and a client that speaks to it by hand."""

from __future__ import annotations

import json
import socket
import struct
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from headway.engine.frames import CLOSE, TEXT
from tests.processes import Process, answers, free_port, running

LEAN_ENGINES = ["epoll-eventlet", "epoll-gevent", "epoll-threading"]
UNLIKE_ENGINES = ["epoll-eventlet", "epoll-threading"]  # gevent's is as eventlet's beyond its waits
LARGEST = 16 * 1024  # of what a client may send


class Server:
    """The server in a process of its own."""

    def __init__(
        self, folder: Path, mode: str, options: dict[str, Any], constants: dict[str, Any]
    ) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        arguments = [mode, str(self.port), json.dumps(constants), json.dumps(options)]
        self.process = Process(
            [sys.executable, "-m", "tests.engine_server", *arguments], folder / "server.log"
        )
        self.process.wait_until(lambda: answers(f"{self.address}/"))

    def do(self, what: str = "", given: Any = None) -> Any:
        """Have the server do it; returns how the server is afterwards."""
        response = requests.post(f"{self.address}/{what}", json=given, timeout=10)
        assert response.status_code == 200, self.process.output()
        return response.json()

    def push(self, *events: tuple[str, str | None]) -> Any:
        return self.do("push", events)

    @property
    def tasks(self) -> int:
        """How many threads or greenlets it has."""
        return int(self.do("tasks"))

    @property
    def memory(self) -> int:
        """Bytes of it that are in memory."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * 4096


@contextmanager
def serving(
    folder: Path,
    mode: str = "epoll-eventlet",
    constants: dict[str, Any] | None = None,
    **options: Any,
):
    server = Server(
        folder, mode, {"ping_interval": 7, "ping_timeout": 6, **options}, constants or {}
    )
    with running(server.process):
        yield server
    assert "Traceback" not in server.process.output(), server.process.output()


class Client:
    """A client that sends and reads frames by hand, and answers nothing by itself."""

    def __init__(self, server: Server, receive_buffer: int = 0) -> None:
        self._socket = socket.socket()
        self._socket.settimeout(20)
        if receive_buffer:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.connect(("127.0.0.1", server.port))
        self._data = b""
        self.opening: dict[str, Any] = {}

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, **headers: str) -> bytes:
        """Send the handshake; returns the head of the answer."""
        given = {
            "Host": "127.0.0.1",
            "Connection": "keep-alive, Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        self.write(f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n{lines}\r\n".encode())
        while b"\r\n\r\n" not in self._data:
            self._more()
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        return head

    def open(self) -> Client:
        """Open the websocket, and no more."""
        head = self.ask()
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head  # of RFC 6455, 1.3
        text = self.text()
        assert text.startswith("0")
        self.opening = json.loads(text[1:])
        return self

    def join(self) -> Client:
        """Open the websocket and connect to Socket.IO."""
        self.open().say("40")
        assert self.text().startswith("40{")
        return self

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def say(self, text: str) -> None:
        self.write(masked(text.encode()))

    def call(self, event: str, payload: Any, number: int = 0) -> Any:
        """Call the server and return the answer, which has to be the next that comes."""
        self.say(f"42{number}{json.dumps([event, payload])}")
        return self.answer(number)

    def answer(self, number: int = 0) -> Any:
        while (text := self.text()) == "2":
            self.say("3")
        assert text.startswith(f"43{number}[")
        return json.loads(text.removeprefix(f"43{number}"))[0]

    def read(self) -> tuple[int, bytes]:
        """Return opcode and payload of the next frame, which must be in its shortest form,
        whole and not masked.
        """
        head = self._take(2)
        size = head[1]
        shortest = 0
        if size == 126:
            size = int.from_bytes(self._take(2), "big")
            shortest = 126
        elif size == 127:
            size = int.from_bytes(self._take(8), "big")
            shortest = 65536
        assert head[0] & 0xF0 == 0x80
        assert size >= shortest
        return head[0] & 0x0F, self._take(size)

    def text(self) -> str:
        opcode, payload = self.read()
        assert opcode == TEXT, (opcode, payload)
        return payload.decode()

    def texts_until(self, last: str) -> list[str]:
        """Return the texts up to this one."""
        texts = [self.text()]
        while texts[-1] != last:
            texts.append(self.text())
        return texts

    def leave(self) -> int:
        """Return the code with which the server closes; answer it, and see the server leave."""
        opcode, payload = self.read()
        assert opcode == CLOSE
        self.write(masked(payload, CLOSE))
        assert self.is_cut()
        return int.from_bytes(payload[:2], "big")

    def end(self) -> int:
        """Return the code with which the server closes.

        Fails when it sends something after that, or stays.
        """
        while (found := self.read())[0] != CLOSE:
            pass
        assert self._data == b""
        assert self._socket.recv(1) == b""
        return int.from_bytes(found[1][:2], "big")

    def is_cut(self) -> bool:
        """Whether the server ends the connection, said or not."""
        try:
            while self._socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True

    def _take(self, size: int) -> bytes:
        while len(self._data) < size:
            self._more()
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def _more(self) -> None:
        data = self._socket.recv(65536)
        assert data, "the server has closed the connection"
        self._data += data


def masked(payload: bytes, opcode: int = TEXT, final: bool = True, reserved: int = 0) -> bytes:
    """Return a frame as a client sends it."""
    size = len(payload)
    mask = b"\1\2\3\4"
    length = (
        bytes([size])
        if size < 126
        else struct.pack("!BH" if size < 65536 else "!BQ", 126 + (size > 65535), size)
    )
    covered = bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))
    return (
        bytes([final << 7 | reserved << 4 | opcode, length[0] | 0x80]) + length[1:] + mask + covered
    )
