"""Socket.IO's packets on a bare websocket, as an attacker writes and reads them."""

from __future__ import annotations

import json
from typing import Any

import websocket


def read(client: Any, beginning: str) -> str:
    """Return the next packet that begins so; pings and events before it are passed over."""
    while not (found := client.recv()).startswith(beginning):
        assert found[:1] in ("2", "4"), found
    return str(found)


def call(client: Any, event: str, payload: Any) -> Any:
    client.send(f"427{json.dumps([event, payload])}")
    return json.loads(read(client, "437[").removeprefix("437"))[0]


def last(client: Any) -> tuple[int, bytes]:
    """Return the frame with which the server closes."""
    while (found := client.recv_data())[0] == websocket.ABNF.OPCODE_TEXT:
        pass
    return found[0], bytes(found[1])
