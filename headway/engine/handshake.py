"""Opening handshakes: their validation, the part of the environ that is kept, and refusals."""

from __future__ import annotations

import io
import sys
from base64 import b64decode
from collections.abc import Callable
from typing import Any

# Takes a handshake's environ; returns whether it comes from another site's page.
Refuses = Callable[[dict[str, Any]], bool]
RETRY_AFTER_SECONDS = 1
TOO_MANY_SECONDS = 30  # for a client who has too many websockets already
MAX_HEAD_CHARS = 16 * 1024  # of a handshake: as long as its socket lives, they are kept
VERSION = "13"
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %s\r\n\r\n"
)
# Keys of a handshake's environ that no handler reads; the rest is kept as long as the socket.
DROPPED_KEYS = (
    "eventlet.",
    "gunicorn.",
    "werkzeug.",
    "HTTP_SEC_WEBSOCKET_",
    "HTTP_ACCEPT_",
    "HTTP_UPGRADE",
    "HTTP_CONNECTION",
    "RAW_",
    "headers_raw",
)
OF_ONE_CLIENT = ("HTTP_COOKIE", "HTTP_AUTHORIZATION", "QUERY_STRING", "REMOTE_PORT")
NO_BODY = io.BytesIO()
# What Engine.IO answers, and what its sender can do.
ADVICE = {
    "Invalid transport": (
        "Invalid transport: this server speaks websockets alone, so connect with "
        'io({transports: ["websocket"]}), or poll the status endpoint (docs/protocol.md).'
    ),
    "Invalid websocket upgrade": (
        "Invalid websocket upgrade: this is no handshake of a websocket. A proxy on the way has to "
        "pass on the headers Upgrade and Connection (docs/serve.md)."
    ),
}


def is_handshake(environ: dict[str, Any]) -> bool:
    """Whether a request opens a websocket as RFC 6455 says."""
    connection = environ.get("HTTP_CONNECTION", "").lower()
    if "upgrade" not in connection or environ.get("HTTP_SEC_WEBSOCKET_VERSION") != VERSION:
        return False
    try:
        return len(b64decode(environ.get("HTTP_SEC_WEBSOCKET_KEY", ""), validate=True)) == 16
    except ValueError:
        return False


def is_too_large(environ: dict[str, Any]) -> bool:
    """Whether a handshake has more of a head than is kept for a socket."""
    texts = (value for value in environ.values() if isinstance(value, str))
    return sum(map(len, texts)) > MAX_HEAD_CHARS


def socket_environ(environ: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a handshake's environ that a socket's handlers may read.

    Values that many sockets share are interned.
    """
    known = {
        name: sys.intern(value) if type(value) is str and name not in OF_ONE_CLIENT else value
        for name, value in environ.items()
        if not name.startswith(DROPPED_KEYS)
    }
    return {**known, "wsgi.input": NO_BODY}


def cross_site() -> dict[str, Any]:
    headers = [("Content-Type", "text/plain")]
    return {
        "status": "403 FORBIDDEN",
        "headers": headers,
        "response": b"This handshake comes from another site's page.",
    }


def no_handshake() -> dict[str, Any]:
    headers = [("Content-Type", "text/plain"), ("Sec-WebSocket-Version", VERSION)]
    return {
        "status": "400 BAD REQUEST",
        "headers": headers,
        "response": b"Not a handshake of a websocket.",
    }


def too_large() -> dict[str, Any]:
    return {
        "status": "431 Request Header Fields Too Large",
        "headers": [("Content-Type", "text/plain")],
        "response": b"A handshake's headers and cookies have 16 KiB at most.",
    }


def too_busy() -> dict[str, Any]:
    headers = [("Retry-After", str(RETRY_AFTER_SECONDS)), ("Content-Type", "text/plain")]
    return {
        "status": "503 Service Unavailable",
        "headers": headers,
        "response": b"Come back in a moment.",
    }


def too_many() -> dict[str, Any]:
    headers = [("Retry-After", str(TOO_MANY_SECONDS)), ("Content-Type", "text/plain")]
    return {
        "status": "429 Too Many Requests",
        "headers": headers,
        "response": b"You have too many connections open: close some.",
    }
