"""The HTTP endpoints that start tasks: what works, what is refused, and that a refusal
starts nothing.
"""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from headway.message_headers import OWNER, RECORDED, SEND
from headway.snapshot import Snapshot
from headway.store.records import TASK_ID, Records
from tests.api import ACCEPT_JSON, BROWSER, started
from tests.security.test_half_characters import ENDPOINTS


def test_a_long_task_is_accepted_as_the_article_has_it(client: FlaskClient):
    response = client.post("/longtask")

    snapshot = Snapshot.from_json(response.text)
    assert response.status_code == 202
    assert response.headers["Location"] == f"/status/{snapshot.task_id}"
    assert TASK_ID.match(snapshot.task_id)
    assert (snapshot.state, snapshot.current, snapshot.total, snapshot.status) == (
        "PENDING",
        0,
        1,
        "Pending...",
    )

    status = client.get(response.headers["Location"])
    assert status.status_code == 200
    assert (
        status.get_json().items()
        >= {"state": "PENDING", "current": 0, "total": 1, "status": "Pending..."}.items()
    )


def test_the_message_of_a_start_is_what_celery_itself_would_send(
    app: Flask, client: FlaskClient, records: Records
):
    task_id = client.post("/longtask").get_json()["task_id"]
    app.extensions["headway"].celery.signature("long_task", queue="celery").apply_async(
        task_id=task_id
    )

    theirs, ours = map(json.loads, records.client.lrange("celery", 0, -1))
    for message in (theirs, ours):
        assert message["properties"].pop("delivery_tag")
        assert message["headers"].pop(SEND)
    assert ours["headers"].pop(RECORDED) == task_id
    assert ours["headers"].pop(OWNER)
    assert ours == theirs
    assert records.client.zcard("headway:outbox") == 0


def test_a_browsers_form_without_javascript_comes_back_to_the_page(client: FlaskClient):
    response = client.post("/longtask", headers=BROWSER)

    assert (response.status_code, response.headers["Location"]) == (303, "/")
    assert "Long task" in client.get("/", headers=BROWSER).text


def test_the_email_form_answers_as_the_article_does(client: FlaskClient):
    now = client.post(
        "/", data={"email": "ada@example.com", "submit": "Send"}, follow_redirects=True
    )
    later = client.post(
        "/", data={"email": "ada@example.com", "submit": "Send in 1 minute"}, follow_redirects=True
    )

    assert "Sending email to ada@example.com" in now.text
    assert "An email will be sent to ada@example.com in one minute" in later.text
    assert 'value="ada@example.com"' in later.text
    phases = [task["phase"] for task in client.get("/tasks").get_json()["tasks"]]
    assert phases == ["scheduled", "queued"]


def test_the_email_form_gives_programs_the_snapshot(client: FlaskClient):
    response = client.post(
        "/", data={"email": "ada@example.com", "submit": "Send"}, headers=ACCEPT_JSON
    )

    snapshot = Snapshot.from_json(response.text)
    assert response.status_code == 202
    assert (snapshot.name, snapshot.title) == ("send_async_email", "E-mail to ada@example.com")


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"email": "ada@example.com"},
        {"submit": "Send"},
        {"email": "", "submit": "Send"},
        {"email": "not an address", "submit": "Send"},
        {"email": "a@example.com, b@example.com", "submit": "Send"},
        {"email": "a@example.com\r\nBcc: b@example.com", "submit": "Send"},
        {"email": "a@example.com\x00", "submit": "Send"},
        {"email": "a@example.com\r\n", "submit": "Send"},
        {"email": "a" * 300 + "@example.com", "submit": "Send"},
        {"email": "ada@example.com", "submit": "Send to all"},
    ],
)
def test_a_bad_form_is_refused_and_starts_nothing(
    client: FlaskClient, redis_url: str, form: dict[str, str]
):
    page = client.post("/", data=form, headers=BROWSER)
    answer = client.post("/", data=form, headers=ACCEPT_JSON)

    assert page.status_code == answer.status_code == 400
    assert "<form" in page.text
    assert "Traceback" not in page.text
    assert answer.get_json()["error"]["fields"]
    assert started(redis_url) == 0


def test_tasks_are_started_by_name(client: FlaskClient):
    mail = client.post(
        "/tasks",
        json={"name": "send_async_email", "args": {"email": "ada@example.com"}, "countdown": 30},
    )
    long = client.post("/tasks", json={"name": "long_task"})

    assert (mail.status_code, mail.get_json()["phase"]) == (202, "scheduled")
    assert (long.status_code, long.get_json()["phase"]) == (202, "queued")
    assert long.headers["Location"] == f"/status/{long.get_json()['task_id']}"


