"""Each route of the app, walked: whose tasks it shows, and the headers of its answers.

A route that takes a task's id and stands in no list here fails, and so does any that forgets its
headers.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, TestResponse, run_wsgi_app

from app import create_app
from headway.state import state_of
from headway.store.model import TaskRecord
from tests.processes import Valkey

UNKNOWN = "00000000-0000-4000-8000-000000000000"
GUESSES = 10_000
JSON = {"Accept": "application/json"}
BROWSER = {"Accept": "text/html"}
# Requests to each route that takes a task's id, with what they have besides.
OF_TASKS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/status/<task_id>", {}),
    ("GET", "/tasks/<task_id>", {}),
    ("GET", "/tasks/<task_id>?level=ERROR&find=a", {}),
    *(
        ("POST", "/tasks/<task_id>", {"data": {"action": action}})
        for action in ("cancel", "now", "again", "share", "unshare")
    ),
    ("GET", "/tasks/<task_id>/log", {}),
    ("GET", "/tasks/<task_id>/log.txt", {}),
    ("GET", "/tasks/<task_id>/log.txt?level=ERROR&find=a", {}),
    ("GET", "/tasks/<task_id>/streams/<name>", {}),
    ("GET", "/tasks/<task_id>/streams/<name>?download", {}),
    ("GET", "/tasks/<task_id>/files", {}),
    ("GET", "/tasks/<task_id>/parts", {}),
    ("POST", "/tasks/<task_id>/parts/retry", {}),
    ("GET", "/tasks/<task_id>/files/<name>", {}),
    ("GET", "/tasks/<task_id>/result", {}),
    ("GET", "/tasks/<task_id>/result.csv", {}),
    ("POST", "/tasks/<task_id>/answer", {"json": {"question_id": "q", "value": 1}}),
    ("POST", "/tasks/<task_id>/cancel", {}),
    ("POST", "/tasks/<task_id>/retry", {}),
    ("POST", "/tasks/<task_id>/forget", {}),
    ("POST", "/tasks/<task_id>/schedule", {"json": {"countdown": 0}}),
    ("POST", "/tasks/<task_id>/share", {}),
    ("DELETE", "/tasks/<task_id>/share", {}),
    ("DELETE", "/tasks/<task_id>/share/<token_id>", {}),
    ("GET", "/start/send_async_email?from=<task_id>", {}),
]
# What a rule's other parts are in a request.
PARTS = {
    "token_id": "t" * 22,
    "name": "headway.js",
    "message_id": "1",
    "filename": "page.css",
    "upload_id": "u" * 32,
    "tag": "zh",
    "kind": "js",
}


@pytest.fixture(scope="module")
def settings(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {
        "REDIS_URL": valkey.url,
        "DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "SECRET_KEY": "a secret for the tests",
    }


@pytest.fixture(scope="module")
def app(settings: dict[str, str]) -> Flask:
    app = create_app(settings)
    # For /readyz: here nothing listens to Redis.
    state_of(app).manager.heartbeat.round_trip = lambda seconds: True
    return app


@pytest.fixture
def owner(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def stranger(app: Flask) -> FlaskClient:
    """A visitor with a task of its own: not one for whom nothing could be found."""
    client = app.test_client()
    assert client.post("/longtask").status_code == 202
    return client


def rules(app: Flask) -> Iterator[tuple[str, str]]:
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            yield method, re.sub(r"<\w+:", "<", rule.rule)


def path_of(rule: str, task_id: str = UNKNOWN) -> str:
    parts = {**PARTS, "task_id": task_id}
    return re.sub(r"<(\w+)>", lambda found: parts[found[1]], rule)


def malformed(seed: int) -> str:
    """Return what is nearly an id: one with a letter replaced, too many, or cut."""
    chance = random.Random(seed)
    text = str(UUID(int=chance.getrandbits(128), version=4))
    at = chance.randrange(1, len(text))
    return chance.choice(
        [text[:at], text + text[:at], text[:at] + "g" + text[at:], f"{text[:at]}%{text[at:]}"]
    )


def expired(app: Flask, client: FlaskClient) -> str:
    """Return the id of a task that a visitor had and that has expired."""
    task_id = str(client.post("/longtask").get_json()["task_id"])
    state_of(app).records.forget(task_id)
    return task_id


def shown(response: TestResponse) -> tuple[int, str, str]:
    """Return all that a client sees of an answer, but for its nonce and the time in its cookie."""
    headers = re.sub(r"nonce-[\w-]+", "nonce", str(sorted(response.headers.items())))
    headers = re.sub(r"(headway_session|Expires)=[^;]*", r"\1", headers)
    body = re.sub(r'nonce="[\w-]+"', "nonce", response.text)
    return response.status_code, headers, body


def test_each_route_that_takes_a_tasks_id_is_in_the_list(app: Flask):
    listed = {(method, address.partition("?")[0]) for method, address, _ in OF_TASKS}

    assert {rule for rule in rules(app) if "task_id" in rule[1]} <= listed


@pytest.mark.parametrize("headers", [JSON, BROWSER], ids=["program", "browser"])
@pytest.mark.parametrize(("method", "rule", "options"), OF_TASKS, ids=str)
def test_what_is_not_yours_answers_as_what_is_not(
    app: Flask,
    owner: FlaskClient,
    stranger: FlaskClient,
    method: str,
    rule: str,
    options: dict[str, Any],
    headers: dict[str, str],
):
    foreign = str(owner.post("/longtask").get_json()["task_id"])
    before = owner.get(f"/status/{foreign}").text
    strange = ["x", "-" * 36, foreign.upper(), "a" * 200, "%00", "..", "%ff", "*", "é"]
    wanted = [foreign, UNKNOWN, str(uuid4()), expired(app, owner), expired(app, stranger)]

    answers = {
        shown(stranger.open(path_of(rule, task_id), method=method, headers=headers, **options))
        for task_id in [*wanted, *strange]
    }

    assert [status for status, *_ in answers] == [404]
    assert owner.get(f"/status/{foreign}").text == before


def test_what_is_not_yours_is_not_read_so_that_time_tells_nothing(
    app: Flask, owner: FlaskClient, stranger: FlaskClient, monkeypatch: pytest.MonkeyPatch
):
    foreign = str(owner.post("/longtask").get_json()["task_id"])
    records = state_of(app).records
    read = records.read
    found: list[TaskRecord | None] = []

    def watched(*args: Any, **options: Any) -> list[TaskRecord | None]:
        found.extend(read(*args, **options))
        return found[-len(args[0]) :]

    monkeypatch.setattr(records, "read", watched)
    for method, rule, options in OF_TASKS:
        stranger.open(path_of(rule, foreign), method=method, headers=BROWSER, **options)
        stranger.open(path_of(rule, foreign), method=method, headers=JSON, **options)
    stranger.get(f"/status?task_id={foreign}")

    assert len(found) > 2 * len(OF_TASKS)
    assert set(found) == {None}


@pytest.mark.parametrize("method", ["batch", "list", "search"])
def test_no_list_names_what_is_not_yours(owner: FlaskClient, stranger: FlaskClient, method: str):
    foreign = str(owner.post("/longtask").get_json()["task_id"])
    paths = {
        "batch": f"/status?task_id={foreign}&task_id={UNKNOWN}",
        "list": "/tasks",
        "search": "/tasks?q=Long",
    }

    answer = stranger.get(paths[method]).get_json()

    assert answer.get("missing", [foreign, UNKNOWN]) == [foreign, UNKNOWN]
    found = answer.get("snapshots", answer.get("tasks"))
    assert foreign not in {each["task_id"] for each in found}
    assert foreign in {each["task_id"] for each in owner.get("/tasks").get_json()["tasks"]}


def test_ten_thousand_guesses_are_answered_alike_and_then_refused(
    settings: dict[str, str], owner: FlaskClient
):
    limits = {"RATE_LIMITS": "on", "READS_LIMIT": f"{GUESSES}/hour", "ADDRESS_FACTOR": "1"}
    with_limits = create_app({**settings, **limits})
    foreign = [str(owner.post("/longtask").get_json()["task_id"]) for _ in range(100)]
    guesses = [*foreign, *(malformed(n) for n in range(1000))]
    guesses += [str(uuid4()) for _ in range(GUESSES - len(guesses))]
    random.Random(1).shuffle(guesses)
    guesser = EnvironBuilder(environ_base={"REMOTE_ADDR": "192.0.2.9"}).get_environ()

    def answer(guess: str) -> tuple[str, str, bytes]:
        # Without Flask's client, which takes longer than the app.
        body, status, headers = run_wsgi_app(
            with_limits.wsgi_app, {**guesser, "PATH_INFO": f"/status/{guess}"}
        )
        return status, str(headers), b"".join(body)

    answers = {answer(guess) for guess in guesses}
    after = {answer(guess)[0] for guess in (*foreign[:3], UNKNOWN, malformed(1))}

    assert [status for status, *_ in answers] == ["404 NOT FOUND"]
    assert after == {"429 TOO MANY REQUESTS"}


@pytest.mark.parametrize("headers", [JSON, BROWSER], ids=["program", "browser"])
def test_each_answer_has_the_headers_that_protect_it(app: Flask, headers: dict[str, str]):
    client = app.test_client()
    for method, rule in rules(app):
        response = client.open(path_of(rule), method=method, headers=headers)
        policy = response.headers.get("Content-Security-Policy", "")
        assert response.headers.get("X-Content-Type-Options") == "nosniff", rule
        assert response.headers.get("Referrer-Policy") == "same-origin", rule
        assert "default-src 'self'" in policy, rule
        assert "frame-ancestors 'none'" in policy, rule
        assert "unsafe" not in policy, rule
        response.close()


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_a_cookie_is_for_this_site_alone_and_no_script(
    app: Flask, monkeypatch: pytest.MonkeyPatch, secure: bool
):
    monkeypatch.setitem(app.config, "SESSION_COOKIE_SECURE", secure)
    cookies = []
    for method, rule in rules(app):
        response = app.test_client().open(path_of(rule), method=method)
        cookies += response.headers.getlist("Set-Cookie")
        response.close()

    assert cookies
    for cookie in cookies:
        flags = {part.strip() for part in cookie.split(";")[1:]}
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= flags
        assert ("Secure" in flags) is secure
        assert cookie.startswith("__Host-") is secure
        assert not any(flag.startswith("Domain") for flag in flags)
