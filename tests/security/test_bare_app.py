"""Attacks on Headway in somebody's own Flask app: it sets no limit, and its tasks take any type."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, _state
from flask import Flask
from flask.testing import FlaskClient
from gunicorn.http.errors import InvalidChunkSize

from headway import Headway, Upload, task
from headway.arguments.typed import MAX_WRONG
from headway.celery.messages.sends import load_owner_by, nobody
from headway.registry import TASK_TYPES
from headway.settings import MAX_BODY_BYTES
from headway.strict_json import MAX_DEPTH
from headway.web.requests.forms import MAX_FILES

JSON = "application/json"
HTML = {"Accept": "text/html"}
AS_JSON = {"Accept": JSON}


@dataclass
class Part:
    number: int
    within: Part | None = None


@pytest.fixture(scope="module", autouse=True)
def kinds() -> Iterator[None]:
    finalizers = set(_state._on_app_finalizers)

    @task("Take anything")
    def take_anything(
        value: Any = None,
        counts: dict[str, int] = {},  # noqa: B006
        numbers: list[int] = [],  # noqa: B006
        part: Part | None = None,
        **options: Any,
    ) -> None: ...

    @task("Take a file")
    def take_a_file(source: Upload, note: str = "") -> None: ...

    yield
    for kind in ("take_anything", "take_a_file"):
        del TASK_TYPES[kind]
    _state._on_app_finalizers = finalizers  # else each later app would get them


@pytest.fixture
def shop(redis_url: str, tmp_path: Path) -> Iterator[Flask]:
    app = Flask("shop", root_path=str(tmp_path))  # without the templates of this repository
    app.config["SECRET_KEY"] = "a secret for the tests"
    app.config["HEADWAY_RATE_LIMITS"] = "off"
    backend = f"headway+{redis_url}"
    Headway(app, celery=Celery("shop", broker=redis_url, backend=backend, set_as_current=False))
    yield app
    load_owner_by(nobody)


@pytest.fixture
def client(shop: Flask) -> FlaskClient:
    return shop.test_client()


def nested(depth: int, opens: str = "[", closes: str = "]", inmost: str = "") -> str:
    return opens * depth + inmost + closes * depth


def start(client: FlaskClient, args: str) -> Any:
    text = f'{{"name": "take_anything", "args": {args}}}'
    return client.post("/headway/tasks", data=text, content_type=JSON)


# What Python's own reader of JSON takes, and what works on its value does not.
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 400, 900, 940, 960, 980, 5000])
@pytest.mark.parametrize(
    "args",
    ['{"value": %s}', '{"value": {"a": %s}}', '{"part": %s}', '{"counts": %s}', '{"more": %s}'],
)
def test_json_that_is_too_deep_is_refused(client: FlaskClient, args: str, depth: int):
    answer = start(client, args % nested(depth))

    assert (answer.status_code, answer.json["error"]["code"]) == (400, "bad_json")


def test_a_text_of_a_form_that_would_be_too_deep_is_a_text(client: FlaskClient):
    text = nested(MAX_DEPTH + 1)
    path = "/headway/start/take_anything"

    answer = client.post(path, data={"args.value": text}, headers=AS_JSON)
    again = client.get(f"/headway/start/take_anything?from={answer.json['task_id']}")

    assert answer.status_code == 202
    assert text in again.text  # a JSON value would be printed again, on many lines


def test_records_within_records_are_taken_as_deep_as_json(client: FlaskClient):
    depth = MAX_DEPTH - 3  # they lie in the arguments of a request
    text = nested(depth, '{"number": 1, "within": ', "}", "null")

    assert start(client, f'{{"part": {text}}}').status_code == 202


def test_a_key_of_thousands_of_digits_is_said_to_be_wrong(client: FlaskClient):
    counts = json.dumps({"9" * 5000: "many"})

    answer = client.post("/headway/start/take_anything", data={"args.counts": counts}, headers=HTML)

    assert answer.status_code == 400
    assert "Must be a whole number." in answer.text


@pytest.mark.parametrize(
    "args",
    [
        {"numbers": ["one"] * 5000},
        {"counts": {str(key): "one" for key in range(5000)}},
        {"part": {str(key): 1 for key in range(5000)}},
    ],
)
def test_of_thousands_that_are_wrong_the_first_are_said(client: FlaskClient, args: Any):
    answer = start(client, json.dumps(args))

    assert answer.status_code == 400
    assert 0 < len(answer.json["error"]["fields"]) <= MAX_WRONG


def test_of_thousands_of_unknown_keys_the_first_are_said(client: FlaskClient):
    unknown = {f"key {number}": 1 for number in range(5000)}

    answer = client.post("/headway/tasks", json=unknown)

    assert answer.status_code == 400
    assert 0 < len(answer.json["error"]["fields"]) <= MAX_WRONG


def test_a_form_of_very_many_files_is_refused_before_they_are_kept(client: FlaskClient):
    data = {f"file {number}": (io.BytesIO(b"x"), "a.csv") for number in range(MAX_FILES + 1)}

    answer = client.post("/headway/start/take_a_file", data=data, headers=AS_JSON)

    assert (answer.status_code, answer.json["error"]["code"]) == (400, "too_many_files")


def test_a_form_with_a_file_takes_as_long_a_text_as_json_does(client: FlaskClient):
    head = '--b\r\nContent-Disposition: form-data; name="args.note"\r\n\r\n'
    body = f"{head}{'x' * 900_000}\r\n--b--\r\n"
    kind = "multipart/form-data; boundary=b"

    answer = client.post(
        "/headway/start/take_a_file", data=body, content_type=kind, headers=AS_JSON
    )

    assert answer.status_code == 400
    assert answer.json["error"]["fields"] == {"source": "Is missing."}


def test_a_form_of_very_many_fields_is_refused_before_they_are_kept(client: FlaskClient):
    body = b"a&" * 5000
    path = "/headway/start/take_anything"

    answer = client.post(
        path, data=body, content_type="application/x-www-form-urlencoded", headers=AS_JSON
    )

    assert answer.status_code == 413


@pytest.mark.parametrize("of_app", [None, 100 * MAX_BODY_BYTES.default])
@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/headway/tasks", JSON),
        ("/headway/tasks/batch", JSON),
        ("/headway/tasks/batch", "application/x-www-form-urlencoded"),
        ("/headway/start/take_anything", "application/x-www-form-urlencoded"),
        ("/headway/tokens", "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_is_bounded_whatever_the_app_lets_its_own_be(
    shop: Flask, client: FlaskClient, path: str, content_type: str, of_app: int | None
):
    shop.config["MAX_CONTENT_LENGTH"] = of_app
    body = b"x" * (MAX_BODY_BYTES.default + 1)

    answer = client.post(path, data=body, content_type=content_type, headers=AS_JSON)

    assert answer.status_code == 413


class BadBody:
    """The `wsgi.input` that gunicorn gives a request whose first chunk has no size."""

    def read(self, size: int = -1) -> bytes:
        raise InvalidChunkSize(b"0x5")


@pytest.mark.parametrize(
    ("method", "path", "content_type"),
    [
        ("POST", "/headway/tasks", JSON),
        ("POST", "/headway/tasks/batch", JSON),
        ("POST", "/headway/tasks/batch", "application/x-www-form-urlencoded"),
        ("POST", "/headway/start/take_a_file", "multipart/form-data; boundary=b"),
        ("POST", "/headway/uploads", "multipart/form-data; boundary=b"),
        ("POST", "/headway/tokens", "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_that_the_server_cannot_read_is_a_bad_request(
    client: FlaskClient, method: str, path: str, content_type: str
):
    of_server = {"wsgi.input": BadBody(), "wsgi.input_terminated": True}
    headers = {**AS_JSON, "Transfer-Encoding": "chunked", "Content-Type": content_type}

    answer = client.open(path, method=method, headers=headers, environ_overrides=of_server)

    assert answer.status_code == 400


def test_what_fails_at_a_path_with_an_end_of_a_line_is_one_line_of_the_log(
    shop: Flask, client: FlaskClient, caplog: pytest.LogCaptureFixture
):
    def broken() -> str:
        raise ZeroDivisionError

    shop.config["HEADWAY_OWNER_LOADER"] = broken
    caplog.set_level(logging.ERROR)

    answer = client.get("/headway/status/x%0A2026%20INFO%20all%20is%20well%1B[2J")

    [record] = caplog.records
    assert answer.status_code == 500
    assert record.getMessage().isprintable()


@pytest.mark.parametrize(
    "sid", ["x%0A2026%20INFO%20all%20is%20well", "x%1B[2J", "x%0D", "%E2%80%A8"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_session_id_is_more_than_a_line_of_the_log(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, method: str, sid: str
):
    path = f"/headway/socket.io/?EIO=4&transport=websocket&sid={sid}"

    answer = client.open(path, method=method)

    [record] = caplog.records
    assert answer.status_code == 400
    assert record.getMessage().isprintable()
