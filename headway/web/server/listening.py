"""The listening socket of the web processes, bound once and never shared by accident."""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
import sys
import time
from collections.abc import Iterator

from headway.tcp import unaccepted

# For many clients that reconnect at once; the kernel takes its own limit if that is smaller.
BACKLOG = 4096
SO_ATTACH_FILTER = 26  # of Linux; Python has no name for it
HANDSHAKE_SECONDS = 0.2  # for a client to finish the TCP handshake that it has begun
ACCEPT_SECONDS = 2.0  # at most, for the processes to accept all that have begun
POLL_SECONDS = 0.02
# A program for Linux's packet filter, as (code, jump if true, jump if false, operand). It sees a
# segment from its TCP header on.
DROP_FIRST_SEGMENTS = [
    (0x30, 0, 0, 13),  # load the byte of flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK of it
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # drop the segment
    (0x06, 0, 0, 0xFFFFFFFF),  # take it
]


class CannotListen(Exception):
    """The address cannot be used; the message says what to do instead."""


def listen(host: str, port: int, choose: str = "another one") -> socket.socket:
    """Return a socket that listens at `host` and `port`. Raises CannotListen.

    `choose` says in the message what a person may choose instead of a port that is taken.
    SO_REUSEPORT, which eventlet's own `listen` sets, stays off: with it a second program would
    silently take half of the visitors.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"Port {port} is taken by another program: stop it, or choose {choose}"
            raise CannotListen(message) from error
        raise CannotListen(f"Cannot listen at {host}, port {port}: {error.strerror}") from error


def refuse_newcomers(listener: socket.socket) -> Iterator[float]:
    """Drop new connections' SYNs, and give seconds to sleep until those that have begun are in.

    Closing a listening socket resets the connections that wait to be accepted. Called before, with
    each nap slept, this leaves none: a newcomer's SYN is repeated after a second and finds the
    socket closed. A process that is too busy to accept them all within 2 s loses the rest. It
    affects every process that shares the socket, and only waits on systems other than Linux.
    """
    if sys.platform == "linux":
        _drop_first_segments(listener)
    yield HANDSHAKE_SECONDS
    end = time.monotonic() + ACCEPT_SECONDS
    while unaccepted(listener) and time.monotonic() < end:
        yield POLL_SECONDS


def _drop_first_segments(listener: socket.socket) -> None:
    program = ctypes.create_string_buffer(
        b"".join(struct.pack("HBBI", *step) for step in DROP_FIRST_SEGMENTS)
    )
    pointer = struct.pack("HP", len(DROP_FIRST_SEGMENTS), ctypes.addressof(program))
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)


def address_of(listener: socket.socket) -> str:
    """Return a URL to click on; a server that listens on all addresses is shown at loopback."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
