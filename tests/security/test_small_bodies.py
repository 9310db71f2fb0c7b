"""A server hands a request with a small body on when it is whole: a view that waits for one takes
some 70 kB.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from headway.web.request_reader import SMALL_BODY_BYTES, RequestReader
from tests.security.test_heads import START

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A client and the server's end of its connection."""
    client, connection = socket.socketpair()
    with client, connection:
        yield client, connection


def begin(connection: socket.socket) -> list[bytes]:
    """Return the lines of the next request's head."""
    with connection.makefile("rb") as file:
        reader = RequestReader(connection, file, 0.1)
        reader.begin()
        return list(iter(reader.readline, b""))


def announced(length: int, *more: bytes) -> bytes:
    return b"".join([START, b"Content-Length: %d\r\n" % length, *more, b"\r\n"])


@pytest.mark.parametrize("length", [2, SMALL_BODY_BYTES])
def test_a_small_body_that_does_not_come_is_refused_before_any_view_begins(pair: Pair, length: int):
    client, connection = pair
    client.sendall(announced(length) + b"{")

    assert begin(connection) == []
    assert client.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_a_small_body_that_ends_too_early_is_told_so(pair: Pair):
    client, connection = pair
    client.sendall(announced(2) + b"{")
    client.shutdown(socket.SHUT_WR)

    assert begin(connection) == []
    assert client.recv(1000).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "head",
    [announced(SMALL_BODY_BYTES + 1), announced(2, b"Expect: 100-continue\r\n")],
    ids=["large", "its client waits to be asked for it"],
)
def test_no_other_body_is_waited_for(pair: Pair, head: bytes):
    client, connection = pair
    client.sendall(head)
    client.shutdown(socket.SHUT_WR)

    assert b"".join(begin(connection)) == head