def test_an_eta_is_kept_to_the_millisecond_and_one_in_the_past_is_now(client: FlaskClient):
    day = date.today() + timedelta(days=30)
    future = client.post("/tasks", json={"name": "long_task", "eta": f"{day}T02:00:00.250+01:00"})
    past = client.post("/tasks", json={"name": "long_task", "eta": "2020-01-01T00:00:00Z"})

    assert future.get_json()["scheduled_for"] == f"{day}T01:00:00.250Z"
    assert past.get_json()["phase"] == "queued"


@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        {},
        {"name": 1},
        {"name": "no_such_task"},
        {"name": "celery.backend_cleanup"},
        {"name": "long_task", "args": []},
        {"name": "long_task", "args": {"self": 1}},
        {"name": "long_task", "extra": 1},
        {"name": "long_task", "countdown": -1},
        {"name": "long_task", "countdown": 1e12},
        {"name": "long_task", "countdown": 10**400},
        {"name": "\ud800"},
        {"name": "send_async_email", "args": {"email": "\ud800@example.com"}},
        {"name": "long_task", "countdown": "60"},
        {"name": "long_task", "countdown": True},
        {"name": "long_task", "eta": "tomorrow"},
        {"name": "long_task", "eta": "2026-12-01T00:00:00"},
        {"name": "long_task", "eta": "9999-12-31T23:59:59Z"},
        {"name": "long_task", "eta": 5},
        {"name": "long_task", "eta": "2027-01-01T00:00:00Z", "countdown": 1},
        {"name": "send_async_email", "args": {}},
        {"name": "send_async_email", "args": {"email": 5}},
        {"name": "send_async_email", "args": {"email": "nobody"}},
        {"name": "send_async_email", "args": {"email": "a@example.com", "subject": "free"}},
    ],
)
def test_a_bad_request_is_refused_and_starts_nothing(
    client: FlaskClient, redis_url: str, body: object
):
    response = client.post("/tasks", json=body)

    assert response.status_code == 400
    assert set(response.get_json()["error"]) >= {"code", "message"}
    assert started(redis_url) == 0


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "[1e400]"])
def test_a_number_that_is_none_is_no_json(client: FlaskClient, redis_url: str, number: str):
    data = f'{{"name": "long_task", "args": {{"x": {number}}}}}'

    response = client.post("/tasks", data=data, content_type="application/json")

    assert (response.status_code, response.get_json()["error"]["code"]) == (400, "bad_json")
    assert started(redis_url) == 0


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b'{"name": "long_task", "countdown": NaN}', "application/json", 400),
        (b'{"name": "long_task", "countdown": 1e309}', "application/json", 400),
        (b'{"name": "long_task"}', "text/plain", 415),
        (b"name=long_task", "application/x-www-form-urlencoded", 415),
        (b"<name/>", "application/xml", 415),
        (b'{"name": "' + b"x" * 70_000 + b'"}', "application/json", 413),
    ],
)
def test_a_body_that_is_no_json_is_refused(
    client: FlaskClient, redis_url: str, data: bytes, content_type: str, status: int
):
    response = client.post("/tasks", data=data, content_type=content_type)

    assert response.status_code == status
    assert response.get_json()["error"]["code"]
    assert started(redis_url) == 0


@pytest.mark.parametrize("path", sorted({path for path, _ in ENDPOINTS}))
@pytest.mark.parametrize(
    "data",
    [b"{", b'{"name": "long_task"', b"[" * 60_000, b"\xff\xfe", b"[]", b'"text"', b"null"],
    ids=["cut", "cut key", "deep", "no UTF-8", "list", "text", "null"],
)
def test_what_is_no_json_object_has_one_code_at_each_endpoint(
    client: FlaskClient, redis_url: str, path: str, data: bytes
):
    task_id = client.post("/longtask").get_json()["task_id"]

    response = client.post(path.format(task_id=task_id), data=data, content_type="application/json")

    assert (response.status_code, response.get_json()["error"]["code"]) == (400, "bad_json")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/longtask", 405),
        ("PUT", "/tasks", 405),
        ("DELETE", "/status/abc", 405),
        ("GET", "/no/such/page", 404),
        ("GET", "/console", 404),
        ("GET", "/tasks?limit=0", 400),
        ("GET", "/tasks?limit=101", 400),
        ("GET", "/tasks?limit=٣", 400),
        ("GET", "/tasks?limit=99999999999999999999999", 400),
        ("GET", "/tasks?phase=sleeping", 400),
        ("GET", "/tasks?state=RETRY", 400),
        ("GET", "/tasks?cursor=xyz", 400),
        ("GET", "/tasks?cursor=%C2%B2~a", 400),
        ("GET", "/status", 400),
        ("GET", "/status?" + "&".join(f"task_id={n}" for n in range(101)), 400),
    ],
)
def test_wrong_methods_paths_and_numbers_are_told_so(
    client: FlaskClient, method: str, path: str, status: int
):
    response = client.open(path, method=method)

    assert response.status_code == status
    assert response.get_json()["error"]["message"]
