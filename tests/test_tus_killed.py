"""A web process that is killed while an upload comes: another one goes on where it was."""

from __future__ import annotations

import random
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

import requests

from tests.kept_files import Place, only
from tests.processes import Valkey, wait_for, web

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {"Content-Type": "application/offset+octet-stream"}
SIZE = 15_000_000
SENT = 12_000_000


def test_a_killed_process_keeps_no_lock_and_no_byte_is_lost(
    valkey: Valkey, tmp_path: Path, kept: Place
):
    data = random.Random(5).randbytes(SIZE)
    env = {"REDIS_URL": valkey.url, "DATA_DIR": str(tmp_path), "SECRET_KEY": "one for the tests"}
    env["FILES"] = kept.at
    process, address = web(tmp_path, env)
    other, elsewhere = web(tmp_path, env)
    session = requests.Session()

    def offset() -> int:
        here = session.head(f"{elsewhere}{path}", headers=TUS)
        return int(here.headers["Upload-Offset"])

    try:
        begun = session.post(f"{address}/uploads", headers=TUS | {"Upload-Length": str(SIZE)})
        path = begun.headers["Location"]
        to = urlsplit(address)
        cookies = "; ".join(f"{name}={value}" for name, value in session.cookies.items())
        head = [
            f"PATCH {path} HTTP/1.1",
            f"Host: {to.netloc}",
            f"Cookie: {cookies}",
            f"Content-Length: {SIZE}",
            "Upload-Offset: 0",
            *(f"{name}: {value}" for name, value in (TUS | PIECE).items()),
        ]
        with socket.create_connection((to.hostname, to.port)) as connection:
            connection.sendall("\r\n".join([*head, "", ""]).encode() + data[:SENT])
            wait_for(lambda: offset() > SENT // 2)
            process.stop(signal.SIGKILL)
        at = offset()
        assert SENT // 2 < at <= SENT

        going_on = TUS | PIECE | {"Upload-Offset": str(at)}
        rest = session.patch(f"{elsewhere}{path}", data=data[at:], headers=going_on)

        assert rest.status_code == 204
        assert session.get(f"{elsewhere}{path}").json()["type"] == "application/octet-stream"
        assert only(kept)[1] == data
    finally:
        process.kill()
        other.stop()
