"""The HTTP endpoints while Redis is away, or hangs."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app import create_app
from headway.store.records import Records
from tests.api import BROWSER, started
from tests.processes import Valkey, free_port

CROWD = 150  # many times the connections that a process keeps to its broker
PATIENCE_SECONDS = 8  # of a caller; an answer is promised within 3


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
@pytest.mark.parametrize("path", ["/tasks/abc", "/tasks/abc/parts"])
def test_a_page_that_needs_redis_can_be_asked_for_again(redis_down: FlaskClient, path: str):
    asked = redis_down.get(path, headers=BROWSER)
    sent = redis_down.post("/tasks/abc", headers=BROWSER, data={"action": "cancel"})

    assert (asked.status_code, sent.status_code) == (503, 503)
    assert '<a href="">Try again</a>' in asked.text  # the address that it has
    assert "Try again</a>" not in sent.text


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
