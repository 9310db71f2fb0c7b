"""Websockets of `headway serve`, beside Django or FastAPI: a token alone opens anything, and odd
packets, foreign origins and other transports are refused.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket

from headway import token
from headway.engine.frames import SERVICE_RESTART
from headway.revoking import revoke_from
from headway.store.model import Sent
from headway.store.records import Records
from tests.processes import ROOT, Process, Valkey, answers, free_port, running
from tests.security.conftest import Served
from tests.security.packets import call, last, read

SECRET = "a secret for the tests"
MINE = "7f3a1c52-9b1e-4c7d-8a55-0d2f6f1b9e01"
ANOTHER = "7f3a1c52-9b1e-4c7d-8a55-0d2f6f1b9e02"
PATH = "/headway/socket.io/?EIO=4&transport=websocket"
TEXT = websocket.ABNF.OPCODE_TEXT
CLOSE = websocket.ABNF.OPCODE_CLOSE
# Packets that no client of Headway's sends.
PACKETS: dict[str, tuple[int, bytes]] = {
    "a binary frame": (websocket.ABNF.OPCODE_BINARY, b"\x04abc"),
    "a binary event": (TEXT, b'451-["watch",{"_placeholder":true,"num":0}]'),
    "a binary answer": (TEXT, b'461-7[{"_placeholder":true,"num":0}]'),
    "very many attachments": (TEXT, b'4599999999-["watch"]'),
    "an upgrade": (TEXT, b"5"),
    "an open packet": (TEXT, b'0{"sid":"x"}'),
    "an error packet": (TEXT, b'44{"message":"no"}'),
    "an unknown packet": (TEXT, b"49"),
    "an unknown engine's packet": (TEXT, b"9"),
    "no JSON": (TEXT, b"42[watch"),
    "no event": (TEXT, b"42[]"),
    "an event of no name": (TEXT, b'42[{"a":1}]'),
    "NUL": (TEXT, b"42\0"),
    "nothing": (TEXT, b""),
}


@pytest.fixture(scope="module", params=["eventlet", "threading"])
def served(
    request: pytest.FixtureRequest, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    port = free_port()
    command = [
        *(f"{Path(sys.executable).parent}/headway", "serve", "-A", "tests.plain_celery:celery"),
        *("--port", str(port), "--async-mode", request.param),
    ]
    env = {
        "REDIS_URL": valkey.url,
        "HEADWAY_SECRET_KEY": SECRET,
        "HEADWAY_RATE_LIMITS": "off",
        "PYTHONPATH": str(ROOT),
    }
    process = Process(command, tmp_path_factory.mktemp("serve") / "serve.log", env)
    address = f"127.0.0.1:{port}"
    process.wait_until(lambda: answers(f"http://{address}/headway/readyz"), 60)
    with running(process):
        yield Served(process, address)


@pytest.fixture(autouse=True)
def two_tasks(shared_records: Records) -> None:
    for task_id in (MINE, ANOTHER):
        shared_records.forget(task_id)
        shared_records.starts.enqueue(task_id, Sent("add", "", "ada", "celery", "+60000000", "", 4))


@contextmanager
def opened(served: Served, packet: str = "40", path: str = PATH, **options: Any) -> Iterator[Any]:
    """Open a websocket, and send its first packet."""
    client = websocket.create_connection(f"ws://{served.address}{path}", timeout=20, **options)
    try:
        assert client.recv().startswith("0{")
        client.send(packet)
        yield client
    finally:
        client.shutdown()


def test_without_a_token_it_opens_nothing(served: Served):
    with opened(served) as client:
        read(client, "40{")

        assert call(client, "watch", {"task_ids": [MINE]})["missing"] == [MINE]
        assert call(client, "watch_mine", {}).get("snapshots", []) == []


@pytest.mark.parametrize("way", ["auth", "query", "header", "cookie"])
def test_a_token_opens_its_task_until_it_is_revoked(
    served: Served, shared_records: Records, way: str
):
    text = token(MINE, secret_key=SECRET)
    options = {
        "auth": {"packet": f'40{{"token":"{text}"}}'},
        "query": {"path": f"{PATH}&token={text}"},
        "header": {"header": {"Authorization": f"Bearer {text}"}},
        "cookie": {"cookie": f"headway_token={text}"},
    }
    with opened(served, **options[way]) as client:
        read(client, "40{")
        watched = call(client, "watch", {"task_ids": [MINE, ANOTHER]})
        revoke_from(shared_records, SECRET, text)

        assert watched["missing"] == [ANOTHER]
        assert last(client) == (CLOSE, SERVICE_RESTART.to_bytes(2))
    assert text not in served.process.output()


@pytest.mark.parametrize(
    "shown", ["hwt_", "hwt_x.y", "{}x", "hwt_{}", " {}", "\\u0000{}", "a secret for the tests"]
)
def test_what_is_no_token_opens_nothing(served: Served, shown: str):
    text = shown.format(token(MINE, secret_key=SECRET))
    with opened(served, f'40{{"token":"{text}"}}') as client:
        read(client, "40{")

        assert call(client, "watch", {"task_ids": [MINE]})["missing"] == [MINE]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://localhost.evil.example", "", "file://"]
)
def test_another_site_opens_no_websocket_whatever_token_it_shows(served: Served, origin: str):
    text = token(MINE, secret_key=SECRET)
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        websocket.create_connection(
            f"ws://{served.address}{PATH}&token={text}",
            timeout=20,
            header={"Origin": origin},
            suppress_origin=True,
        )

    assert refused.value.status_code in (400, 403)


@pytest.mark.parametrize("said", PACKETS)
def test_an_odd_packet_ends_its_websocket_alone(served: Served, said: str):
    opcode, data = PACKETS[said]
    with opened(served, f'40{{"token":"{token(MINE, secret_key=SECRET)}"}}') as good:
        read(good, "40{")
        url = f"ws://{served.address}{PATH}"
        bad = websocket.create_connection(url, timeout=20)
        try:
            assert bad.recv().startswith("0{")
            bad.send("40")
            read(bad, "40{")
            bad.send(data, opcode)
            frame = last(bad)
        finally:
            bad.shutdown()

        assert frame[0] == CLOSE
        assert call(good, "watch", {"task_ids": [MINE]})["missing"] == []
    assert "Traceback" not in served.process.output()


@pytest.mark.parametrize(
    "packet", ['42["snapshot",{}]', '4399999999["yes"]', '42["server",{}]', "41/elsewhere,"]
)
def test_what_nobody_waits_for_does_nothing(served: Served, packet: str):
    auth = f'40{{"token":"{token(MINE, secret_key=SECRET)}"}}'
    with opened(served, auth) as other, opened(served, auth) as client:
        for each in (other, client):
            read(each, "40{")
            call(each, "watch", {"task_ids": [MINE]})

        client.send(packet)
        found = call(client, "watch", {"task_ids": [MINE]})
        other.send('428["watch",{"task_ids":[]}]')
        relayed = other.recv()
        while relayed[:3] == "42[" and relayed.startswith('42["server"'):
            relayed = other.recv()

    assert found["missing"] == []
    assert relayed.startswith("438[")


@pytest.mark.parametrize(
    "query",
    [
        "EIO=3&transport=websocket",
        "EIO=5&transport=websocket",
        "EIO=4&EIO=3&transport=polling",
        "transport=websocket",
        "EIO=4&transport=polling",
        "EIO=4&transport=webtransport",
        "EIO=4&transport=polling&sid=x",
        "EIO=4&transport=websocket&sid=x",
        "EIO=4&transport=polling&j=0",
        "",
    ],
)
def test_another_transport_or_version_is_refused(served: Served, query: str):
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    url = f"http://{served.address}/headway/socket.io/?{query}"

    answers_of = [requests.get(url, headers=each, timeout=20) for each in ({}, upgrade)]
    posted = requests.post(url, data="40", timeout=20)

    assert {one.status_code for one in (*answers_of, posted)} <= {400, 403, 405}
    assert "Traceback" not in served.process.output()
