"""A web process that is killed while an upload comes: another one goes on where it was."""

from __future__ import annotations

import random
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

import requests

from tests.processes import Valkey, wait_for, web

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {"Content-Type": "application/offset+octet-stream"}
SIZE = 3_000_000
SENT = 1_000_000


def uploaded(folder: Path) -> Path:
    [path] = [path for path in folder.rglob("uploads-*/*/*") if path.is_file()]
    return path


def test_a_killed_process_keeps_no_lock_and_no_byte_is_lost(valkey: Valkey, tmp_path: Path):
    data = random.Random(5).randbytes(SIZE)
    env = {"REDIS_URL": valkey.url, "DATA_DIR": str(tmp_path), "SECRET_KEY": "one for the tests"}
    process, address = web(tmp_path, env)
    session = requests.Session()
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
            wait_for(lambda: uploaded(tmp_path).stat().st_size > SENT // 2)
            process.stop(signal.SIGKILL)
    finally:
        process.kill()
    process, address = web(tmp_path, env)
    try:
        here = session.head(f"{address}{path}", headers=TUS)
        offset = int(here.headers["Upload-Offset"])
        assert SENT // 2 < offset <= SENT

        going_on = TUS | PIECE | {"Upload-Offset": str(offset)}
        rest = session.patch(f"{address}{path}", data=data[offset:], headers=going_on)

        assert rest.status_code == 204
        assert session.get(f"{address}{path}").json()["type"] == "application/octet-stream"
        assert uploaded(tmp_path).read_bytes() == data
    finally:
        process.stop()
