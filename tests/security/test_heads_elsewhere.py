"""gevent's and Werkzeug's servers: what they read is checked as eventlet's is."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator

import pytest
from werkzeug.wsgi import LimitedStream

from headway.web.server.request_reader import RequestReader
from headway.web.server.small_bodies import SECOND_BYTES
from tests.security.test_heads import BAD_BODIES, BAD_HEADS, CHUNKED, START, TOO_LARGE
from tests.security.wire import SECOND, exchange, statuses
from tests.websockets import Client, Server, serving


@pytest.fixture(scope="module", params=["gevent", "threading"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    mode = f"epoll-{request.param}"
    with serving(tmp_path_factory.mktemp(mode), mode, request_seconds=0.5) as server:
        yield server


def test_a_body_that_came_with_its_head_is_read_as_werkzeug_reads_it():
    client, connection = socket.socketpair()
    with client, connection:
        client.sendall(START + b"Content-Length: 11\r\n\r\nhello\nworldGET")
        reader = RequestReader(connection, connection.makefile("rb"), 5)
        reader.begin()
        while reader.readline() != b"\r\n":
            pass

        assert LimitedStream(reader, 11).read() == b"hello\nworld"
        assert (reader.read(), reader.readline()) == (b"", b"")
        reader.close()


@pytest.mark.parametrize(("piece", "is_long"), [(SECOND_BYTES, True), (1, False)])
def test_a_large_body_may_take_longer_and_one_that_trickles_may_not(
    monkeypatch: pytest.MonkeyPatch, piece: int, is_long: bool
):
    now = 0.0
    waits: list[float] = []

    def receive(_: object, seconds: float) -> bytes:
        nonlocal now
        if not waits:
            waits.append(seconds)
            return START + b"Content-Length: 1000000\r\n\r\n"
        waits.append(seconds)
        now += 0.9
        return b"x" * piece

    monkeypatch.setattr("headway.web.server.incoming._receive", receive)
    monkeypatch.setattr("time.monotonic", lambda: now)
    with socket.socket() as connection:  # from which `receive` stands for what arrives
        reader = RequestReader(connection, io.BytesIO(), 5)
        reader.begin()
    while reader.readline() != b"\r\n":
        pass

    for _ in range(20):
        reader.read(piece)

    assert (waits[-1] > 4) is is_long


def test_bad_heads_are_refused_and_what_follows_is_no_request(server: Server):
    answers = {
        attack: statuses(exchange(server.address, head + SECOND))
        for attack, head in BAD_HEADS.items()
    }

    assert answers == {attack: [400] for attack in BAD_HEADS}


def test_heads_that_are_too_large_are_refused(server: Server):
    answers = {
        attack: statuses(exchange(server.address, head)) for attack, (head, _) in TOO_LARGE.items()
    }

    assert answers == {attack: [status] for attack, (_, status) in TOO_LARGE.items()}


def test_after_a_bad_chunk_nothing_is_read_and_nothing_kept(server: Server):
    before = server.memory
    answers = {
        attack: statuses(exchange(server.address, CHUNKED, body + SECOND))
        for attack, body in BAD_BODIES.items()
    }
    exchange(server.address, CHUNKED, *[b"0" * 1_000_000] * 20)

    assert answers == {attack: [400] for attack in BAD_BODIES}
    assert server.memory - before < 10_000_000


def test_a_head_that_does_not_end_is_cut_also_where_it_goes_on(server: Server):
    with Client(server) as client:
        client.write(b"GET /socket.io/ HTTP/1.1\r\nX: ")
        client._socket.settimeout(0.1)
        answer = b""
        for _ in range(100):
            try:
                client.write(b"x")
                answer += client._socket.recv(1000)
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break
            if answer:
                break

    assert statuses(answer) == [408]
