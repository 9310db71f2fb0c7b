"""Somebody's own Flask app, served as docs/serve.md says: its own pages have Headway's limits."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import requests

from tests.documents import block
from tests.processes import ROOT, Process, Valkey, answers, free_port, running
from tests.security.conftest import Served
from tests.security.wire import connect, exchange, memory, statuses

SHOP = "from tests.flask_shop import made\napp = made()\n"
SLOW = 60  # clients
MOST_GROWN = 20e6  # bytes


@pytest.fixture(scope="module")
def shop(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("shop")
    port = free_port()
    program = block("docs/serve.md", "# serve.py").replace("8000", str(port))
    (folder / "serve.py").write_text(program)
    (folder / "shop.py").write_text(SHOP)
    env = {"REDIS_URL": valkey.url, "PYTHONPATH": str(ROOT)}
    process = Process([sys.executable, str(folder / "serve.py")], folder / "shop.log", env)
    address = f"http://127.0.0.1:{port}"
    process.wait_until(lambda: answers(f"{address}/"))
    with running(process):
        yield Served(process, address)


def test_slow_clients_keep_nobody_waiting(shop: Served):
    with ExitStack() as stack:
        for _ in range(SLOW):
            slow = stack.enter_context(connect(shop.address))
            slow.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        began = time.monotonic()

        assert requests.get(shop.address, timeout=10).text == "the shop"
        assert time.monotonic() - began < 5


def test_a_chunk_size_without_an_end_takes_no_memory(shop: Served):
    head = b"POST /buy HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    before = memory(shop.process.pid)

    answer = exchange(shop.address, head, b"0" * 50_000_000)

    assert statuses(answer) in ([400], [])  # it may be closed before the answer is read
    assert memory(shop.process.pid) - before < MOST_GROWN
