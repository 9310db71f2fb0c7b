"""Looks up host names within a time limit; a resolver may wait half a minute for DNS."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

LOOKUP_SECONDS = 5.0


def look_up(host: str, seconds: float = LOOKUP_SECONDS) -> None:
    """Wait until DNS has answered for a host, whether or not it knows an address.

    Raises TimeoutError after `seconds`; its message says what to do.
    """
    has_answered = threading.Event()

    def ask() -> None:
        with suppress(OSError, UnicodeError):
            socket.getaddrinfo(host, None)
        has_answered.set()

    threading.Thread(target=ask, name="lookup", daemon=True).start()
    if not has_answered.wait(seconds):
        raise TimeoutError(f"DNS does not answer for {host} within {seconds:g} s: check your DNS")
