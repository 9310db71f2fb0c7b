"""Uploads that come in pieces, by tus 1.0: what goes on where, and what is refused."""

from __future__ import annotations

import base64
import fcntl
import io
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from headway.celery.worker.file_cleaner import GRACE_SECONDS, FileCleaner
from headway.files import resumable
from headway.files.folder import FileFolder
from headway.files.store import Moved, TooLarge
from headway.state import state_of
from headway.store.records import Records
from headway.web.api.tus import WRONG_OFFSET
from tests.kept_files import IN_A_FOLDER, Place, only, owners

CSV = b"name,email\nada,ada@example.com\n"
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = "application/offset+octet-stream"


@pytest.fixture
def env(env: dict[str, str], kept: Place) -> dict[str, str]:
    return env | {"FILES": kept.at}


def named(name: str) -> str:
    return f"filename {base64.b64encode(name.encode()).decode()},is_new"


def begin(client: FlaskClient, size: int | str = len(CSV), **headers: str) -> Any:
    own = TUS | {"Upload-Length": str(size), "Upload-Metadata": named("people.csv")}
    return client.post("/uploads", data=headers.pop("data", None), headers=own | headers)


def begun(client: FlaskClient, size: int = len(CSV)) -> str:
    answer = begin(client, size)
    assert answer.status_code == 201, answer.text
    return str(answer.location)


def send(client: FlaskClient, address: str, at: int | str, data: Any = b"", **more: Any) -> Any:
    headers = TUS | {"Upload-Offset": str(at)} | more.pop("headers", {})
    kind = more.pop("content_type", PIECE)
    return client.patch(address, data=data, headers=headers, content_type=kind, **more)


def offset(client: FlaskClient, address: str) -> int:
    answer = client.head(address, headers=TUS)
    assert answer.status_code == 200
    return int(answer.headers["Upload-Offset"])


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.get_json()["error"]["code"]


class Body(io.BytesIO):
    """A body in whose midst something happens: before each piece but the first."""

    def __init__(self, data: bytes, between: Callable[[int], None]) -> None:
        super().__init__(data)
        self._between = between
        self._count = 0

    def readinto(self, buffer: Any) -> int:
        if self._count:
            self._between(self._count)
        self._count += 1
        return super().readinto(buffer)


def test_an_upload_comes_in_pieces_and_starts_a_task(
    client: FlaskClient, records: Records, kept: Place
):
    answer = begin(client)
    address = answer.location
    upload_id = address.rpartition("/")[2]

    assert answer.json == {
        "upload_id": upload_id,
        "name": "people.csv",
        "size": len(CSV),
        "type": None,
        "offset": 0,
    }
    assert records.uploads.read([upload_id]) == [None]  # no task can have it yet
    for at in range(0, len(CSV), 10):
        assert offset(client, address) == at
        sent = send(client, address, at, CSV[at : at + 10])
        assert (sent.status_code, sent.data) == (204, b"")
        assert sent.headers["Upload-Offset"] == str(min(at + 10, len(CSV)))
    assert client.get(address).json == answer.json | {"type": "text/csv", "offset": len(CSV)}
    [whole] = records.uploads.read([upload_id])
    assert whole is not None
    assert whole.file.size == len(CSV)
    assert only(kept)[1] == CSV


def test_each_answer_says_which_tus_it_is_and_until_when_it_is_kept(client: FlaskClient):
    about = client.options("/uploads")
    answer = begin(client)
    head = client.head(answer.location, headers=TUS)
    piece = send(client, answer.location, 0, CSV[:5])
    ended = client.delete(answer.location, headers=TUS)
    refused = client.head(answer.location, headers=TUS)

    assert (about.status_code, about.headers["Tus-Version"]) == (204, "1.0.0")
    assert about.headers["Tus-Extension"] == "creation,expiration,termination"
    assert about.headers["Tus-Max-Size"] == str(100 * 1024 * 1024)
    assert head.headers["Upload-Length"] == str(len(CSV))
    assert "no-store" in head.headers["Cache-Control"]
    assert (ended.status_code, refused.status_code) == (204, 404)
    for one in (answer, head, piece, ended, refused):
        assert one.headers["Tus-Resumable"] == "1.0.0"
    for one in (answer, head, piece):
        left = parsedate_to_datetime(one.headers["Upload-Expires"]).timestamp() - time.time()
        assert 23 * 3600 < left <= 24 * 3600 + 1


