"""A client that asks on and takes no answers: the next one is not made before."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from headway.web.server import incoming, request_reader
from headway.web.server.request_reader import RequestReader
from tests.security.wire import SECOND

ANSWER = b"x" * 1_000_000  # more than the client's small buffer takes
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(params=["TCP", "Unix"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A client that has sent a request, and the server's end, to which an answer was written."""
    client, connection = tcp_pair() if request.param == "TCP" else socket.socketpair()
    with client, connection:
        connection.setblocking(False)
        connection.send(ANSWER)
        connection.setblocking(True)
        client.sendall(SECOND)
        yield client, connection


def tcp_pair() -> Pair:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(listener.getsockname())
        return client, listener.accept()[0]


def begin(connection: socket.socket) -> bytes:
    """Have a reader begin the next request; return its head, b"" where there is to be none."""
    reader = RequestReader(connection, connection.makefile("rb"), 10)
    reader.begin()
    return b"".join(iter(reader.readline, b""))


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What to do, a call each, while the server waits between two looks."""
    doing: list[Any] = []
    monkeypatch.setattr(incoming.time, "sleep", lambda _: doing.pop(0)())
    return doing


def test_the_next_request_begins_once_the_answer_before_is_taken(pair: Pair, looks: list[Any]):
    client, connection = pair
    client.settimeout(0.2)

    def take_all() -> None:
        with suppress(TimeoutError):
            while client.recv(1_000_000):
                pass

    looks += [lambda: client.recv(1000), take_all]

    assert begin(connection) == SECOND
    assert looks == []


def test_who_has_reset_the_connection_is_not_waited_for(looks: list[Any]):
    client, connection = tcp_pair()
    with client, connection:
        connection.setblocking(False)
        connection.send(ANSWER)
        client.sendall(SECOND)

        def reset() -> None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()

        looks.append(reset)

        assert begin(connection) == b""


def test_who_takes_nothing_is_waited_for_as_long_as_one_who_asks_nothing(
    pair: Pair, looks: list[Any], monkeypatch: pytest.MonkeyPatch
):
    _, connection = pair
    monkeypatch.setattr(request_reader, "SILENCE_SECONDS", 0)
    looks += [lambda: None] * 3

    assert begin(connection) == b""


def test_an_address_that_needs_the_place_ends_the_wait(pair: Pair, looks: list[Any]):
    _, connection = pair
    reader = RequestReader(connection, connection.makefile("rb"), 10)
    looks.append(reader._tracked.cut)

    reader.begin()

    assert reader.readline() == b""
