"""Asks the kernel about a connection: has its peer left, has what was sent been taken?"""

from __future__ import annotations

import fcntl
import socket
import sys
import termios
from typing import Any

HAS_TCP_INFO = hasattr(socket, "TCP_INFO")  # Linux
ESTABLISHED = b"\x01"  # the first byte of TCP_INFO
CLOSED = b"\x07"
NO_BYTES = bytes(4)  # a count of 0
UNACKED = slice(24, 28)  # of TCP_INFO; of a listening socket it counts who waits to be accepted


def peer_closed(connection: Any) -> bool:
    """Whether the peer has closed a TCP connection; only Linux can tell."""
    return HAS_TCP_INFO and _state(connection) != ESTABLISHED


def is_over(connection: Any) -> bool:
    """Whether both ends of a connection are closed; of a Unix socket it is not known."""
    return HAS_TCP_INFO and connection.family != socket.AF_UNIX and _state(connection) == CLOSED


def has_unread(connection: Any) -> bool:
    """Whether there are bytes to read."""
    return fcntl.ioctl(connection.fileno(), termios.FIONREAD, NO_BYTES) != NO_BYTES


def untaken(fileno: int) -> bytes:
    """Return how many sent bytes the peer's kernel has not taken, as Linux counts them."""
    return fcntl.ioctl(fileno, termios.TIOCOUTQ, NO_BYTES) if HAS_TCP_INFO else NO_BYTES


def unaccepted(listener: socket.socket) -> int:
    """Return how many clients wait to be accepted; 0 where that is not known."""
    if not HAS_TCP_INFO:
        return 0
    info = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, UNACKED.stop)
    return int.from_bytes(info[UNACKED], sys.byteorder)


def _state(connection: Any) -> bytes:
    state: bytes = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    return state
