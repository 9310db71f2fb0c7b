"""Hands messages to push services.

Their addresses come from browsers, so from anybody: a name must lead to public addresses alone, the
connection goes to the very address that was looked at, no redirect is followed, and of the answer
only its status is read, within a time for the whole.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from http.client import HTTPConnection, HTTPException
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import urlsplit

PORT = 443
SECONDS = 10.0  # for one delivery, after the name was looked up
MAX_ADDRESSES = 3  # of a name that are tried
MAX_STATUS = 512  # bytes of an answer's first line
PUBLIC_IPV6 = ip_network("2000::/3")  # all that is given out; others lead to sites or to IPv4
TRANSLATED = tuple(map(ip_network, ("2002::/16", "2001::/32")))  # to IPv4: 6to4, Teredo

Address: TypeAlias = tuple[str, int]  # an IP address and a port
Resolve: TypeAlias = Callable[[str], Sequence[Address]]


class NotPublic(OSError):
    """The name of a push service leads to an address that is not public."""


def post(
    endpoint: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    resolve: Resolve | None = None,
    context: ssl.SSLContext | None = None,
) -> int:
    """Hand a message to a push service; return the status of its answer.

    `resolve` returns the addresses of a host. Raises OSError where there is no answer in time.
    """
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    addresses = (resolve or public_addresses)(host)
    deadline = time.monotonic() + SECONDS
    with (
        _connect(addresses, deadline) as plain,
        (context or _context()).wrap_socket(plain, server_hostname=host) as secure,
    ):
        secure.settimeout(_left(deadline))
        connection = HTTPConnection(host)
        connection.sock = secure
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request("POST", target, body, dict(headers))
        except HTTPException as error:
            raise OSError(f"it cannot be asked: {error}") from None
        return _status(secure, deadline)


def public_addresses(host: str) -> list[Address]:
    """Return the addresses of a host. Raises NotPublic where one is not public, OSError for none.

    All of them: a name with a private address beside a public one is no push service.
    """
    found = [str(info[4][0]) for info in socket.getaddrinfo(host, PORT, type=socket.SOCK_STREAM)]
    if not all(map(is_public, found)):
        raise NotPublic(f"{host} leads to an address that is not public")
    return [(address, PORT) for address in found[:MAX_ADDRESSES]]


def is_public(text: str) -> bool:
    """Whether an IP address is one of the public internet."""
    address: IPv4Address | IPv6Address = ip_address(text)
    if isinstance(address, IPv6Address):
        if address.scope_id or address not in PUBLIC_IPV6:
            return False
        if any(address in network for network in TRANSLATED):
            return False
    return address.is_global and not address.is_multicast


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _left(deadline: float) -> float:
    """Return how long there is to wait, in seconds. Raises TimeoutError if there is nothing."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("it does not answer in time")
    return left


def _connect(addresses: Sequence[Address], deadline: float) -> socket.socket:
    failure = OSError("it has no address")
    for address in addresses:
        try:
            return socket.create_connection(address, _left(deadline))
        except OSError as error:
            failure = error
    raise failure


def _status(connection: ssl.SSLSocket, deadline: float) -> int:
    head = b""
    while b"\r\n" not in head and len(head) < MAX_STATUS:
        connection.settimeout(_left(deadline))
        piece = connection.recv(MAX_STATUS)
        if not piece:
            break
        head += piece
    words = head.split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1][:3].isdigit():
        raise OSError("its answer is not HTTP")
    return int(words[1][:3])
