"""The endpoints of a task's files: who may read them, as what, and what no name or byte becomes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from headway.files.store import FileStore
from headway.snapshot import Phase
from headway.state import state_of
from headway.store.records import Records
from tests import by_hand
from tests.by_hand import claimed_by, give
from tests.kept_files import IN_A_FOLDER, Place, only, owners

HTML = {"Accept": "text/html"}
CSV = b"name,amount\nada,1\n"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
ODD = '<img src=x onerror=alert(1)>"; filename=evil.exe; ä🙂.csv'


@pytest.fixture
def env(env: dict[str, str], kept: Place) -> dict[str, str]:
    return env | {"FILES": kept.at}


@pytest.fixture
def task_id(client: FlaskClient, records: Records) -> str:
    """A running task of the client's."""
    return claimed_by(client, records)


@pytest.fixture
def store(app: Flask) -> FileStore:
    found = state_of(app).files
    assert found is not None
    return found


def ask(client: FlaskClient, task_id: str, name: str, **headers: str) -> Any:
    return client.get(f"/tasks/{task_id}/files/{quote(name)}", headers=headers, buffered=True)


def test_a_file_is_downloaded(
    client: FlaskClient, records: Records, store: FileStore, task_id: str
):
    give(records, store, task_id, "report.csv", CSV)

    response = ask(client, task_id, "report.csv")
    listed = client.get(f"/tasks/{task_id}/files").get_json()["files"]

    assert (response.status_code, response.get_data()) == (200, CSV)
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == "attachment; filename=report.csv"
    assert response.headers["Content-Length"] == str(len(CSV))
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "private, no-store"
    [file] = listed
    assert file.pop("at").endswith("Z")
    assert file == {"name": "report.csv", "size": len(CSV), "type": "text/csv"}


def test_a_part_of_a_file_is_downloaded(
    client: FlaskClient, records: Records, store: FileStore, task_id: str
):
    give(records, store, task_id, "report.csv", CSV)

    part = ask(client, task_id, "report.csv", Range="bytes=5-10")
    beyond = ask(client, task_id, "report.csv", Range="bytes=999-")

    assert (part.status_code, part.get_data()) == (206, CSV[5:11])
    assert part.headers["Content-Range"] == f"bytes 5-10/{len(CSV)}"
    assert beyond.status_code == 416
    assert beyond.headers["Content-Range"] == f"bytes */{len(CSV)}"


@pytest.mark.parametrize("size", [5, len(CSV), len(CSV) + 1, 10**11])
def test_the_end_of_a_file_is_downloaded_and_of_a_shorter_file_all(
    client: FlaskClient, records: Records, store: FileStore, task_id: str, size: int
):
    give(records, store, task_id, "report.csv", CSV)

    end = ask(client, task_id, "report.csv", Range=f"bytes=-{size}")

    whole = len(CSV)
    assert (end.status_code, end.get_data()) == (206, CSV[-size:])
    assert end.headers["Content-Range"] == f"bytes {max(0, whole - size)}-{whole - 1}/{whole}"


@pytest.mark.parametrize("asked", ["x=0-1", "bytes=a", "bytes=0-1,3-4", "", "bytes=5-1"])
def test_what_is_no_single_range_of_bytes_is_ignored(
    client: FlaskClient, records: Records, store: FileStore, task_id: str, asked: str
):
    give(records, store, task_id, "report.csv", CSV)

    answer = ask(client, task_id, "report.csv", Range=asked)

    assert (answer.status_code, answer.get_data()) == (200, CSV)


def test_another_version_of_a_file_is_refused_without_it(
    client: FlaskClient, records: Records, store: FileStore, task_id: str
):
    give(records, store, task_id, "report.csv", CSV)

    answer = ask(client, task_id, "report.csv", **{"If-Match": '"another"'})

    assert answer.status_code == 412
    assert answer.get_json()["error"]["code"] == "precondition_failed"


def test_a_name_becomes_no_header_and_no_html(
    client: FlaskClient, records: Records, store: FileStore, task_id: str
):
    give(records, store, task_id, ODD, b"a")

    response = ask(client, task_id, ODD)
    page = client.get(f"/tasks/{task_id}", headers=HTML).get_data(as_text=True)

    assert response.get_data() == b"a"
    disposition = response.headers["Content-Disposition"]
    assert disposition.startswith("attachment; filename=")
    assert disposition.isascii()
    assert 'filename="<img src=x onerror=alert(1)>\\"; filename=evil.exe; a.csv"' in disposition
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror" in page


def test_what_a_browser_would_run_is_text(
    client: FlaskClient, records: Records, store: FileStore, task_id: str
):
    give(records, store, task_id, "page.html", b"<script>alert(1)</script>")

    response = ask(client, task_id, "page.html", **HTML)

    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Content-Disposition"].startswith("attachment")


