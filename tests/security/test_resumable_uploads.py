"""Uploads in pieces: lengths, offsets and names that lie, others' uploads, and bodies too long."""

from __future__ import annotations

import base64
import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from headway.files.types import is_file_name
from headway.state import state_of
from tests.security.conftest import Served
from tests.security.wire import connect, exchange, read_all, statuses
from tests.test_tus import PIECE, TUS, begin, begun, code, offset, send

NUMBERS = [
    "-1",
    "+1",
    " ",
    "1e3",
    "0x10",
    "1_000",
    "1,000",
    "1.0",
    "NaN",
    "Infinity",
    "\xb2",  # a digit to Python's int, and to no other reader
    "5, 5",
    "9" * 16,
    "0" * 5000 + "5",
]
NAMES = [
    "../../etc/passwd",
    "..",
    "/",
    "C:\\Windows\\system.ini",
    "a\x00.csv",
    "a\r\nSet-Cookie: x=1.csv",
    "fdp\u202evsc.exe",
    "\u200b\u2066",
    "\ud7ff\U000e0001" * 500,
    "a" * 3000,
    "<img src=x onerror=alert(1)>.csv",
    " ",
]
METADATA = [
    "filename",
    "filename *",
    "filename " + "A" * 5,
    "filename /w==",
    "a b c",
    "filename YQ==,==",
]


def files(app: Flask) -> list[Path]:
    folder = Path(state_of(app).celery.conf.headway_files)
    return [path for path in folder.rglob("uploads-*/*/*") if path.is_file()]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_that_is_none_begins_and_moves_nothing(
    app: Flask, client: FlaskClient, number: str
):
    address = begun(client)
    kept = files(app)

    assert code(begin(client, number)) == (400, "bad_length")
    assert code(send(client, address, number, b"x")) == (400, "bad_offset")
    assert (files(app), offset(client, address)) == (kept, 0)


@pytest.mark.parametrize("at", [1, 31, 32, 10**14])
def test_nothing_is_written_at_another_byte_than_the_next(app: Flask, client: FlaskClient, at: int):
    address = begun(client)

    assert code(send(client, address, at, b"x")) == (409, "wrong_offset")
    assert [path.stat().st_size for path in files(app)] == [0]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_becomes_a_path_or_hides_what_it_is(app: Flask, client: FlaskClient, name: str):
    said = base64.b64encode(name.encode()).decode()

    answer = begin(client, 3, **{"Upload-Metadata": f"filename {said}"})
    send(client, answer.location, 0, b"abc")

    assert is_file_name(answer.json["name"])
    assert all(value.isprintable() for value in answer.headers.values())
    [path] = files(app)
    assert path.name.isalnum()
    assert path.is_relative_to(Path(state_of(app).celery.conf.headway_files))


@pytest.mark.parametrize("metadata", METADATA)
def test_metadata_that_is_none_is_refused_or_names_nothing(client: FlaskClient, metadata: str):
    answer = begin(client, 3, **{"Upload-Metadata": metadata})

    if answer.status_code == 201:
        assert answer.json["name"] in ("file", "a")
    else:
        assert code(answer) == (400, "bad_metadata")


@pytest.mark.parametrize("method", ["HEAD", "GET", "PATCH", "DELETE", "POST"])
def test_anothers_upload_and_an_unknown_one_answer_alike(
    app: Flask, client: FlaskClient, method: str
):
    address = begun(client)
    stranger = app.test_client()
    stranger.get("/")
    headers = TUS | {"Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}

    def ask(at: str) -> tuple[int, bytes, dict[str, str]]:
        own = {"data": b"x", "content_type": PIECE} if method in ("PATCH", "POST") else {}
        answer = stranger.open(at, method=method, headers=headers, **own)  # type: ignore[arg-type]
        return answer.status_code, answer.data, dict(answer.headers)

    foreign = ask(address)

    assert foreign[0] == 404
    assert foreign == ask(f"/uploads/{'0' * 32}") == ask("/uploads/nonsense")
    assert offset(client, address) == 0


@pytest.mark.parametrize(
    "upload_id", ["..%2f..%2fetc", "%00", "A" * 32, "0" * 33, "0" * 5000, "%e2%80%ae", "*", "{0}"]
)
def test_no_upload_is_asked_for_by_what_is_no_id(client: FlaskClient, upload_id: str):
    answer = client.get(f"/uploads/{upload_id}", headers=TUS)

    assert answer.status_code == 404


def test_of_pieces_sent_at_once_one_is_kept(app: Flask, client: FlaskClient):
    size = 300_000
    address = begun(client, size)
    [cookie] = client._cookies.values()  # type: ignore[attr-defined]  # there is no other way to all of them

    def add(letter: bytes) -> int:
        own = app.test_client()
        own.set_cookie(cookie.key, cookie.value)
        return int(send(own, address, 0, letter * size).status_code)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(add, (b"a", b"b", b"c", b"d", b"e", b"f")))

    assert answers.count(204) <= 1
    assert set(answers) <= {204, 409, 423}
    [path] = files(app)
    data = path.read_bytes()
    assert len(data) <= size
    if 204 in answers:
        assert set(data) == {data[0]}


