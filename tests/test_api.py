"""The HTTP doors, as the contract has them: what works, what is refused, and that a refusal
starts nothing.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import date, timedelta
from pathlib import Path

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from headway.message_headers import OWNER, RECORDED, SEND
from headway.snapshot import Snapshot
from headway.store.records import TASK_ID, Records
from headway.web.access import CLOCK_TOLERANCE_SECONDS
from tests.by_hand import SERVER_KEYS
from tests.processes import Valkey, free_port

ACCEPT_JSON = {"Accept": "application/json"}
CROWD = 150  # many times the connections that a process keeps to its broker
PATIENCE_SECONDS = 8  # of a caller; an answer is promised within 3
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def started(redis_url: str) -> int:
    """How many tasks there are: records, messages at the broker, and entries of the outbox must
    agree.
    """
    with redis.Redis.from_url(redis_url) as client:
        return len(client.keys("headway:task:*")) + client.llen("celery") + client.llen("mail")


# Starting


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


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b'{"name": "long_task"', "application/json", 400),
        (b'{"name": "long_task", "countdown": NaN}', "application/json", 400),
        (b'{"name": "long_task", "countdown": 1e309}', "application/json", 400),
        (b"[" * 60000, "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
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


# Reading


def test_a_status_that_has_not_changed_is_304(client: FlaskClient):
    location = client.post("/longtask").headers["Location"]
    first = client.get(location)

    again = client.get(location, headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.data) == (304, b"")
    assert first.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize(
    "cookie",
    ["headway_session=\xff.a.b", "\xe9", "headway_session=", "=;;", "headway_session=a.b.c"],
)
def test_a_cookie_that_is_none_is_a_stranger(client: FlaskClient, cookie: str):
    location = client.post("/longtask").headers["Location"]
    client.delete_cookie("headway_session")

    assert client.get(location, environ_overrides={"HTTP_COOKIE": cookie}).status_code == 404


def test_a_cookie_ends_with_its_lifetime(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
):
    location = client.post("/longtask").headers["Location"]
    assert client.get(location).status_code == 200

    now = time.time()
    lifetime = app.permanent_session_lifetime.total_seconds()
    monkeypatch.setattr(time, "time", lambda: now + lifetime + CLOCK_TOLERANCE_SECONDS + 2)

    assert client.get(location).status_code == 404


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"If-None-Match": "W/{etag}"}, 304),
        ({"If-None-Match": '"other", {etag}'}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-None-Match": "*"}, 304),
        ({"If-Match": '"other"'}, 412),
    ],
)
def test_a_status_keeps_the_rules_of_conditional_requests(
    client: FlaskClient, headers: dict[str, str], code: int
):
    location = client.post("/longtask").headers["Location"]
    etag = client.get(location).headers["ETag"]

    asked = {name: value.format(etag=etag) for name, value in headers.items()}

    assert client.get(location, headers=asked).status_code == code


def test_a_status_that_has_moved_up_the_queue_is_not_304(client: FlaskClient, app: Flask):
    ahead = client.post("/longtask").get_json()["task_id"]
    behind = client.get(client.post("/longtask").headers["Location"])
    assert behind.get_json()["queue_position"] == 1

    app.extensions["headway"].records.client.zrem("headway:waiting:celery", ahead)
    moved = client.get(
        f"/status/{behind.get_json()['task_id']}", headers={"If-None-Match": behind.headers["ETag"]}
    )

    assert (moved.status_code, moved.get_json()["queue_position"]) == (200, 0)


def test_what_is_unknown_expired_malformed_or_not_yours_is_alike(app: Flask, client: FlaskClient):
    theirs = app.test_client().post("/longtask").headers["Location"].rpartition("/")[2]
    gone = client.post("/longtask").headers["Location"].rpartition("/")[2]
    app.extensions["headway"].records.forget(gone)
    ids = [
        theirs,
        gone,
        "7f0b2a3e-0000-4000-8000-000000000000",
        "..",
        "a*",
        "a:b",
        "%00",
        "a%0d%0ab",
        "x" * 200,
    ]

    answers = {
        (r.status_code, r.text)
        for r in (client.get(f"/status/{task_id}") for task_id in ids if task_id != "..")
    }
    strangers = {(r.status_code, r.text) for r in (app.test_client().get(f"/status/{theirs}"),)}

    assert len(answers) == 1
    assert answers == strangers
    assert answers.pop()[0] == 404
    batch = client.get("/status", query_string=[("task_id", task_id) for task_id in ids]).get_json()
    assert (batch["snapshots"], batch["missing"]) == ([], ids)


@pytest.mark.parametrize("path", ["/status/abc", "/status", "/tasks/abc/log"])
def test_a_json_door_refuses_in_json_also_to_a_browser(client: FlaskClient, path: str):
    assert client.get(path, headers=BROWSER).get_json()["error"]["code"]
    assert "<h1>" in client.get("/no/such/page", headers=BROWSER).text


def test_a_client_that_names_json_gets_json(client: FlaskClient):
    form = {"email": "nobody", "submit": "Send"}

    answers = [
        client.post("/", data=form, headers={"Accept": accept}).is_json
        for accept in (
            "application/json",
            "application/json, text/plain, */*",
            "*/*",
            BROWSER["Accept"],
        )
    ]

    assert answers == [True, True, False, False]


def test_many_statuses_in_one_answer(client: FlaskClient):
    ids = [client.post("/longtask").get_json()["task_id"] for _ in range(3)]

    batch = client.get(
        "/status", query_string=[("task_id", task_id) for task_id in [*ids, ids[0], "nope"]]
    ).get_json()

    assert [snapshot["task_id"] for snapshot in batch["snapshots"]] == ids
    assert batch["missing"] == ["nope"]
    assert batch["server"].keys() == SERVER_KEYS
    assert batch["server"]["queued"] == 3


def test_the_list_is_the_owners_newest_first_in_pages(app: Flask, client: FlaskClient):
    app.test_client().post("/longtask")
    mine = [client.post("/longtask").get_json()["task_id"] for _ in range(5)]

    seen = []
    cursor = None
    pages = 0
    while pages == 0 or cursor:
        body = client.get(
            "/tasks", query_string={"limit": 2} | ({"cursor": cursor} if cursor else {})
        ).get_json()
        seen += [task["task_id"] for task in body["tasks"]]
        cursor, pages = body["next"], pages + 1

    assert (seen, pages) == (mine[::-1], 3)
    assert len(client.get("/tasks?state=PENDING&phase=failed").get_json()["tasks"]) == 5
    assert client.get("/tasks?phase=succeeded").get_json()["tasks"] == []


# Once


def test_the_same_key_gives_the_same_task_and_another_body_is_refused(
    client: FlaskClient, redis_url: str
):
    headers = {"Idempotency-Key": "a-key"}

    first = client.post("/longtask", headers=headers)
    again = client.post("/longtask", headers=headers)
    other = client.post(
        "/tasks",
        json={"name": "send_async_email", "args": {"email": "a@example.com"}},
        headers=headers,
    )

    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 422)
    assert again.get_json()["task_id"] == first.get_json()["task_id"]
    assert ("Idempotency-Replayed" in first.headers, again.headers["Idempotency-Replayed"]) == (
        False,
        "true",
    )
    assert started(redis_url) == 2  # one record, one message


def test_a_form_may_carry_the_key_and_a_double_click_is_one_email(
    client: FlaskClient, redis_url: str
):
    form = {"email": "ada@example.com", "submit": "Send", "idempotency_key": "click"}

    client.post("/", data=form)
    client.post("/", data=form)

    assert started(redis_url) == 2


def test_a_key_is_its_owners(app: Flask, client: FlaskClient):
    headers = {"Idempotency-Key": "a-key"}

    mine = client.post("/longtask", headers=headers)
    theirs = app.test_client().post("/longtask", headers=headers)

    assert mine.get_json()["task_id"] != theirs.get_json()["task_id"]


def test_a_key_has_a_length(client: FlaskClient):
    assert client.post("/longtask", headers={"Idempotency-Key": "k" * 256}).status_code == 400


# Other sites


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 202),
        ({"Sec-Fetch-Site": "same-origin"}, 202),
        ({"Sec-Fetch-Site": "none"}, 202),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, 403),
        ({"Origin": "http://localhost"}, 202),
        ({"Origin": "http://LOCALHOST"}, 202),
        ({"Origin": "http://localhost:8080"}, 403),
        ({"Origin": "https://localhost"}, 403),
        ({"Origin": "http://localhost.evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Origin": "http://evil.example", "X-Forwarded-Host": "evil.example"}, 403),
    ],
)
def test_a_foreign_page_cannot_start_anything(
    client: FlaskClient, redis_url: str, headers: dict[str, str], status: int
):
    response = client.post("/longtask", headers=headers)

    assert response.status_code == status
    assert (started(redis_url) > 0) == (status == 202)


def test_an_origin_may_be_allowed_by_name(env: dict[str, str]):
    client = create_app(env | {"ALLOWED_ORIGINS": "https://partner.example"}).test_client()

    allowed = client.post(
        "/longtask", headers={"Origin": "https://partner.example", "Sec-Fetch-Site": "cross-site"}
    )

    assert allowed.status_code == 202


def test_cookies_and_headers_are_guarded(client: FlaskClient):
    response = client.get("/", headers=BROWSER)

    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("headway_session=")
    assert {"HttpOnly", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}
    assert "unsafe-inline" not in response.headers["Content-Security-Policy"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_a_forged_cookie_is_a_stranger(app: Flask, client: FlaskClient):
    location = client.post("/longtask").headers["Location"]
    cookie = client.get_cookie("headway_session")
    assert cookie is not None

    stranger = app.test_client()
    value = cookie.value
    stranger.set_cookie("headway_session", ("B" if value[0] != "B" else "C") + value[1:])

    assert stranger.get(location).status_code == 404


def test_an_app_with_logins_says_who_asks(env: dict[str, str]):
    from flask import request

    app = create_app(env | {"HEADWAY_OWNER_LOADER": lambda: request.headers.get("X-User")})
    one = app.test_client()
    two = app.test_client()

    location = one.post("/longtask", headers={"X-User": "ada"}).headers["Location"]

    assert two.get(location, headers={"X-User": "ada"}).status_code == 200
    assert one.get(location, headers={"X-User": "bob"}).status_code == 404
    assert one.get(location).status_code == 404


# Redis away


@pytest.fixture
def redis_down(env: dict[str, str]) -> FlaskClient:
    return create_app(env | {"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}).test_client()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/longtask"),
        ("POST", "/tasks"),
        ("POST", "/tasks/abc/cancel"),
        ("POST", "/tasks/abc/retry"),
        ("POST", "/tasks/abc/schedule"),
        ("GET", "/tasks"),
        ("GET", "/status/abc"),
        ("GET", "/readyz"),
    ],
)
def test_without_redis_the_answer_is_503_and_when_to_come_again(
    redis_down: FlaskClient, method: str, path: str
):
    with redis_down.session_transaction() as session:
        session["visitor"] = "ada"
    body = {"name": "long_task"} if method == "POST" and path == "/tasks" else None

    response = redis_down.open(path, method=method, json=body)

    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert response.get_json()["error"]["code"]


def test_without_redis_the_page_still_opens(redis_down: FlaskClient):
    assert redis_down.get("/", headers=BROWSER).status_code == 200
    assert redis_down.get("/healthz").status_code == 200
    page = redis_down.post(
        "/", data={"email": "ada@example.com", "submit": "Send"}, headers=BROWSER
    )
    assert (page.status_code, "Redis does not answer" in page.text) == (503, True)


@pytest.mark.usefixtures("hasty_redis")
def test_a_start_while_redis_hangs_is_503_and_never_begins(
    env: dict[str, str], valkey: Valkey, records: Records
):
    client = create_app(env).test_client()
    client.get("/")
    valkey.freeze()
    try:
        responses = [client.post("/longtask"), client.post("/tasks", json={"name": "long_task"})]
    finally:
        valkey.thaw()

    assert [response.status_code for response in responses] == [503, 503]
    assert json.loads(client.get("/tasks").text)["tasks"] == []
    assert started(env["REDIS_URL"]) == 0


def test_a_status_while_redis_hangs_is_503_in_time(
    env: dict[str, str], valkey: Valkey, redis_timeouts: list[object]
):
    client = create_app(env).test_client()
    location = client.post("/longtask").headers["Location"]
    valkey.freeze()
    try:
        response = client.get(location)
        asked = len(redis_timeouts)
    finally:
        valkey.thaw()

    assert (response.status_code, response.get_json()["error"]["code"]) == (503, "unavailable")
    assert int(response.headers["Retry-After"]) > 0
    assert "Content-Security-Policy" in response.headers
    assert asked == 1
    assert client.get(location).status_code == 200


def test_starts_that_meet_a_broker_that_hangs_are_answered_and_kept(
    env: dict[str, str], records: Records, tmp_path: Path
):
    broker = Valkey(tmp_path)
    app = create_app(env | {"CELERY_BROKER_URL": broker.url})
    try:
        # a connection that it will hang on
        assert app.test_client().post("/longtask").status_code == 202
        broker.freeze()
        with ThreadPoolExecutor(CROWD) as crowd:
            starts = [crowd.submit(app.test_client().post, "/longtask") for _ in range(CROWD)]
            answered, late = wait(starts, PATIENCE_SECONDS)
    finally:
        broker.thaw()
        broker.stop()

    answers = [start.result() for start in answered]
    assert (late, {answer.status_code for answer in answers}) == (set(), {202})
    waiting = set(records.client.zrange("headway:outbox", 0, -1))
    assert {answer.get_json()["task_id"] for answer in answers} <= waiting
