"""What one client, or a crowd of them, can make a web process keep and log."""

from __future__ import annotations

import gc
import os
import secrets
import socket
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest
import requests
from jinja2.runtime import Context

from headway.web.api.reading import NOT_FOUND
from headway.web.handlers import _after, _streams, _task_ids, guarded
from tests.processes import ROOT, wait_for
from tests.security.conftest import Served
from tests.security.wire import connect, memory
from tests.websockets import LEAN_ENGINES, Client, serving

GREW = 20_000_000  # bytes
SMALL_BUFFER = 4096
UNKNOWN = "/status/7f3a1c52-0000-4000-8000-000000000000"


def test_cookies_that_are_all_different_are_not_kept(served: Served):
    def visit(times: int) -> None:
        with requests.Session() as visitor:
            for _ in range(times):
                junk = f"headway_session={secrets.token_urlsafe(5_000)}"
                more = "; ".join(f"c{n}={secrets.token_urlsafe(700)}" for n in range(5))
                headers = {"Cookie": f"{junk[:7000]}"}
                headers["X-More"] = more
                assert visitor.get(served.address + UNKNOWN, headers=headers).status_code == 404

    visit(50)
    before = memory(served.process.pid)
    visit(800)  # of 12 kB

    assert memory(served.process.pid) - before < 4_000_000


def test_a_client_that_has_not_sent_its_request_takes_a_few_kilobytes(served: Served):
    clients = 400

    def open_all() -> list[socket.socket]:
        opened = [connect(served.address) for _ in range(clients)]
        for each in opened:
            each.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        assert requests.get(f"{served.address}/healthz", timeout=10).status_code == 200
        return opened

    requests.get(f"{served.address}/healthz", timeout=10)
    before = memory(served.process.pid)
    waiting = open_all()
    wait_for(lambda: open_files(served.process.pid) > clients, message="not all are connected")
    grown = memory(served.process.pid) - before
    for each in waiting:
        each.close()

    assert grown / clients < 19_500  # a buffer for answers would take 16 KiB more


PLAIN_SERVER = """
import eventlet
eventlet.monkey_patch()
import gc, socket
from headway.web.server.serve_eventlet import serve
from headway.web.server.serving import Requests

def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]

listener = socket.create_server(("127.0.0.1", 0))
address = listener.getsockname()
serve(listener, Requests(app), 100)
gc.collect()
gc.disable()
for _ in range(5):
    with socket.create_connection(address) as client:
        client.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
        while client.recv(4096):
            pass
eventlet.sleep(0.1)
print(sum(type(each).__name__ == "Protocol" for each in gc.get_objects()))
"""


def test_of_a_connection_that_has_ended_nothing_waits_for_the_garbage_collector():
    command = [sys.executable, "-W", "ignore", "-c", PLAIN_SERVER]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert (ended.stdout.strip(), ended.stderr) == ("0", "")


def test_of_a_page_that_was_sent_nothing_waits_for_the_garbage_collector(client: Any):
    client.post("/longtask")
    client.get("/")  # the first one is compiled
    gc.collect()
    gc.disable()
    try:
        before = contexts()
        for _ in range(3):
            assert client.get("/").status_code == 200
        after = contexts()
    finally:
        gc.enable()

    assert after <= before


def contexts() -> int:
    """Return how many contexts of templates are kept."""
    # `isinstance` would ask a Celery proxy for its class, and its app may be gone.
    return sum(issubclass(type(each), Context) for each in gc.get_objects())


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def test_an_error_that_is_a_constant_keeps_no_request(client: Any):
    for _ in range(3):
        assert client.get(UNKNOWN).status_code == 404

    assert NOT_FOUND.__traceback__ is None


class Payload(dict[str, Any]):
    """One whose life can be watched."""


@pytest.mark.parametrize("given", [{}, {"task_ids": 1}, {"after": 1}, {"streams": 1}])
@pytest.mark.parametrize("more", [{"x": "y"}, {"streams": {"x": {"y": -1}}}])
def test_a_payload_that_is_refused_is_not_kept(given: dict[str, Any], more: dict[str, Any]):
    payload = Payload(more | given)
    watched = weakref.ref(payload)

    def handler(_: str, payload: dict[str, Any]) -> dict[str, Any]:
        return {"read": [_after(payload), _streams(payload), _task_ids(payload)]}

    answer = guarded(handler)("sid", payload)
    del payload

    assert answer["error"]["code"] == "bad_payload"
    assert watched() is None


@pytest.mark.parametrize("tags", ['""', 'W/""', '"", ""', "*", "x", '"', ",,,", '"' + "x" * 7000])
@pytest.mark.parametrize("known", [True, False])
def test_odd_tags_are_no_error(served: Served, tags: str, known: bool):
    with requests.Session() as visitor:
        path = UNKNOWN
        if known:
            path = visitor.post(f"{served.address}/longtask").headers["Location"]
        answer = visitor.get(served.address + path, headers={"If-None-Match": tags})

    assert answer.status_code in ((200, 304) if known else (404,))
    assert "Traceback" not in served.process.output()


@pytest.mark.parametrize("engine", LEAN_ENGINES)
def test_clients_that_read_nothing_share_a_bound_and_the_longest_backlogs_go(
    engine: str, tmp_path: Path
):
    bound = {"MAX_BACKLOGS_BYTES": 4_000_000}
    with serving(tmp_path, engine, constants=bound) as server:
        slow = [Client(server, SMALL_BUFFER).join() for _ in range(40)]
        before = server.memory

        for n in range(4):  # 16 MB in all, below each client's own limit
            server.push((f'2["{n}{"x" * 100_000}"]', None))
        wait_for(lambda: 0 < sum(server.do()["waiting"]) <= 4_000_000)

        assert 0 < server.do()["sockets"] < 40
        assert server.memory - before < GREW
        with Client(server) as good:
            assert good.join().call("echo", "still here") == "still here"
        for client in slow:
            client.__exit__()
