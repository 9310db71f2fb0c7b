"""`POST /uploads`: what is kept of a file that is sent, whose it is, and what leaves nothing."""

from __future__ import annotations

import io
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from headway.files.types import MAX_NAME_BYTES
from headway.state import state_of
from headway.store.records import Records
from tests.kept_files import Place, only, owners

CSV = b"name,email\nada,ada@example.com\n"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
BOUNDARY = "b0undary"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


@pytest.fixture
def env(env: dict[str, str], kept: Place) -> dict[str, str]:
    return env | {"FILES": kept.at}


def upload(client: FlaskClient, data: bytes = CSV, name: str = "people.csv") -> Any:
    return client.post("/uploads", data={"file": (io.BytesIO(data), name)})


def body(*parts: bytes, ends: bool = True) -> bytes:
    """Return a multipart body; each part is its head, an empty line and its data."""
    start = f"--{BOUNDARY}\r\n".encode()
    return (
        start
        + f"\r\n--{BOUNDARY}\r\n".encode().join(parts)
        + (f"\r\n--{BOUNDARY}--\r\n".encode() if ends else b"")
    )


def part(name: str, data: bytes, file: str = "") -> bytes:
    filename = f'; filename="{file}"' if file else ""
    return f'Content-Disposition: form-data; name="{name}"{filename}\r\n\r\n'.encode() + data


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.get_json()["error"]["code"]


def test_a_file_is_kept_for_who_sends_it(client: FlaskClient, records: Records, kept: Place):
    answer = upload(client)

    assert answer.status_code == 201
    upload_id = answer.json.pop("upload_id")
    assert answer.json | {"upload_id": upload_id} == {
        "upload_id": upload_id,
        "name": "people.csv",
        "size": len(CSV),
        "type": "text/csv",
    }
    assert answer.headers["Cache-Control"] == "private, no-store"
    [taken] = records.uploads.read([upload_id])
    assert taken is not None
    with client.session_transaction() as session:
        assert taken.owner == session["visitor"]
    assert 23 * 3600 < records.client.ttl(records.keys.upload(upload_id)) <= 24 * 3600
    assert only(kept)[1] == CSV


@pytest.mark.parametrize(
    ("data", "name", "shown", "kind"),
    [
        (PNG, "page.html", "page.html", "image/png"),
        (b"<script>", "a.html", "a.html", "text/plain"),
        (CSV, "../../etc/passwd", "passwd", "text/plain"),
        (CSV, "C:\\Users\\ada\\people.csv", "people.csv", "text/csv"),
        (CSV, "..", "file", "text/plain"),
        (CSV, "a\u202eb.csv", "ab.csv", "text/csv"),
        (CSV, "ä" * 300 + ".csv", "ä" * ((MAX_NAME_BYTES - 4) // 2) + ".csv", "text/csv"),
        (b"", "empty.csv", "empty.csv", "text/csv"),
    ],
)
def test_a_name_is_no_path_and_no_type(
    client: FlaskClient, kept: Place, data: bytes, name: str, shown: str, kind: str
):
    sent = body(part("file", data, name.replace("\\", "\\\\")))

    answer = client.post("/uploads", data=sent, content_type=MULTIPART).json

    assert (answer["name"], answer["type"]) == (shown, kind)
    assert owners(kept, "uploads") == {answer["upload_id"]}


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (body(part("note", b"x")), (400, "no_file")),
        (body(part("file", CSV, "a"), part("file", CSV, "b")), (400, "two_files")),
        (body(part("file", CSV, "a"), ends=False), (400, "broken_body")),
        (body(part("file", CSV, "a"))[:-30], (400, "broken_body")),
        (body(b"Content-Disposition: form-data; na"), (400, "broken_body")),
        (body(part("file", CSV, "ä.csv").replace("ä".encode(), b"\xe4")), (400, "not_utf8")),
        (body(part("ä", CSV, "a.csv").replace("ä".encode(), b"\xe4")), (400, "not_utf8")),
        (body(b"X-A: \xe4\r\n" + part("note", b"x"), part("file", CSV, "a")), (400, "not_utf8")),
        (b"junk", (400, "broken_body")),
        (b"", (400, "no_file")),
        (body(part("file", b"x" * 1001, "a")), (413, "too_large")),
        (body(part("file", b"x" * 200_000, "a")), (413, "too_large")),
    ],
)
def test_of_what_does_not_arrive_whole_nothing_is_left(
    app: Flask,
    client: FlaskClient,
    records: Records,
    kept: Place,
    sent: bytes,
    said: tuple[int, str],
):
    state_of(app).celery.conf.headway_upload_max_bytes = 1000

    answer = client.post("/uploads", data=sent, content_type=MULTIPART)

    assert code(answer) == said
    assert kept.files() == {}
    assert list(records.client.scan_iter("*headway:upload*")) == []


