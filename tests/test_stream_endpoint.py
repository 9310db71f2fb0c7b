"""The endpoint of a stream: who may read it, from where on, and as what."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from headway.store.files import noted
from headway.store.output import Overflowing
from headway.store.records import Records
from tests.by_hand import HERE, claim

TEXT = "a🙂<b>\r\n"
HTML = {"Accept": "text/html"}


@pytest.fixture
def task_id(client: FlaskClient, records: Records) -> str:
    """A task of the client's that writes a stream."""
    client.get("/")
    task_id = str(client.post("/longtask").get_json()["task_id"])
    claim(records, task_id)
    text = TEXT.encode()
    records.output.write_stream(task_id, HERE, "answer", 0, text, closes=False, max_bytes=1000)
    return task_id


def ask(client: FlaskClient, task_id: str, query: str = "", **headers: str) -> Any:
    return client.get(f"/tasks/{task_id}/streams/answer{query}", headers=headers)


def test_a_stream_is_read_from_an_offset_on(client: FlaskClient, task_id: str):
    whole = ask(client, task_id).get_json()
    epoch = whole.pop("epoch")
    rest = ask(client, task_id, f"?offset=5&epoch={epoch}").get_json()
    other = ask(client, task_id, f"?offset=5&epoch={epoch - 1}").get_json()

    assert whole == {"offset": 0, "text": TEXT, "next": 10, "length": 10, "closed": False}
    assert (rest["offset"], rest["text"], rest["next"]) == (5, "<b>\r\n", 10)
    assert other["text"] == TEXT
    snapshot = client.get(f"/status/{task_id}").get_json()
    assert snapshot["streams"] == {"answer": {"length": 10, "closed": False, "epoch": epoch}}


def test_a_status_that_has_another_length_is_not_the_same(
    client: FlaskClient, records: Records, task_id: str
):
    tag = client.get(f"/status/{task_id}").headers["ETag"]
    same = client.get(f"/status/{task_id}", headers={"If-None-Match": tag})
    records.output.write_stream(task_id, HERE, "answer", 10, b"more", closes=False, max_bytes=1000)
    other = client.get(f"/status/{task_id}", headers={"If-None-Match": tag})

    assert (same.status_code, other.status_code) == (304, 200)


@pytest.mark.parametrize("query", ["?download", "?offset=0", "?download&offset=0"])
def test_a_stream_is_plain_text_for_those_who_ask_so(client: FlaskClient, task_id: str, query: str):
    response = ask(client, task_id, query, Accept="text/plain")

    assert response.get_data() == TEXT.encode()
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    disposition = response.headers.get("Content-Disposition")
    if "download" in query:
        assert disposition == f'attachment; filename="{task_id}.answer.txt"'
    else:
        assert disposition is None


def test_a_browser_downloads_a_file(client: FlaskClient, task_id: str):
    response = ask(client, task_id, "?download", **HTML)

    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("query", ["?offset=-1", "?offset=x", "?epoch=", "?offset=1&epoch=1.5"])
def test_a_wrong_offset_is_refused(client: FlaskClient, task_id: str, query: str):
    assert ask(client, task_id, query).status_code == 400


def test_a_stream_of_others_an_unknown_and_a_malformed_one_are_alike(
    app: Flask, client: FlaskClient, task_id: str
):
    stranger = app.test_client()
    stranger.get("/")
    theirs = ask(stranger, task_id)

    for path in (
        f"/tasks/{task_id}/streams/another",
        "/tasks/7f0b2a3e-0000-4000-8000-000000000000/streams/answer",
        "/tasks/no-id%00/streams/answer",
    ):
        response = stranger.get(path)
        assert (response.status_code, response.get_json()) == (404, theirs.get_json())
    assert theirs.status_code == 404
    assert client.get(f"/tasks/{task_id}/streams/another").status_code == 404
    assert client.get(f"/tasks/{task_id}/streams/%22%00").status_code == 404


def test_the_page_shows_the_text_so_far_without_a_script(client: FlaskClient, task_id: str):
    page = client.get(f"/tasks/{task_id}", headers=HTML).get_data(as_text=True)

    assert "a🙂&lt;b&gt;" in page
    assert f"/tasks/{task_id}/streams/answer?download" in page


def test_control_sequences_are_no_text_of_the_page(
    client: FlaskClient, records: Records, task_id: str
):
    said = b"\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2Jend"
    records.output.write_stream(task_id, HERE, "log", 0, said, closes=False, max_bytes=1000)

    page = client.get(f"/tasks/{task_id}", headers=HTML).get_data(as_text=True)

    assert '>\n<span class="ink-1">red</span> end</pre>' in page


def test_what_a_task_has_written_is_deleted_with_it(
    client: FlaskClient, records: Records, task_id: str
):
    key = records.keys.stream(task_id, "answer")
    ends = [records.client.pexpiretime(one) for one in (key, records.keys.record(task_id))]
    assert 0 < ends[0] < ends[1] + 1000

    records.forget(task_id)

    assert not records.client.exists(key)


def test_the_page_links_the_file_with_the_whole_text(
    client: FlaskClient, records: Records, task_id: str
):
    link = f'href="/tasks/{task_id}/files/long.txt" download'
    about: Any = {"closes": False, "max_bytes": 10}
    to_begin = Overflowing("long.txt")
    begun = Overflowing("long.txt", noted("long.txt", 13, "text/plain", "0" * 32))
    write = records.output.write_stream

    assert write(task_id, HERE, "long", 0, b"short", overflow=to_begin, **about) == "written"
    before = client.get(f"/tasks/{task_id}", headers=HTML).get_data(as_text=True)
    assert write(task_id, HERE, "long", 5, b"and long", overflow=to_begin, **about) == "spills"
    assert write(task_id, HERE, "long", 5, b"and long", overflow=begun, **about) == "spilled"
    after = client.get(f"/tasks/{task_id}", headers=HTML).get_data(as_text=True)

    assert f"{link} hidden>" in before
    assert f"{link}>Download all of it" in after
    text = ask(client, task_id).get_json()["text"]
    assert text == TEXT
    text = client.get(f"/tasks/{task_id}/streams/long").get_json()["text"]
    assert text.endswith("its limit is 10 bytes. The whole text is the file long.txt.]\n")
    assert client.get(f"/status/{task_id}").get_json()["streams"]["long"]["file"] == "long.txt"
