"""A request that is refused before its body is read: nothing of the body is read as a request."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import Valkey, running, web
from tests.security.conftest import Served
from tests.security.wire import SECOND, connect, read_all, statuses

HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5_000
# What stands before the body, and what after it.
LENGTH = (b"Content-Length: %d\r\n\r\n" % len(HIDDEN), b"")
CHUNK = (b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(HIDDEN), b"\r\n0\r\n\r\n")
FORM = b"Content-Type: multipart/form-data; boundary=b\r\n"
REFUSED = {
    "no such address": (b"POST /nowhere", b""),
    "no such task": (b"POST /tasks/x/cancel", b""),
    "another method": (b"POST /healthz", b""),
    "another site": (b"POST /longtask", b"Origin: http://evil.example\r\n"),
    "too large": (b"POST /tasks", b"Content-Type: application/json\r\n"),
    "an upload without a boundary": (b"POST /uploads", FORM.replace(b"; boundary=b", b"")),
}


@pytest.fixture(scope="module", params=["eventlet", "gevent", "threading"])
def served(
    request: pytest.FixtureRequest, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("web")
    env = {
        "REDIS_URL": valkey.url,
        "DATA_DIR": str(folder),
        "SECRET_KEY": "a secret for the tests",
        "SOCKETIO_ASYNC_MODE": request.param,
    }
    process, address = web(folder, env)
    with running(process):
        yield Served(process, address)


@pytest.mark.parametrize("framing", [LENGTH, CHUNK], ids=["length", "chunk"])
@pytest.mark.parametrize("refused", REFUSED)
def test_of_a_body_that_is_refused_nothing_is_a_request(
    served: Served, refused: str, framing: tuple[bytes, bytes]
):
    line, more = REFUSED[refused]
    before, after = framing
    head = line + b" HTTP/1.1\r\nHost: localhost\r\n" + more + before

    with connect(served.address) as client:
        client.sendall(head + HIDDEN[:1_000])
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(HIDDEN[1_000:] + after + SECOND)
        answer = read_all(client)

    # The whole body may be read, and then the next request; else the connection ends, by which an
    # answer may be lost.
    first, *others = statuses(answer) or [400]
    assert 400 <= first < 500
    assert others in ([], [200])
