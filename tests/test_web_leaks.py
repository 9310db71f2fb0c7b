"""No thread, no greenlet and no websocket is left behind in a web process, in any async mode."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import requests
import websocket
from flask import Flask

from app.extensions import headway
from headway.store.records import Records
from tests.browser import Visitor, newest, status_of
from tests.by_hand import hand_task, open_websocket, write
from tests.forkserver import COUNTING
from tests.processes import Process, Valkey, answers, free_port, running, wait_for

MODES = ("eventlet", "gevent", "threading")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {
        "DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "SECRET_KEY": "a secret for the tests",
    }


@contextmanager
def counting(
    mode: str, settings: dict[str, str], folder: Path
) -> Iterator[tuple[str, Callable[[], int]]]:
    """A web process in this mode: its address, and how many threads, greenlets and websockets
    live in it.
    """
    port = free_port()
    env = settings | {"SOCKETIO_ASYNC_MODE": mode, "PORT": str(port)}
    process = Process([sys.executable, *COUNTING], folder / f"counting-{mode}.log", env)
    address = f"http://127.0.0.1:{port}"
    process.wait_until(lambda: answers(f"{address}/readyz"))
    with running(process):
        yield address, lambda: int(requests.get(f"{address}/counted", timeout=20).text)


def test_while_redis_hangs_all_is_refused_in_time_and_nothing_stays_stuck(
    valkey: Valkey, settings: dict[str, str], shared_records: Records, tmp_path: Path
):
    env = settings | {"REDIS_URL": valkey.url}
    with ExitStack() as stack, ThreadPoolExecutor(40) as many:
        webs = [stack.enter_context(counting(mode, env, tmp_path)) for mode in MODES]
        visitors = [Visitor(address).connect() for address, _ in webs for _ in range(4)]
        watched = {visitor: hand_task(shared_records, visitor) for visitor in visitors}
        for visitor, task_id in watched.items():
            visitor.call("watch", {"task_ids": [task_id]})
        before = [count() for _, count in webs]

        def ask(visitor: Visitor) -> int:
            return status_of(visitor, watched[visitor])

        def start(visitor: Visitor) -> int:
            return requests.post(f"{visitor.address}/longtask", timeout=30).status_code

        valkey.freeze()
        try:
            told = [*many.map(ask, visitors * 3), *many.map(start, visitors * 3)]
            acks = list(
                many.map(
                    lambda visitor: visitor.call("watch", {"task_ids": [watched[visitor]]}),
                    visitors,
                )
            )
            wait_for(lambda: all(not visitor.servers[-1]["live"] for visitor in visitors))
        finally:
            valkey.thaw()

        assert told == [503] * len(visitors) * 6
        assert [ack["error"]["code"] for ack in acks] == ["unavailable"] * len(visitors)
        for task_id in watched.values():
            write(shared_records, task_id, 7)
        wait_for(lambda: {newest(visitor, task_id) for visitor, task_id in watched.items()} == {7})
        counts = [count for _, count in webs]
        wait_for(
            lambda: all(count() <= some for count, some in zip(counts, before, strict=True)),
            message="some are stuck",
        )


def test_a_websocket_whose_client_is_gone_without_a_word_is_closed_in_15_s(
    app: Flask, valkey: Valkey, settings: dict[str, str], tmp_path: Path
):
    clock = headway.socketio.server.eio
    assert clock.ping_interval + clock.ping_timeout <= 15
    with ExitStack() as stack:
        silent: list[tuple[websocket.WebSocket, Callable[[], int], int]] = []
        for mode in MODES:
            address, count = stack.enter_context(
                counting(mode, settings | {"REDIS_URL": valkey.url}, tmp_path)
            )
            before = min(count() for _ in range(10))  # without what is just about to end
            silent.append((open_websocket(address), count, before))
            assert count() > before

        for mode, (connection, count, before) in zip(MODES, silent, strict=True):

            def is_gone(count=count, before=before) -> bool:
                return count() <= before

            wait_for(is_gone, message=f"{mode}: still there")
            assert pings_until_closed(connection) == 1  # so it was closed before the second was due
            connection.shutdown()


def pings_until_closed(connection: websocket.WebSocket) -> int:
    """Return how many pings of Engine.IO's came before the server's end of the connection."""
    pings = 0
    with suppress(websocket.WebSocketConnectionClosedException, ConnectionResetError):
        while (frame := connection.recv()) != "":
            pings += frame == "2"
    return pings
