"""A form with a file: sent with it or uploaded before, kept while something else is wrong."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from markupsafe import escape

from headway import Upload, task
from headway.files.uploading import GONE, UploadsFull
from headway.state import state_of
from headway.store.records import Records
from headway.web.api.receiving import FULL
from tests.kept_files import Place

HTML = {"Accept": "text/html"}
ADDRESS = "/start/import_rows"
CSV = b"name\nada\n"
KEY = "the form's key"


@pytest.fixture
def env(env: dict[str, str], kept: Place) -> dict[str, str]:
    return env | {"FILES": kept.at}


@pytest.fixture(scope="module", autouse=True)
def kind() -> None:
    @task("Import {source}")
    def import_rows(source: Upload, rows: int, photo: Upload | None = None) -> None:
        """Import rows."""


def send(client: FlaskClient, headers: dict[str, str] = HTML, **fields: Any) -> Any:
    """Send the form; bytes are a file."""
    data = {
        f"args.{name}": (io.BytesIO(value), f"{name}.csv") if isinstance(value, bytes) else value
        for name, value in fields.items()
    }
    client.get(ADDRESS)
    own = {"cookie": "required", "idempotency_key": KEY}
    return client.post(ADDRESS, data=data | own, headers=headers)


def kept_in(page: str) -> list[tuple[str, str]]:
    """Return the ids and the names of the files that a form holds already."""
    box = r'name="args\.\w+" value="([0-9a-f]{32})" checked[^>]*> <span>([^<]+)</span>'
    return re.findall(box, page)


def sent(records: Records) -> list[str]:
    return [str(each) for each in records.client.lrange("celery", 0, -1)]


def test_a_form_has_a_field_for_each_file(client: FlaskClient):
    page = client.get(ADDRESS, headers=HTML).text

    assert 'enctype="multipart/form-data"' in page
    assert 'data-uploads="/uploads" data-max="104857600"' in page
    assert page.count('<input type="file"') == 2
    assert kept_in(page) == []
    assert "multipart" not in client.get("/start/long_task", headers=HTML).text


def test_a_file_that_comes_with_the_form_starts_the_task(client: FlaskClient, records: Records):
    answer = send(client, source=CSV, rows="3")

    assert answer.status_code == 303
    assert "Import source.csv" in client.get(answer.location, headers=HTML).text
    message, _ = records.outbox.message(answer.location.rpartition("/")[2])
    [kept] = records.uploads.read([message["kwargs"]["source"]])
    assert kept is not None
    assert "photo" not in message["kwargs"]


def test_a_form_that_is_sent_twice_is_one_upload_and_one_task(
    client: FlaskClient, records: Records, kept: Place
):
    once = send(client, source=CSV, rows="3")
    twice = send(client, source=CSV, rows="3")

    assert once.location == twice.location
    assert len(sent(records)) == 1
    assert len(list(records.client.scan_iter("headway:upload:*"))) == 1
    assert len(kept.files()) == 1


def test_a_file_is_not_chosen_again_where_another_field_is_wrong(
    client: FlaskClient, records: Records
):
    wrong = send(client, source=CSV, rows="many")
    [(upload_id, name)] = kept_in(wrong.text)

    right = send(client, source=upload_id, rows="3")

    assert wrong.status_code == 400
    assert name == "source.csv, 9\u202fB"
    assert right.status_code == 303
    assert len(sent(records)) == 1


def test_a_file_that_is_missing_or_gone_is_said_at_its_field(
    app: Flask, client: FlaskClient, records: Records
):
    foreign = app.test_client().post("/uploads", data={"file": (io.BytesIO(CSV), "a.csv")})

    empty = send(client, rows="3")
    answers = [send(client, source=one, rows="3") for one in (foreign.json["upload_id"], "0" * 32)]
    program = send(client, {"Accept": "application/json"}, source="0" * 32, rows="3")
    junk = send(client, source="../junk", rows="3")

    assert empty.status_code == 400
    assert "Is missing." in empty.text
    assert [one.status_code for one in answers] == [422, 422]
    for answer in answers:
        assert f'id="args.source-error"><span aria-hidden="true">✕</span> {GONE}' in answer.text
        assert kept_in(answer.text) == []
        assert 'aria-invalid="true"' in answer.text
    assert (program.status_code, program.json["error"]["fields"]) == (422, {"source": GONE})
    assert junk.status_code == 400
    assert sent(records) == []


@pytest.mark.parametrize(
    ("name", "ends", "said"), [(b"\xe4.csv", True, "not_utf8"), (b"a.csv", False, "broken_body")]
)
def test_a_form_that_cannot_be_read_is_refused_and_not_taken_for_an_empty_one(
    client: FlaskClient, records: Records, name: bytes, ends: bool, said: str
):
    file = b'Content-Disposition: form-data; name="args.source"; filename="%s"\r\n\r\n%s'
    form = b"--b\r\n" + file % (name, CSV) + (b"\r\n--b--\r\n" if ends else b"")

    answer, page = (
        client.post(
            ADDRESS, data=form, content_type="multipart/form-data; boundary=b", headers=headers
        )
        for headers in ({"Accept": "application/json"}, HTML)
    )

    assert (answer.status_code, answer.json["error"]["code"]) == (400, said)
    assert page.status_code == 400
    assert escape(answer.json["error"]["message"]) in page.text
    assert sent(records) == []


def by_part(text: bytes, charset: str = "") -> tuple[bytes, str]:
    """Return a form's body and content type, with its text as a part."""
    kind = f"Content-Type: text/plain; charset={charset}\r\n".encode() if charset else b""
    head = b'--b\r\nContent-Disposition: form-data; name="args.rows"\r\n' + kind
    return head + b"\r\n" + text + b"\r\n--b--\r\n", "multipart/form-data; boundary=b"


