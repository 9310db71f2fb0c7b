"""The listening socket of the web processes: bound once, never shared by accident."""

from __future__ import annotations

import errno
import socket

BACKLOG = 4096  # a whole crowd that reconnects at once; the kernel takes its own limit if that is smaller


class CannotListen(Exception):
    """The address cannot be used; the message says what to do."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at `host` and `port`. Raises CannotListen.

    Without SO_REUSEPORT, which eventlet's own `listen` sets: a second program would silently take half of the visitors.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotListen(
                f"Port {port} is taken by another program: stop it, or choose another: make run PORT={port + 1}"
            ) from error
        raise CannotListen(f"Cannot listen at {host}, port {port}: {error.strerror}") from error


def address_of(listener: socket.socket) -> str:
    """Return where to click: a server that listens on every address is found on this machine's own."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