def test_a_client_whose_proxy_lets_no_other_method_through_posts(client: FlaskClient):
    address = begun(client)
    say = {"X-HTTP-Method-Override": "PATCH", "Upload-Offset": "0"}
    sent = client.post(address, data=CSV, headers=TUS | say, content_type=PIECE)
    at = offset(client, address)
    other = client.post(address, headers=TUS | {"X-HTTP-Method-Override": "PUT"})
    bad = {"X-HTTP-Method-Override": "DELETE", "Upload-Offset": "1e"}
    refused = client.post(address, headers=TUS | bad)
    ended = client.post(address, headers=TUS | {"X-HTTP-Method-Override": "DELETE"})

    assert (sent.status_code, at, ended.status_code) == (204, len(CSV), 204)
    assert code(other) == (405, "method_not_allowed")
    assert code(refused) == (400, "bad_offset")
    assert client.head(address, headers=TUS).status_code == 404


def test_a_file_without_a_byte_is_whole_as_it_begins(client: FlaskClient, records: Records):
    answer = begin(client, 0)

    assert answer.json["type"] == "text/csv"
    [kept] = records.uploads.read([answer.json["upload_id"]])
    assert kept is not None
    assert send(client, answer.location, 0).status_code == 204


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Tus-Resumable": "0.2.2"}, (412, "unsupported_version")),
        ({"Upload-Length": ""}, (400, "bad_length")),
        ({"Upload-Length": "-1"}, (400, "bad_length")),
        ({"Upload-Length": "9" * 16}, (400, "bad_length")),
        ({"Upload-Length": "", "Upload-Defer-Length": "1"}, (400, "bad_length")),
        ({"Upload-Length": str(100 * 1024 * 1024 + 1)}, (413, "too_large")),
        ({"Upload-Metadata": "filename %%"}, (400, "bad_metadata")),
        ({"Upload-Metadata": "filename /w=="}, (400, "bad_metadata")),
        ({"Upload-Metadata": "filename pr\xfcfung.csv"}, (400, "bad_metadata")),
        ({"data": "bytes"}, (400, "has_body")),
    ],
)
def test_what_cannot_begin_is_told_why(
    client: FlaskClient, records: Records, kept: Place, headers: dict[str, str], said: Any
):
    answer = begin(client, **headers)

    assert code(answer) == said
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert kept.files() == {}
    assert list(records.client.scan_iter("*headway:upload*")) == []


@pytest.mark.parametrize(
    ("at", "data", "more", "said"),
    [
        (4, b"x", {}, (409, "wrong_offset")),
        (6, b"x", {}, (409, "wrong_offset")),
        ("", b"x", {}, (400, "bad_offset")),
        ("-1", b"x", {}, (400, "bad_offset")),
        (5, b"x" * 6, {}, (413, "too_long")),
        (5, b"x", {"content_type": "text/csv"}, (415, "unsupported_media_type")),
        (5, b"x", {"headers": {"Tus-Resumable": ""}}, (412, "unsupported_version")),
        (5, b"x", {"headers": {"Sec-Fetch-Site": "cross-site"}}, (403, "cross_site")),
    ],
)
def test_what_cannot_go_on_is_told_why_and_changes_nothing(
    client: FlaskClient, at: Any, data: bytes, more: Any, said: tuple[int, str]
):
    address = begun(client, 10)
    send(client, address, 0, b"x" * 5)

    assert code(send(client, address, at, data, **more)) == said
    assert offset(client, address) == 5


