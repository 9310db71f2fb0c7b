"""A client that writes HTTP by hand, byte for byte."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

SECOND = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def connect(address: str, seconds: float = 10.0) -> socket.socket:
    parts = urlsplit(address)
    return socket.create_connection((parts.hostname, parts.port), seconds)


def exchange(address: str, *data: bytes) -> bytes:
    """Send these bytes; return all that comes until the server closes."""
    with connect(address) as client:
        try:
            for each in data:
                client.sendall(each)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has closed already
        return read_all(client)


def read_all(client: socket.socket) -> bytes:
    """Return all that comes until the server closes; it has 10 s for that."""
    answer = b""
    try:
        while data := client.recv(65536):
            answer += data
    except ConnectionResetError:
        pass
    return answer


def statuses(answer: bytes) -> list[int]:
    """Return the status of each answer in what a server has sent."""
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)]


def memory(pid: int) -> int:
    """Return how many bytes of a process are in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
