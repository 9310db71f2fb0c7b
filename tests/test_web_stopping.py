"""Clients that come while a web process stops: each is answered or refused, none is cut off."""

from __future__ import annotations

import http.client
import itertools
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from headway.web.server import serve, serve_threading
from headway.web.server.listening import refuse_newcomers
from headway.web.server.serving import Requests, Serving
from tests.processes import Process, freeze, running, wait_for, web
from tests.stream import get, stream_of_clients

MODES = ("eventlet", "gevent", "threading")
EXIT_SECONDS = 5
CROWD = 100
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n%s\r\n"


@pytest.fixture(params=MODES)
def process(
    request: pytest.FixtureRequest, env: dict[str, str], tmp_path: Path
) -> Iterator[tuple[Process, int]]:
    process, address = web(tmp_path, env | {"SOCKETIO_ASYNC_MODE": request.param})
    with running(process):
        yield process, int(address.rpartition(":")[2])


def test_none_of_a_stream_of_clients_is_cut_off(process: tuple[Process, int]):
    web_process, port = process
    with stream_of_clients(port) as ends:
        wait_for(lambda: len(ends) > 20)
        web_process.popen.send_signal(signal.SIGTERM)
        assert web_process.popen.wait(EXIT_SECONDS) == 0

    found = Counter(ends)
    assert set(found) == {"200", "refused"}, found


def test_a_crowd_that_has_begun_to_connect_is_answered(process: tuple[Process, int]):
    web_process, port = process
    with ExitStack() as open_clients:
        freeze(web_process.pid)
        crowd = [
            open_clients.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            for _ in range(CROWD)
        ]
        for client in crowd:
            client.sendall(GET % b"Connection: close\r\n")
        web_process.popen.send_signal(signal.SIGTERM)
        web_process.popen.send_signal(signal.SIGCONT)

        assert Counter(client.recv(12) for client in crowd) == {b"HTTP/1.1 200": CROWD}

    assert web_process.popen.wait(EXIT_SECONDS) == 0


def test_a_client_that_is_slow_to_ask_is_answered(process: tuple[Process, int]):
    web_process, port = process
    with socket.create_connection(("127.0.0.1", port), timeout=10) as slow:
        assert get(port) == "200"  # so the one before has been accepted
        web_process.popen.send_signal(signal.SIGTERM)
        wait_for(lambda: get(port) == "refused")

        slow.sendall(GET % b"")

        assert slow.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert web_process.popen.wait(EXIT_SECONDS) == 0


def test_a_client_that_says_nothing_keeps_no_process_from_ending(process: tuple[Process, int]):
    web_process, port = process
    with socket.create_connection(("127.0.0.1", port), timeout=10):
        assert get(port) == "200"
        web_process.popen.send_signal(signal.SIGTERM)

        assert web_process.popen.wait(EXIT_SECONDS) == 0


def test_a_connection_that_is_kept_is_told_that_it_ends(process: tuple[Process, int]):
    web_process, port = process
    kept = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for number in itertools.count():
        kept.request("GET", "/healthz", headers={"Connection": "keep-alive"})
        response = kept.getresponse()
        response.read()
        if response.will_close:
            break
        if number == 3:
            web_process.popen.send_signal(signal.SIGTERM)

    kept.close()
    # of a server that keeps no connection for the first time
    web_process.popen.send_signal(signal.SIGTERM)
    assert web_process.popen.wait(EXIT_SECONDS) == 0


def test_who_waits_to_be_let_in_has_time_to_ask_after_that(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(serve, "LAST_REQUESTS_SECONDS", (0.0, 0.05, 20.0))
    requests = Requests(lambda *_: [])
    waiting = [1] * 10 + [0, 0]

    def count() -> int:
        if waiting == [0, 0]:
            requests.connected.add(("127.0.0.1", 1))  # it is let in
        elif waiting == [0]:
            requests.connected.clear()  # it has asked
        return waiting.pop(0)

    serve._answer_the_last(Serving(lambda: None, count), requests)

    assert waiting == []


def test_a_client_whose_thread_has_yet_to_begin_is_waited_for():
    gate = threading.Event()

    class SlowRequests(Requests):
        @contextmanager
        def of(self, address: tuple[Any, ...]) -> Iterator[None]:
            gate.wait(20)
            with super().of(address):
                yield

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return []

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = serve_threading.serve(listener, SlowRequests(app), 10)
        with socket.create_connection(listener.getsockname(), timeout=20) as client:
            wait_for(lambda: serving.waiting() == 1)
            gate.set()
            client.sendall(GET % b"")
            assert client.recv(12) == b"HTTP/1.1 200"
        assert serving.waiting() == 0
        serving.stop_accepting()


def test_a_listener_that_refuses_newcomers_keeps_who_has_come():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        clients = [socket.create_connection(address) for _ in range(3)]

        naps = refuse_newcomers(listener)
        next(naps)
        late = socket.socket()
        late.setblocking(False)
        began = time.monotonic()
        assert late.connect_ex(address)
        assert next(naps) < 0.1
        accepted = [listener.accept()[0] for _ in clients]
        assert list(naps) == []

    for client in clients:
        client.sendall(b"here")
    assert [one.recv(4) for one in accepted] == [b"here"] * 3
    late.setblocking(True)
    late.settimeout(20)
    wait_for(lambda: late.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    assert time.monotonic() - began > 0.5  # at the kernel's second attempt
    for one in (*clients, *accepted, late):
        one.close()