def test_what_is_not_yours_expired_or_ended_is_as_what_is_not(
    app: Flask, client: FlaskClient, records: Records
):
    client.get("/")
    foreign = begun(app.test_client())
    expired, ended = begun(client), begun(client)
    records.client.delete(records.keys.upload(expired.rpartition("/")[2]))
    client.delete(ended, headers=TUS)
    addresses = [foreign, expired, ended, f"/uploads/{'0' * 32}", "/uploads/..x"]

    for method in ("GET", "HEAD", "DELETE"):
        answers = [client.open(one, method=method, headers=TUS) for one in addresses]
        assert [one.status_code for one in answers] == [404] * 5
        assert len({one.text for one in answers}) == 1
    sent = [send(client, one, 0, CSV) for one in addresses]
    assert [code(one) for one in sent] == [(404, "not_found")] * 5


def test_of_a_body_that_breaks_off_what_has_come_is_kept(client: FlaskClient, kept: Place):
    size = 200_000
    address = begun(client, size)

    cut = {"input_stream": io.BytesIO(b"a" * 150_000)}
    short = send(client, address, 0, **cut, environ_overrides={"CONTENT_LENGTH": str(size)})
    at = offset(client, address)
    rest = send(client, address, at, b"b" * (size - at))

    assert code(short) == (400, "broken_body")
    assert at == 150_000
    assert rest.status_code == 204
    assert only(kept)[1] == b"a" * at + b"b" * (size - at)


@IN_A_FOLDER
def test_of_two_at_once_one_is_refused_and_nothing_is_mixed(client: FlaskClient, kept: Place):
    size = 5 * 65536
    address = begun(client, size)
    others: list[Any] = []

    def interfere(count: int) -> None:
        if count == 2:
            others.append(send(client, address, 0, b"b" * size))  # as if nothing had come
            at = offset(client, address)
            others.append(send(client, address, at, b"c" * (size - at)))

    first = send(client, address, 0, input_stream=Body(b"a" * size, interfere))

    assert [one.status_code for one in others] == [409, 204]
    assert WRONG_OFFSET.__context__ is None  # it would hold what was sent
    assert code(first) == (409, "wrong_offset")
    assert only(kept)[1] == b"a" * 2 * 65536 + b"c" * 3 * 65536


@IN_A_FOLDER
def test_while_another_process_writes_it_is_locked(client: FlaskClient, kept: Place):
    address = begun(client)
    with Path(kept.at, only(kept)[0]).open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        locked = send(client, address, 0, CSV)

    assert code(locked) == (423, "locked")
    assert send(client, address, 0, CSV).status_code == 204


def test_what_is_ended_while_it_comes_is_gone(client: FlaskClient, kept: Place):
    size = 3 * 65536
    for announced in (size, 2 * size):  # the last piece, and one before it
        address = begun(client, announced)

        def interfere(count: int, address: str = address) -> None:
            client.delete(address, headers=TUS)

        answer = send(client, address, 0, input_stream=Body(b"a" * size, interfere))

        assert code(answer) == (404, "not_found")
        assert kept.files() == {}


def test_what_is_ended_as_its_last_byte_comes_does_not_come_back(
    client: FlaskClient, records: Records
):
    address = begun(client)
    upload_id = address.rpartition("/")[2]
    client.delete(address, headers=TUS)
    about = {"name": "a.csv", "size": 5, "type": "text/csv", "key": "0" * 32}

    assert records.uploads.finish(upload_id, about, 60.0) is None
    assert records.uploads.read([upload_id]) == [None]


def test_a_file_that_grows_keeps_to_its_size_before_anything_is_read(tmp_path: Path):
    folder = FileFolder(tmp_path, "", "uploads")
    key = folder.create("u")
    folder.append("u", key, 0, [b"abc"], 5)
    unread = iter([b"x"])

    with pytest.raises(TooLarge):
        folder.append("u", key, 3, [b"de", b"f"], 5)
    with pytest.raises(Moved):
        folder.append("u", key, 3, unread, 5)

    assert list(unread) == [b"x"]
    assert folder.size("u", key) == 5
    assert folder.size("u", "0" * 32) is None