def test_an_owner_begins_no_more_than_it_may_keep(env: dict[str, str]):
    app = create_app({**env, "RATE_LIMITS": "on"})
    client = app.test_client()
    most = 100 * 1024 * 1024
    answers = [begin(client, most) for _ in range(12)]
    kept = files(app)

    refused = [answer for answer in answers if answer.status_code != 201]
    assert refused
    assert {code(answer)[1] for answer in refused} == {"uploads_full"}
    assert len(kept) == len(answers) - len(refused)


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)


def served_upload(served: Served, size: int) -> tuple[str, str]:
    """Return the path of an upload that was begun over the wire, and its owner's cookie."""
    head = exchange(
        served.address, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    cookie = next(
        line[12:].split(b";")[0].decode()
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"set-cookie: headway_session")
    )
    begin = (
        f"POST /uploads HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nTus-Resumable: 1.0.0\r\n"
        f"Upload-Length: {size}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    answer = exchange(served.address, begin.encode())
    upload_id = json.loads(answer.partition(b"\r\n\r\n")[2])["upload_id"]
    return f"/uploads/{upload_id}", cookie


@pytest.mark.parametrize("length", [11, 200_000, 3_000_000])
def test_a_chunked_body_beyond_the_length_is_cut_off(served: Served, length: int):
    path, cookie = served_upload(served, 10)
    patch = (
        f"PATCH {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nTus-Resumable: 1.0.0\r\n"
        f"Upload-Offset: 0\r\nContent-Type: {PIECE}\r\nTransfer-Encoding: chunked\r\n"
        "Connection: close\r\n\r\n"
    )
    look = (
        f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nTus-Resumable: 1.0.0\r\n"
        "Connection: close\r\n\r\n"
    )

    answer = exchange(served.address, patch.encode() + chunked(b"x" * length))
    found: Any = exchange(served.address, look.encode())

    assert statuses(answer) == [413]
    assert statuses(found) == [200]
    assert re.search(rb"Upload-Offset: (\d+)", found)[1] in (b"0", b"10")


@pytest.mark.parametrize("length", [10, 200_000])
def test_a_chunked_body_is_kept_whole(served: Served, length: int):
    path, cookie = served_upload(served, length)
    patch = (
        f"PATCH {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nTus-Resumable: 1.0.0\r\n"
        f"Upload-Offset: 0\r\nContent-Type: {PIECE}\r\nTransfer-Encoding: chunked\r\n"
        "Connection: close\r\n\r\n"
    )

    answer = exchange(served.address, patch.encode() + chunked(b"x" * length))

    assert statuses(answer) == [204]
    assert b"Upload-Offset: %d\r\n" % length in answer


def test_a_chunked_body_that_breaks_off_is_no_end(served: Served):
    path, cookie = served_upload(served, 300_000)
    patch = (
        f"PATCH {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nTus-Resumable: 1.0.0\r\n"
        f"Upload-Offset: 0\r\nContent-Type: {PIECE}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with connect(served.address) as client:
        client.sendall(patch.encode() + b"%x\r\n" % 200_000 + b"x" * 150_000)
        client.shutdown(socket.SHUT_WR)
        answer = read_all(client)

    assert statuses(answer) == [400]