ENCODED = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        by_part(b"D\xfcren"),
        by_part(b"D\xfcren", "iso-8859-1"),
        (b"args.rows=D%FCren", ENCODED),
        (b"args.rows=D\xfcren", ENCODED),
    ],
)
@pytest.mark.parametrize("address", [ADDRESS, "/", "/tasks/bulk", "/tasks/7f3a1c52"])
def test_a_text_that_is_not_utf8_is_refused_and_not_replaced(
    client: FlaskClient, address: str, body: bytes, content_type: str
):
    headers = {"Accept": "application/json"}

    answer = client.post(address, data=body, content_type=content_type, headers=headers)

    assert (answer.status_code, answer.json["error"]["code"]) == (400, "not_utf8")
    assert "A text of the form" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        by_part("Düren".encode()),
        by_part("Düren".encode(), "utf-8"),
        (b"args.rows=D%C3%BCren", ENCODED),
    ],
)
def test_a_text_in_utf8_is_read(client: FlaskClient, body: bytes, content_type: str):
    page = client.post(ADDRESS, data=body, content_type=content_type, headers=HTML)

    assert page.status_code == 400
    assert 'value="Düren"' in page.text


def test_a_form_without_parts_may_not_be_as_large_as_a_file(client: FlaskClient):
    body = b"args.rows=" + b"3" * 100_000

    answer = client.post(
        ADDRESS, data=body, content_type=ENCODED, headers={"Accept": "application/json"}
    )

    assert answer.status_code == 413
    assert "file" not in answer.json["error"]["message"]


def test_a_file_that_is_too_large_is_said_at_its_field(app: Flask, client: FlaskClient):
    state_of(app).celery.conf.headway_upload_max_bytes = 1000
    app.config["HEADWAY_MAX_BODY_BYTES"] = 100_000  # of the texts

    large = send(client, source=b"x" * 1001, rows="3")
    huge = send(client, source=b"x" * 200_000, rows="3")
    program = send(client, {"Accept": "application/json"}, source=b"x" * 1001, rows="3")

    assert large.status_code == 400
    assert "This file is too large: it may have 1\u202fkB." in large.text
    assert 'value="3"' in large.text
    assert huge.status_code == 413
    assert "too large" in huge.text
    assert (program.status_code, program.json["error"]["code"]) == (413, "too_large")


def test_a_refusal_that_is_a_constant_keeps_no_form(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
):
    def is_full(*_: Any, **__: Any) -> None:
        raise UploadsFull

    monkeypatch.setattr("headway.web.api.receiving.take_in", is_full)

    assert FULL.message in send(client, source=CSV, rows="3").text
    assert FULL.__traceback__ is None


def test_an_earlier_tasks_file_is_chosen_already_until_it_expires(
    client: FlaskClient, records: Records
):
    task_id = send(client, source=CSV, rows="3").location.rpartition("/")[2]
    link = f"{ADDRESS}?from={task_id}"

    [(upload_id, name)] = kept_in(client.get(link, headers=HTML).text)
    records.client.delete(records.keys.upload(upload_id))
    gone = client.get(link, headers=HTML)

    assert name == "source.csv, 9\u202fB"
    assert (gone.status_code, kept_in(gone.text)) == (200, [])
    assert "has expired: choose it again" in gone.text
    assert 'value="3"' in gone.text


def test_without_redis_the_form_stays_filled(client: FlaskClient, monkeypatch: Any):
    from headway.store.errors import RedisUnavailable

    def away(*_: Any, **__: Any) -> None:
        raise RedisUnavailable("away")

    [(upload_id, _)] = kept_in(send(client, source=CSV, rows="many").text)
    monkeypatch.setattr("headway.store.uploads.UploadRecords.read", away)

    answer = send(client, source=upload_id, rows="3")

    assert answer.status_code == 503
    assert kept_in(answer.text) == [(upload_id, "The file that you chose")]