def test_more_in_chunks_than_was_announced_is_refused(app: Flask, client: FlaskClient):
    address = begun(client, 100_000)
    sent = io.BytesIO(b"x" * 100_001)

    answer = send(
        client,
        address,
        0,
        input_stream=sent,
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    )

    assert answer.status_code == 413
    assert offset(client, address) <= 100_000


def test_one_whose_last_byte_came_before_its_process_died_is_whole(
    client: FlaskClient, records: Records, kept: Place, monkeypatch: Any
):
    address = begun(client)
    upload_id = address.rpartition("/")[2]
    with monkeypatch.context() as patch:  # as in a process that dies before it notes the end
        patch.setattr(resumable, "_finished", lambda system, state: state)
        send(client, address, 0, CSV)
    assert records.uploads.read([upload_id]) == [None]

    assert offset(client, address) == len(CSV)
    [whole] = records.uploads.read([upload_id])
    assert whole is not None
    assert only(kept)[1] == CSV


def test_what_is_announced_counts_at_once_and_until_it_ends(env: dict[str, str]):
    client = create_app({**env, "RATE_LIMITS": "on", "UPLOADED_MAX_BYTES": "1000"}).test_client()
    first = begun(client, 600)

    full = begin(client, 600)
    simple = client.post("/uploads", data={"file": (io.BytesIO(b"x" * 600), "a.csv")})
    whole = send(client, first, 0, b"x" * 600)
    still = begin(client, 600)
    client.delete(first, headers=TUS)
    after = begin(client, 600)

    assert code(full) == code(simple) == code(still) == (413, "uploads_full")
    assert (whole.status_code, after.status_code) == (204, 201)


def test_beginning_one_counts_as_an_upload(env: dict[str, str]):
    client = create_app({**env, "RATE_LIMITS": "on", "UPLOADS_LIMIT": "2/hour"}).test_client()
    client.get("/")

    assert [begin(client).status_code for _ in range(3)] == [201, 201, 429]


def test_each_piece_keeps_it_for_longer_and_one_that_is_left_goes(
    app: Flask, client: FlaskClient, records: Records, kept: Place, monkeypatch: Any
):
    going_on, left = begun(client), begun(client)
    send(client, left, 0, CSV[:5])
    keys = [records.keys.upload(one.rpartition("/")[2]) for one in (going_on, left)]
    for key in keys:
        records.client.pexpire(key, 5000)
    now = time.time()
    cleaner = FileCleaner(state_of(app).celery.backend)

    send(client, going_on, 0, CSV[:5])
    assert records.client.ttl(keys[0]) > 23 * 3600
    assert records.client.ttl(keys[1]) <= 5
    records.client.delete(keys[1])  # as it expires
    monkeypatch.setattr("time.time", lambda: now + GRACE_SECONDS + 1)
    cleaner.clean()

    assert owners(kept, "uploads") == {going_on.rpartition("/")[2]}


def test_one_that_a_task_uses_stays(client: FlaskClient, records: Records):
    address = begun(client)
    upload_id = address.rpartition("/")[2]
    send(client, address, 0, CSV)
    task_id = client.post("/longtask").json["task_id"]
    records.uploads.hold(upload_id, task_id)

    refused = client.delete(address, headers=TUS)

    assert code(refused) == (409, "in_use")
    assert offset(client, address) == len(CSV)


def test_a_damaged_record_of_one_is_none(client: FlaskClient, records: Records):
    address = begun(client)
    key = records.keys.upload(address.rpartition("/")[2])
    records.client.hset(key, "begun", "junk")
    assert client.head(address, headers=TUS).status_code == 404
    records.client.delete(key)
    records.client.set(key, "junk")

    assert send(client, address, 0, CSV).status_code == 404


def test_a_server_without_a_place_for_files_says_so(app: Flask, client: FlaskClient):
    address = begun(client)
    state_of(app).celery.conf.headway_files = None

    assert code(begin(client)) == (503, "no_file_folder")
    assert code(send(client, address, 0, CSV)) == (503, "no_file_folder")