def test_a_client_that_goes_away_leaves_nothing(client: FlaskClient, kept: Place):
    whole = body(part("file", CSV * 100, "a"))

    answer = client.post(
        "/uploads",
        input_stream=io.BytesIO(whole[:500]),
        content_length=len(whole),
        content_type=MULTIPART,
    )

    assert code(answer) == (400, "broken_body")
    assert kept.files() == {}


def test_other_parts_and_other_types_are_not_taken(client: FlaskClient):
    beside = body(part("note", b"x" * 70_000), part("file", CSV, "a.csv"), part("more", b"y"))

    assert client.post("/uploads", data=beside, content_type=MULTIPART).status_code == 201
    for kind in ("text/csv", "multipart/form-data", "multipart/mixed; boundary=a"):
        assert code(client.post("/uploads", data=CSV, content_type=kind)) == (415, "not_multipart")


def test_an_owner_may_keep_so_many_bytes_and_get_them_back(
    env: dict[str, str], records: Records, kept: Place
):
    app = create_app({**env, "RATE_LIMITS": "on", "UPLOADED_MAX_BYTES": "1000"})
    client = app.test_client()
    first = upload(client, b"x" * 600).json["upload_id"]

    full = upload(client, b"x" * 600)
    other = upload(app.test_client(), b"x" * 600)
    cut = body(part("file", b"x" * 90, "a"), ends=False)
    broken = client.post("/uploads", data=cut, content_type=MULTIPART)
    small = upload(client, b"x" * 100)
    records.client.delete(records.keys.upload(first))  # as it expires
    after = upload(client, b"x" * 600)

    assert code(full) == (413, "uploads_full")
    assert code(broken) == (400, "broken_body")
    assert [one.status_code for one in (other, small, after)] == [201] * 3
    assert len(kept.files()) == 4


def test_an_address_may_keep_no_more_however_many_owners_it_has(env: dict[str, str]):
    limits = {"UPLOADED_MAX_BYTES": "1000", "ADDRESS_FACTOR": "2"}
    app = create_app({**env, "RATE_LIMITS": "on", **limits})

    answers = [upload(app.test_client(), b"x" * 700).status_code for _ in range(4)]

    assert answers == [201, 201, 413, 413]


def test_uploads_are_counted_by_their_own_limit(env: dict[str, str]):
    client = create_app({**env, "RATE_LIMITS": "on", "UPLOADS_LIMIT": "2/hour"}).test_client()
    client.get("/")

    answers = [upload(client) for _ in range(3)]

    assert [one.status_code for one in answers] == [201, 201, 429]
    assert "At most 2 uploads per hour." in answers[2].json["error"]["message"]


def test_a_server_without_a_place_for_files_or_an_owner_says_so(app: Flask, client: FlaskClient):
    conf = state_of(app).celery.conf
    folder = conf.headway_files
    conf.headway_files = None
    unset = upload(client)
    conf.headway_files = "/proc/nothing"
    unwritable = upload(client)
    conf.headway_files = folder
    app.config["HEADWAY_OWNER_LOADER"] = lambda: None
    nobody = upload(client)
    elsewhere = client.post("/uploads", headers={"Sec-Fetch-Site": "cross-site"})

    assert code(unset) == (503, "no_file_folder")
    assert code(unwritable) == (503, "not_stored")
    assert code(nobody) == (403, "no_owner")
    assert code(elsewhere) == (403, "cross_site")


def test_without_redis_nothing_is_kept(
    app: Flask, client: FlaskClient, kept: Place, monkeypatch: pytest.MonkeyPatch
):
    from headway.store.errors import RedisUnavailable

    def away(*_: Any, **__: Any) -> None:
        raise RedisUnavailable("away")

    uploads = state_of(app).records.uploads
    monkeypatch.setattr(uploads, "note", away)

    assert upload(client).status_code == 503
    assert kept.files() == {}
