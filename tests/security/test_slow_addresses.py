"""One address with many slow connections: they displace each other, and nobody else's."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from app import create_app
from headway.web.server.connection_limiter import Awaited, ConnectionLimiter
from headway.web.server.serve import max_of_address
from tests.processes import wait_for
from tests.security.conftest import Served
from tests.security.test_heads import CHUNKED, GET, HOST, START
from tests.security.wire import SECOND, connect, read_all, statuses
from tests.websockets import Client, Server, serving

MOST = 4  # connections of an address
GREEDY = "127.0.0.1"
GOOD = "127.0.0.2"
SLOW = {
    "nothing": (b"", []),
    "a line": (GET, [408]),
    "a head": (GET + HOST + b"X: ", [408]),
    "a handshake": (GET + HOST + b"Upgrade: websocket\r\n", [408]),
    "a small body": (START + b"Content-Length: 1000\r\n\r\nx", [408]),
    "a chunk": (CHUNKED + b"1000\r\nx", [408]),
}


@pytest.fixture(scope="module", params=["eventlet", "gevent", "threading"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    mode = f"epoll-{request.param}"
    with serving(tmp_path_factory.mktemp(mode), mode, max_of_address=MOST) as server:
        yield server


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def opened(
    server: Server, stack: ExitStack, begun: bytes = b"", host: str = GREEDY
) -> socket.socket:
    """Return a connection from an address on which a request has begun."""
    address = ("127.0.0.1", server.port)
    client = stack.enter_context(socket.create_connection(address, 20, source_address=(host, 0)))
    client.sendall(begun)
    return client


def asked(server: Server, stack: ExitStack, what: str, host: str = GOOD) -> socket.socket:
    """Return a connection on which the server is asked to do something, and then closes it."""
    last = b"Connection: close\r\n\r\n"
    return opened(server, stack, b"GET /%b HTTP/1.1\r\n" % what.encode() + HOST + last, host)


def is_answered(server: Server, stack: ExitStack, host: str) -> bool:
    return statuses(read_all(opened(server, stack, SECOND, host))) == [200]


def ended(clients: list[socket.socket]) -> list[int]:
    """Return which of these the server has answered, or closed."""
    readable = select.select(clients, [], [], 0)[0]
    return [number for number, each in enumerate(clients) if each in readable]


@pytest.mark.parametrize("begun", SLOW)
def test_slow_requests_of_an_address_displace_each_other(
    server: Server, stack: ExitStack, begun: str
):
    data, answer = SLOW[begun]
    good = opened(server, stack, GET + HOST, GOOD)  # and it is slow, too

    clients = [opened(server, stack, data) for _ in range(5 * MOST)]

    wait_for(lambda: len(ended(clients)) == 4 * MOST)
    assert [statuses(read_all(clients[number])) for number in ended(clients)] == (
        [answer] * (4 * MOST)
    )
    assert is_answered(server, stack, GREEDY)  # who comes whole is not kept waiting
    good.sendall(b"Connection: close\r\n\r\n")
    assert statuses(read_all(good)) == [200]


def test_who_asks_for_a_websocket_where_there_is_none_keeps_no_connection(
    server: Server, stack: ExitStack
):
    asks = b"GET /x HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: upgrade\r\n\r\n"

    assert statuses(read_all(opened(server, stack, asks))) == [200]


def test_a_large_body_is_displaced_as_its_view_waits_for_it(server: Server, stack: ExitStack):
    begun = b"POST /x HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000\r\n\r\n1"
    clients = [opened(server, stack, begun) for _ in range(MOST + 2)]

    wait_for(lambda: len(ended(clients)) == 2)


def test_who_has_sent_nothing_goes_before_who_has_begun():
    limiter = ConnectionLimiter(3)
    begun, silent, kept = (limiter.enter(GREEDY) for _ in range(3))
    begun.awaits(Awaited.REST)
    kept.awaits(Awaited.NOTHING)
    kept.awaits(Awaited.REQUEST)
    cut = []
    for number, connection in enumerate((silent, kept, begun)):
        connection.ends_by(partial(cut.append, number))

    newer = [limiter.enter(GREEDY) for _ in range(2)]
    for connection in newer:
        connection.awaits(Awaited.NOTHING)
    assert cut == [0, 1]
    assert not limiter.enter(GREEDY).is_refused
    assert cut == [0, 1, 2]


def test_who_is_cut_before_anything_waits_is_cut_as_soon_as_that_does():
    limiter = ConnectionLimiter(1)
    first = limiter.enter(GREEDY)
    limiter.enter(GREEDY)
    cut = []

    first.ends_by(partial(cut.append, "first"))

    assert cut == ["first"]


def test_who_has_left_makes_room_and_leaves_nothing():
    limiter = ConnectionLimiter(1)
    first = limiter.enter(GREEDY)
    first.awaits(Awaited.NOTHING)
    assert limiter.enter(GREEDY).is_refused
    limiter.leave(GREEDY, first)
    first.awaits(Awaited.REST)  # it changes nothing more

    limiter = ConnectionLimiter(1)
    for _ in range(3):
        connection = limiter.enter(GREEDY)
        connection.awaits(Awaited.NOTHING)
        limiter.leave(GREEDY, connection)
        assert not connection.is_refused


def test_between_two_requests_a_connection_waits_as_one_without_any(
    server: Server, stack: ExitStack
):
    kept = opened(server, stack, GET + HOST + b"\r\n")
    wait_for(lambda: ended([kept]))
    assert statuses(kept.recv(65536)) == [200]

    for _ in range(MOST):
        opened(server, stack, GET + HOST)

    assert read_all(kept) == b""


def test_nobody_who_is_being_answered_is_cut_and_one_more_is_refused(
    server: Server, stack: ExitStack
):
    waiting = [asked(server, stack, "wait", GREEDY) for _ in range(MOST)]
    wait_for(lambda: read_all(asked(server, stack, "holding")).count(b"null") == MOST)

    refused = statuses(read_all(opened(server, stack, SECOND)))
    elsewhere = is_answered(server, stack, GOOD)
    read_all(asked(server, stack, "release"))

    assert (refused, elsewhere) == ([429], True)
    assert [statuses(read_all(each)) for each in waiting] == [[200]] * MOST
    wait_for(lambda: is_answered(server, stack, GREEDY))


def test_websockets_take_no_place_of_requests(server: Server, stack: ExitStack):
    sockets = [stack.enter_context(Client(server)).join() for _ in range(2 * MOST)]

    assert is_answered(server, stack, GREEDY)
    for each in sockets:
        assert each.call("echo", "still here") == "still here"


@pytest.mark.parametrize(
    ("options", "most"),
    [
        ({"RATE_LIMITS": "on"}, 200),
        ({"RATE_LIMITS": "on", "ADDRESS_CONNECTIONS": "7"}, 7),
        ({"RATE_LIMITS": "off"}, None),
        ({"RATE_LIMITS": "on", "TRUSTED_PROXIES": "1"}, None),  # all come from its address
    ],
)
def test_how_many_an_address_may_have(
    env: dict[str, str], options: dict[str, str], most: int | None
):
    assert max_of_address(create_app({**env, **options})) == most


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"RATE_LIMITS": "on", "ADDRESS_CONNECTIONS": str(MOST)}


def test_a_web_process_keeps_to_the_setting(served: Served, stack: ExitStack):
    clients = [stack.enter_context(connect(served.address)) for _ in range(2 * MOST)]
    for each in clients:
        each.sendall(GET + HOST)

    wait_for(lambda: len(ended(clients)) == MOST)
