"""HTTP that breaks RFC 9112, or never ends: 400 and closed, and nothing is read as a request that
is none.
"""

from __future__ import annotations

import time

import pytest
import requests

from tests.security.conftest import Served
from tests.security.wire import SECOND, connect, exchange, memory, read_all, statuses

START = b"POST /longtask HTTP/1.1\r\nHost: localhost\r\n"
GET = b"GET /healthz HTTP/1.1\r\n"
HOST = b"Host: localhost\r\n"
CHUNKED = START + b"Transfer-Encoding: chunked\r\n\r\n"

BAD_HEADS = {
    # Lengths and codings
    "an unknown coding": START + b"Transfer-Encoding: xchunked\r\n\r\n",
    "a coding twice": START + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
    "two codings": START + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
    "identity": START + b"Transfer-Encoding: identity\r\n\r\n",
    "a folded coding": START + b"Transfer-Encoding:\r\n chunked\r\n\r\n",
    "an empty coding": START + b"Transfer-Encoding:\r\n\r\n",
    "a quoted coding": START + b'Transfer-Encoding: "chunked"\r\n\r\n',
    "a coding with a tab in its name": START + b"Transfer-Encoding\t: chunked\r\n\r\n",
    "a coding in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a coding and a length": START + b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "a length and a coding": START + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
    # As the parser behind would take it: were it let through, the second request is answered.
    "a coding, a length and a last chunk": START
    + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "a coding in HTTP/1.0 and a last chunk": b"POST /longtask HTTP/1.0\r\nHost: localhost\r\n"
    b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": START + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
    "a length twice": START + b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "a list of lengths": START + b"Content-Length: 0, 5\r\n\r\n",
    "a length with a sign": START + b"Content-Length: +0\r\n\r\n",
    "a negative length": START + b"Content-Length: -1\r\n\r\n",
    "a length with an underscore": START + b"Content-Length: 1_0\r\n\r\n",
    "a length in hexadecimal": START + b"Content-Length: 0x5\r\n\r\n",
    "a length of other digits": START + b"Content-Length: \xb2\r\n\r\n",
    "an endless length": START + b"Content-Length: " + b"9" * 400 + b"\r\n\r\n",
    # Lines
    "a line without a colon": START + b"Content-Length 5\r\n\r\n",
    "a space before the colon": START + b"Content-Length : 5\r\n\r\n",
    "a line that begins with a space": START + b" Content-Length: 5\r\n\r\n",
    "a header without a name": GET + HOST + b": x\r\n\r\n",
    "a NUL": GET + HOST + b"X: a\0b\r\n\r\n",
    "a bare CR": GET + HOST + b"X: a\rContent-Length: 5\r\n\r\n",
    "bare LFs": GET.replace(b"\r", b"") + HOST + b"\r\n",
    "a bare LF within": GET + HOST + b"X: a\nContent-Length: 5\r\n\r\n",
    "a name that is no token": GET + HOST + b"X(y): a\r\n\r\n",
    "a name that is no ASCII": GET + HOST + b"X\xe4: a\r\n\r\n",
    # Hosts
    "no host": GET + b"\r\n",
    "two hosts": GET + HOST + HOST + b"\r\n",
    "a host with a path": GET + b"Host: localhost/x\r\n\r\n",
    "a host with a user": GET + b"Host: ada@localhost\r\n\r\n",
    "a host with a space": GET + b"Host: local host\r\n\r\n",
    # Request lines
    "no version": b"GET /healthz\r\n\r\n",
    "HTTP/0.9": b"GET /healthz HTTP/0.9\r\n\r\n",
    "HTTP/2.0": b"GET /healthz HTTP/2.0\r\n" + HOST + b"\r\n",
    "HTTP/1.01": b"GET /healthz HTTP/1.01\r\n" + HOST + b"\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two spaces": b"GET  /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "a tab": b"GET\t/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "a space before": b" GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "a space after": b"GET /healthz HTTP/1.1 \r\n" + HOST + b"\r\n",
    "a path of other bytes": b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path with ESC": b"GET /\x1b[31m HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path without a slash": b"GET healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "a path that begins with a query": b"GET ?x HTTP/1.1\r\n" + HOST + b"\r\n",
    "a tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a fragment": b"GET /healthz#x HTTP/1.1\r\n" + HOST + b"\r\n",
    "three empty lines before": b"\r\n\r\n\r\n" + GET + HOST + b"\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 50 + b"\n",
    "junk": bytes(byte for byte in range(256) if byte != 10) * 20 + b"\n",
}
TOO_LARGE = {
    "an endless request line": (b"GET /" + b"x" * 100_000, 414),
    "an endless header": (GET + HOST + b"X: " + b"x" * 100_000, 400),
    "a hundred headers": (GET + HOST + b"X: y\r\n" * 99 + b"\r\n", 431),
    "many headers": (GET + HOST + b"X: y\r\n" * 200, 431),
    "a large head": (GET + HOST + (b"X: " + b"x" * 8000 + b"\r\n") * 9, 431),
}
BAD_BODIES = {
    "a size that does not end": b"0" * 100_000,
    "a size in hexadecimal's spelling": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a size with a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "a negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "a size with an underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "a size with a space before": b" 5\r\nhello\r\n0\r\n\r\n",
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "a size before a bare LF": b"5\nhello\r\n0\r\n\r\n",
    "a size beyond all": b"f" * 40 + b"\r\nhello\r\n0\r\n\r\n",
    "an extension that does not end": b"5;" + b"x" * 100_000,
    "a chunk longer than its size": b"5\r\nhello there\r\n0\r\n\r\n",
    "a trailer without a colon": b"0\r\nX\r\n\r\n",
    "a trailer that does not end": b"0\r\n" + b"X" * 100_000,
}


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return {"REQUEST_SECONDS": "1"}


@pytest.mark.parametrize("attack", BAD_HEADS)
def test_a_bad_head_is_refused_and_what_follows_is_no_request(served: Served, attack: str):
    answer = exchange(served.address, BAD_HEADS[attack] + SECOND)

    assert statuses(answer) == [400]
    assert b"\r\nconnection: close" in answer.lower()


@pytest.mark.parametrize("attack", TOO_LARGE)
def test_a_head_that_is_too_large_is_refused(served: Served, attack: str):
    data, status = TOO_LARGE[attack]

    assert statuses(exchange(served.address, data)) == [status]


@pytest.mark.parametrize("attack", BAD_BODIES)
def test_after_a_bad_chunk_nothing_is_read(served: Served, attack: str):
    answer = exchange(served.address, CHUNKED, BAD_BODIES[attack] + SECOND)

    assert statuses(answer) == [400]


def test_chunk_sizes_without_an_end_take_no_memory(served: Served):
    before = memory(served.process.pid)

    for _ in range(4):
        exchange(served.address, CHUNKED, *[b"0" * 1_000_000] * 20)

    assert memory(served.process.pid) - before < 10_000_000


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        GET + HOST + b"X: ",
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"
        + HOST
        + b"Upgrade: websocket\r\n",
        START + b"Content-Length: 10000\r\n\r\n",
        CHUNKED + b"1000\r\n",
        CHUNKED,
    ],
    ids=["line", "head", "handshake", "body", "chunk", "chunk size"],
)
def test_what_comes_byte_by_byte_is_cut(served: Served, begun: bytes):
    with connect(served.address) as client:
        client.sendall(begun)
        taken = 0
        try:
            while taken < 600:  # a minute
                client.sendall(b"0")
                time.sleep(0.1)
                taken += 1
        except (BrokenPipeError, ConnectionResetError):
            pass
        read_all(client)

    assert taken < 600


def test_requests_that_are_sound_are_answered_on_one_connection(served: Served):
    chunked = b"5;x=y\r\nhello\r\n00\r\nX: y\r\n\r\n"
    asked = [
        b"\r\n" + GET + HOST + b"\r\n",
        GET + HOST + b"X: \x80\xff \t \r\nContent-Length: 5\r\n\r\nhello",
        GET + b"Host: [::1]:80\r\nX:\r\nTransfer-Encoding: Chunked\r\n\r\n" + chunked,
        b'GET /healthz?a=%7C|{}"<>\\^` HTTP/1.1\r\n' + HOST + b"\r\n",
        b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    ]

    answer = exchange(served.address, b"".join(asked) + SECOND)

    assert statuses(answer) == [200] * 6


def test_what_was_refused_is_one_short_line_in_the_log(served: Served):
    for _ in range(50):
        exchange(served.address, b"\x1b[31mjunk" * 1000 + b"\r\n\r\n")

    lines = served.process.output().splitlines()
    assert any("bad requests so far" in line for line in lines)
    assert all(len(line) < 200 and line.isprintable() for line in lines)
    assert len(lines) < 20
    assert requests.get(f"{served.address}/healthz", timeout=20).status_code == 200
