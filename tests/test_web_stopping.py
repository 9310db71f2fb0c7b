"""Clients that come while a web process stops: each is answered or refused, none is cut off."""

from __future__ import annotations

import http.client
import itertools
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from headway.web.server.listening import refuse_newcomers
from tests.processes import Process, running, wait_for, web
from tests.stream import get, stream_of_clients

MODES = ("eventlet", "gevent", "threading")
EXIT_SECONDS = 5
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


def test_a_listener_that_refuses_newcomers_keeps_who_has_come():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        clients = [socket.create_connection(address) for _ in range(3)]

        refuse_newcomers(listener)
        late = socket.socket()
        late.setblocking(False)
        began = time.monotonic()
        assert late.connect_ex(address)
        accepted = [listener.accept()[0] for _ in clients]

    for client in clients:
        client.sendall(b"here")
    assert [one.recv(4) for one in accepted] == [b"here"] * 3
    late.setblocking(True)
    late.settimeout(20)
    wait_for(lambda: late.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    assert time.monotonic() - began > 0.5  # at the kernel's second attempt
    for one in (*clients, *accepted, late):
        one.close()
