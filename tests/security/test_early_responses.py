"""What is answered before Flask sees a request: nothing in it can be run, framed or misread.

In each async mode's server, and by both engines.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headway.early_responses import EARLY_HEADERS
from tests.security.test_heads import BAD_BODIES, BAD_HEADS, CHUNKED, GET, HOST, TOO_LARGE
from tests.security.wire import SECOND, exchange, statuses
from tests.websockets import Server, serving

CLOSE = b"Connection: close\r\n"
UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


def asks(query: bytes, more: bytes = CLOSE, method: bytes = b"GET") -> bytes:
    return method + b" /socket.io/?" + query + b" HTTP/1.1\r\n" + HOST + more + b"\r\n"


SOCKET = b"EIO=4&transport=websocket"
REFUSED = {
    "polling": asks(b"EIO=4&transport=polling"),
    "markup for a transport": asks(b"EIO=4&transport=<script>"),
    "an old protocol": asks(b"EIO=3&transport=websocket"),
    "no upgrade": asks(SOCKET),
    "a bad key": asks(SOCKET, UPGRADE + b"Sec-WebSocket-Key: x\r\n"),
    "no key": asks(SOCKET, UPGRADE),
    "another version": asks(SOCKET, UPGRADE.replace(b"13", b"8") + KEY),
    "another site's": asks(SOCKET, UPGRADE + KEY + b"Origin: http://elsewhere.example\r\n"),
    "markup for a session": asks(SOCKET + b"&sid=%3Cscript%3E"),
    "JSONP": asks(SOCKET + b"&j=alert"),
    "a post": asks(SOCKET, CLOSE + b"Content-Length: 1\r\n", b"POST") + b"x",
    "another method": asks(SOCKET, CLOSE, b"DELETE"),
    "a preflight": asks(SOCKET, CLOSE + b"Origin: null\r\n", b"OPTIONS"),
}
MODES = ["epoll-eventlet", "epoll-gevent", "epoll-threading", "stock-eventlet"]


@pytest.fixture(scope="module", params=MODES)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp(request.param)
    with serving(folder, request.param, request_seconds=0.5) as server:
        yield server


def unguarded(answer: bytes) -> set[str]:
    """Return the headers that an answer with a body lacks."""
    head, _, body = answer.partition(b"\r\n\r\n")
    there = {line.strip().lower() for line in head.decode("latin-1").split("\r\n")}
    wanted = {f"{name}: {value}".lower() for name, value in EARLY_HEADERS}
    return wanted - there if body else set()


def test_refused_handshakes_can_be_neither_run_nor_framed(server: Server):
    answers = {name: exchange(server.address, data + SECOND) for name, data in REFUSED.items()}

    for name, answer in answers.items():
        assert statuses(answer)[0] in (200, 400, 403, 405), name
        assert unguarded(answer) == set(), name
        assert b"access-control" not in answer.lower(), name
    assert [name for name, answer in answers.items() if statuses(answer)[0] == 200] == [
        "a preflight"
    ]


def test_what_the_parser_refuses_has_no_body_of_a_servers_own(server: Server):
    sent = {name: [head + SECOND] for name, head in BAD_HEADS.items()}
    sent |= {name: [head] for name, (head, _) in TOO_LARGE.items()}
    sent |= {name: [CHUNKED, body + SECOND] for name, body in BAD_BODIES.items()}
    sent["nothing to expect"] = [GET + HOST + CLOSE + b"Expect: the-unexpected\r\n\r\n"]

    for name, data in sent.items():
        answer = exchange(server.address, *data)
        if statuses(answer) != [200]:
            assert b"<" not in answer, name
            assert unguarded(answer) == set() or b'{"' in answer, name
