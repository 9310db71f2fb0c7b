"""Websockets of somebody's own Flask app: odd packets, tokens that change, an owner loader that
fails, Redis away.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket

from headway import token
from headway.engine.frames import NOT_A_MESSAGE, SERVICE_RESTART
from headway.revoking import revoke_from
from headway.store.model import Sent
from headway.store.records import Records
from tests.processes import Process, Valkey, answers, free_port, running
from tests.security.conftest import Served
from tests.security.packets import call, last, read

SECRET = "a secret for the tests"
MINE = "7f3a1c52-9b1e-4c7d-8a55-0d2f6f1b9e01"
ANOTHER = "7f3a1c52-9b1e-4c7d-8a55-0d2f6f1b9e02"
SERVERS = {
    "werkzeug": ["tests.flask_shop", "{port}"],
    "gunicorn": [
        *("gunicorn", "--no-control-socket", "--threads=4", "--bind=127.0.0.1:{port}"),
        "tests.flask_shop:made()",
    ],
}
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
ENDS = (websocket.ABNF.OPCODE_CLOSE, SERVICE_RESTART.to_bytes(2))


@contextmanager
def serving(server: str, valkey: Valkey, folder: Path) -> Iterator[Served]:
    port = free_port()
    address = f"127.0.0.1:{port}"
    command = [each.format(port=port) for each in (sys.executable, "-m", *SERVERS[server])]
    process = Process(command, folder / "shop.log", {"REDIS_URL": valkey.url})
    process.wait_until(lambda: answers(f"http://{address}/"))
    with running(process):
        yield Served(process, address)


@pytest.fixture(scope="module", params=SERVERS)
def shop(
    request: pytest.FixtureRequest, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    with serving(request.param, valkey, tmp_path_factory.mktemp("shop")) as shop:
        yield shop


@pytest.fixture(autouse=True)
def two_tasks(shared_records: Records) -> None:
    for task_id in (MINE, ANOTHER):
        shared_records.forget(task_id)
        shared_records.starts.enqueue(task_id, Sent("add", "", "ada", "celery", "+60000000", "", 4))


@contextmanager
def opened(shop: Served, packet: str = "40", **headers: str) -> Iterator[Any]:
    """Open a websocket, and send its first packet."""
    url = f"ws://{shop.address}/headway/socket.io/?EIO=4&transport=websocket"
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    client = websocket.create_connection(url, timeout=20, header=given)
    try:
        assert client.recv().startswith("0{")
        client.send(packet)
        yield client
    finally:
        client.shutdown()  # its close() leaves a socket open that the server has closed


@pytest.fixture
def connect(shop: Served) -> Iterator[Callable[..., Any]]:
    with ExitStack() as stack:
        yield lambda *given, **headers: stack.enter_context(opened(shop, *given, **headers))


@pytest.mark.parametrize("again", ["40", "40/another,"])
def test_what_a_token_has_opened_ends_with_it_whatever_is_shown_later(
    connect: Any, shared_records: Records, again: str
):
    first, second = (token(task_id, secret_key=SECRET) for task_id in (MINE, ANOTHER))
    client = connect(f'40{{"token":"{first}"}}')
    read(client, "40{")
    assert call(client, "watch", {"task_ids": [MINE]})["missing"] == []

    client.send(f'{again}{{"token":"{second}"}}')
    read(client, "44")
    watched = call(client, "watch", {"task_ids": [ANOTHER]})
    revoke_from(shared_records, SECRET, first)

    assert watched["missing"] == [ANOTHER]
    assert last(client) == ENDS


def test_one_that_has_left_may_connect_again_with_another_token(connect: Any):
    first, second = (token(task_id, secret_key=SECRET) for task_id in (MINE, ANOTHER))
    client = connect(f'40{{"token":"{first}"}}')
    read(client, "40{")

    client.send("41")
    client.send(f'40{{"token":"{second}"}}')
    read(client, "40{")

    assert call(client, "watch", {"task_ids": [MINE, ANOTHER]})["missing"] == [MINE]


@pytest.mark.parametrize("event", ["connect", "disconnect", "\\u0064isconnect"])
def test_what_the_server_tells_an_app_no_client_does(shop: Served, connect: Any, event: str):
    client = connect()
    read(client, "40{")

    client.send(f'42["{event}","to take a seat"]')

    assert last(client) == (websocket.ABNF.OPCODE_CLOSE, NOT_A_MESSAGE.to_bytes(2))
    assert "to take a seat" not in shop.process.output()


@pytest.mark.parametrize("event", ["watch", "watch_mine"])
def test_an_owner_loader_that_refuses_is_the_answer_to_each_call(
    shop: Served, connect: Any, event: str
):
    client = connect(X_User="nobody")
    read(client, "40{")

    found = [call(client, event, {"task_ids": [MINE]})["error"]["code"] for _ in range(2)]

    assert found == ["unauthorized"] * 2
    assert "Traceback" not in shop.process.output()


def test_an_owner_loader_that_fails_is_answered_too(shop: Served, connect: Any):
    client = connect(X_User="broken")
    read(client, "40{")

    answer = call(client, "watch_mine", {})

    assert answer["error"]["code"] == "internal_error"
    assert "ZeroDivisionError" not in str(answer)


@pytest.mark.parametrize("depth", range(900, 1000, 9))
def test_ids_that_are_too_deep_are_no_error_in_the_log(shop: Served, connect: Any, depth: int):
    client = connect()
    read(client, "40{")

    client.send(f'427["watch",{{"task_ids":[{"[" * depth}{"]" * depth}]}}]')

    opcode, data = client.recv_data()
    while data[:2] == b"42":
        opcode, data = client.recv_data()
    is_refused = (opcode, data) == (websocket.ABNF.OPCODE_CLOSE, NOT_A_MESSAGE.to_bytes(2))
    assert is_refused or data.startswith(b"437[")
    assert "RecursionError" not in shop.process.output()


@pytest.mark.parametrize(
    "headers",
    [
        {f"X-{number}": "x" * 6000 for number in range(3)},
        {
            "Cookie": "; ".join(f"c{number}={'x' * 1000}" for number in range(8)),
            "X-A": "x" * 8100,
            "X-B": "x" * 400,
        },
        {f"X-{number}": "x" * 250 for number in range(90)},
    ],
)
def test_no_socket_keeps_a_head_of_any_size(shop: Served, headers: dict[str, str]):
    url = f"http://{shop.address}/headway/socket.io/?EIO=4&transport=websocket"

    answer = requests.get(url, headers={**HANDSHAKE, **headers}, timeout=20)

    assert answer.status_code == 431


def test_a_head_with_many_cookies_is_taken(connect: Any):
    client = connect(Cookie="; ".join(f"c{number}={'x' * 1000}" for number in range(7)))

    assert read(client, "40{")


def test_a_single_use_token_is_shown_again_once_redis_is_back(tmp_path: Path):
    server = Valkey(tmp_path)
    with running(server.process), serving("werkzeug", server, tmp_path) as shop:
        records = Records(server.connect(), ttl_days=7)
        records.starts.enqueue(MINE, Sent("add", "", "ada", "celery", "+60000000", "", 4))
        text = token(MINE, once=True, secret_key=SECRET)
        server.freeze()
        try:
            with opened(shop, f'40{{"token":"{text}"}}') as client:
                away = last(client)
        finally:
            server.thaw()
        with opened(shop, f'40{{"token":"{text}"}}') as client:
            read(client, "40{")
            found = call(client, "watch", {"task_ids": [MINE]})

    assert away == ENDS
    assert found["missing"] == []
    assert "Traceback" not in shop.process.output()
