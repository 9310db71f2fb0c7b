"""Looks host names up within a time limit: a resolver waits for a DNS that does not answer for
half a minute.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

LOOKUP_SECONDS = 5.0


def look_up(host: str, seconds: float = LOOKUP_SECONDS) -> None:
    """Wait until DNS has answered for a host, whether it knows an address or not.

    Raises TimeoutError after so many seconds; its words say what to do.
    """
    has_answered = threading.Event()

    def ask() -> None:
        with suppress(OSError, UnicodeError):
            socket.getaddrinfo(host, None)
        has_answered.set()

    threading.Thread(target=ask, name="lookup", daemon=True).start()
    if not has_answered.wait(seconds):
        raise TimeoutError(f"DNS does not answer for {host} within {seconds:g} s: check your DNS")
