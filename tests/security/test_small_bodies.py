"""A server hands a request with a small body on when it is whole: a view that waits for one takes
some 70 kB.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from headway.web.server.request_reader import RequestReader
from headway.web.server.small_bodies import SMALL_BODY_BYTES
from tests.security.test_heads import CHUNKED, START

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A client and the server's end of its connection."""
    client, connection = socket.socketpair()
    with client, connection:
        yield client, connection


def begin(connection: socket.socket) -> RequestReader:
    """Return a reader that has taken the head of the next request."""
    reader = RequestReader(connection, connection.makefile("rb"), 0.1)
    reader.begin()
    return reader


def rest(reader: RequestReader) -> bytes:
    """Return all that a server reads, line by line."""
    return b"".join(iter(reader.readline, b""))


def announced(length: int, *more: bytes) -> bytes:
    return b"".join([START, b"Content-Length: %d\r\n" % length, *more, b"\r\n"])


@pytest.mark.parametrize(
    "begun",
    [announced(2), announced(2) + b"{", announced(SMALL_BODY_BYTES), CHUNKED, CHUNKED + b"2\r\n{"],
)
def test_a_small_body_that_does_not_come_is_refused_before_any_view_begins(
    pair: Pair, begun: bytes
):
    client, connection = pair
    client.sendall(begun)

    assert rest(begin(connection)) == b""
    assert client.recv(1000).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("begun", [announced(2) + b"{", CHUNKED, CHUNKED + b"2\r\n{"])
def test_a_small_body_that_ends_too_early_is_told_so(pair: Pair, begun: bytes):
    client, connection = pair
    client.sendall(begun)
    client.shutdown(socket.SHUT_WR)

    assert rest(begin(connection)) == b""
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

    assert rest(begin(connection)) == head


def test_a_small_body_in_chunks_gets_a_length(pair: Pair):
    client, connection = pair
    client.sendall(CHUNKED + b"3;a=b\r\none\r\n03\r\ntwo\r\n0\r\nX: y\r\n\r\nGET")

    reader = begin(connection)

    head = iter(lambda: reader.readline().lower(), b"\r\n")
    assert b"".join(head) == announced(6)[:-2].lower()
    assert (reader.read(10), reader.read(10)) == (b"onetwo", b"")


@pytest.mark.parametrize("sizes", [[SMALL_BODY_BYTES + 1], [7, 5, SMALL_BODY_BYTES - 11]])
def test_a_large_body_in_chunks_stays_one(pair: Pair, sizes: list[int]):
    client, connection = pair
    sent = b"".join(b"%x\r\n%b\r\n" % (size, b"x" * size) for size in sizes)
    with ThreadPoolExecutor() as pool:
        pool.submit(client.sendall, CHUNKED + sent + b"0\r\n\r\n")

        reader = begin(connection)

        while (line := reader.readline()) != b"\r\n":
            assert not line.lower().startswith(b"content-length")
        body = b""
        while size := int(reader.readline(), 16):
            while size:
                data = reader.read(size)
                body += data
                size -= len(data)
            assert reader.readline() == b"\r\n"
    assert body == b"x" * sum(sizes)