def test_the_page_links_its_files_and_shows_images_without_a_script(
    app: Flask, client: FlaskClient, records: Records, store: FileStore, task_id: str
):
    give(records, store, task_id, "a b.csv", CSV)
    give(records, store, task_id, "plot.png", PNG)
    shared = client.post(f"/tasks/{task_id}/share").get_json()["token"]

    own = client.get(f"/tasks/{task_id}", headers=HTML).get_data(as_text=True)
    link = app.test_client().get(f"/tasks/{task_id}?token={shared}", headers=HTML)
    by_token = app.test_client().get(
        f"/tasks/{task_id}/files/plot.png?token={shared}", buffered=True
    )

    assert f'<a href="/tasks/{task_id}/files/a%20b.csv" download>a b.csv</a>' in own
    assert f'<img src="/tasks/{task_id}/files/plot.png"' in own
    assert own.count('<img src="/tasks/') == 1  # a table is no image
    assert f'src="/tasks/{task_id}/files/plot.png?token={shared}"' in link.get_data(as_text=True)
    assert (by_token.status_code, by_token.get_data()) == (200, PNG)
    assert by_token.headers["Content-Type"] == "image/png"


def test_files_of_others_and_unknown_ones_are_alike(
    app: Flask, client: FlaskClient, records: Records, store: FileStore, task_id: str
):
    key = give(records, store, task_id, "report.csv", CSV)
    stranger = app.test_client()
    stranger.get("/")

    answers = [
        stranger.get(f"/tasks/{path}")
        for path in (
            f"{task_id}/files/report.csv",
            f"{task_id}/files/unknown",
            f"{task_id}/files",
            "7f0b2a3e-0000-4000-8000-000000000000/files/report.csv",
        )
    ]

    assert {one.status_code for one in answers} == {404}
    assert len({one.get_data() for one in answers}) == 1
    for name in ("unknown", key, "..%2freport.csv", "%2e%2e", "a%00"):
        assert client.get(f"/tasks/{task_id}/files/{name}").status_code == 404


@IN_A_FOLDER
def test_a_link_in_the_place_of_a_file_is_not_followed(
    client: FlaskClient,
    records: Records,
    store: FileStore,
    task_id: str,
    kept: Place,
    tmp_path: Path,
):
    give(records, store, task_id, "report.csv", CSV)
    secret = tmp_path / "secret"
    secret.write_text("secret")
    path = Path(kept.at, only(kept, "tasks")[0])
    path.unlink()
    path.symlink_to(secret)

    response = ask(client, task_id, "report.csv")

    assert response.status_code == 404
    assert response.get_json()["error"]["code"] == "file_not_here"


def test_a_server_without_the_files_says_so(
    app: Flask, client: FlaskClient, records: Records, store: FileStore, task_id: str
):
    store.delete(task_id, give(records, store, task_id, "report.csv", CSV))
    missing = ask(client, task_id, "report.csv")
    conf = state_of(app).celery.conf
    before = conf.headway_files
    conf.headway_files = None
    try:
        unset = ask(client, task_id, "report.csv")
        page = ask(client, task_id, "report.csv", **HTML)
    finally:
        conf.headway_files = before

    assert (missing.status_code, missing.get_json()["error"]["code"]) == (404, "file_not_here")
    assert (unset.status_code, unset.get_json()["error"]["code"]) == (503, "no_file_folder")
    assert "headway_files" in page.get_data(as_text=True)


def test_what_a_task_has_given_out_is_deleted_with_it(
    client: FlaskClient, records: Records, store: FileStore, task_id: str, kept: Place
):
    key = give(records, store, task_id, "report.csv", CSV)
    by_hand.write(records, task_id, 1, Phase.SUCCEEDED)

    assert client.post(f"/tasks/{task_id}/forget").status_code == 204

    assert store.open(task_id, key) is None
    assert task_id not in owners(kept, "tasks")
    assert ask(client, task_id, "report.csv").status_code == 404


def test_a_damaged_note_is_no_file(
    client: FlaskClient, records: Records, store: FileStore, task_id: str
):
    key = give(records, store, task_id, "a", b"a")
    good = {"at": "2026-11-29T08:00:00.000Z", "name": "a", "size": 1, "type": "text/plain"}
    for bad in ({"key": "../../x"}, {"type": "text/html\r\nX: y"}, {"name": "a\r\nb"}):
        note = json.dumps({**good, "key": key, **bad})
        records.client.hset(records.keys.record(task_id), "files", json.dumps({"a": note}))
        assert ask(client, task_id, str(bad.get("name", "a"))).status_code == 404
