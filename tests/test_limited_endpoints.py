"""Each endpoint counts as something, and a form that reaches a limit is shown again with why."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from io import BytesIO

import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder

from app import create_app
from headway.limits import KINDS as LIMITS
from headway.web.requests.limiting import KINDS, socket_quotas

BROWSER = {"Accept": "text/html"}
JSON = {"Accept": "application/json"}
MakeApp = Callable[..., Flask]


@pytest.fixture
def make_app(env: dict[str, str]) -> MakeApp:
    """Make an app whose limits are on."""
    return lambda **settings: create_app({**env, "RATE_LIMITS": "on", **settings})


@pytest.mark.parametrize(
    ("method", "path", "setting"),
    [
        ("GET", "/status/unknown", "READS_LIMIT"),
        ("GET", "/status?task_id=unknown", "READS_LIMIT"),
        ("GET", "/tasks/unknown/log", "READS_LIMIT"),
        ("GET", "/tasks/unknown/result", "READS_LIMIT"),
        ("GET", "/tasks/unknown/streams/answer", "READS_LIMIT"),
        ("GET", "/tasks/unknown/files", "READS_LIMIT"),
        ("GET", "/tasks/unknown/result.csv", "READS_LIMIT"),
        ("GET", "/tasks/unknown/files/report.csv", "READS_LIMIT"),
        ("GET", "/tasks/unknown", "READS_LIMIT"),
        ("GET", "/tasks/unknown/log.txt", "READS_LIMIT"),
        ("GET", "/start", "READS_LIMIT"),
        ("GET", "/start/unknown", "READS_LIMIT"),
        ("GET", "/tasks?q=words", "LISTS_LIMIT"),
        ("GET", "/", "LISTS_LIMIT"),
        ("GET", "/push", "READS_LIMIT"),
        ("POST", "/push", "CHANGES_LIMIT"),
        ("DELETE", "/push", "CHANGES_LIMIT"),
        ("POST", "/tasks", "CHANGES_LIMIT"),
        ("POST", "/", "CHANGES_LIMIT"),
        ("POST", "/longtask", "CHANGES_LIMIT"),
        ("POST", "/start/unknown", "CHANGES_LIMIT"),
        ("POST", "/tasks/unknown", "CHANGES_LIMIT"),
        ("POST", "/tasks/unknown/cancel", "CHANGES_LIMIT"),
        ("POST", "/tasks/unknown/retry", "CHANGES_LIMIT"),
        ("POST", "/tasks/unknown/schedule", "CHANGES_LIMIT"),
        ("POST", "/tasks/unknown/share", "SHARES_LIMIT"),
        ("DELETE", "/tasks/unknown/share", "CHANGES_LIMIT"),
        ("DELETE", "/tasks/unknown/share/unknown", "CHANGES_LIMIT"),
    ],
)
def test_each_endpoint_has_its_limit(make_app: MakeApp, method: str, path: str, setting: str):
    app = make_app(**{setting: "2/hour", "ADDRESS_FACTOR": "1"})
    client = app.test_client()

    answers = [client.open(path, method=method).status_code for _ in range(3)]

    assert 429 not in answers[:2]
    assert answers[2] == 429


def test_each_endpoint_of_a_visitors_counts_as_something(make_app: MakeApp):
    uncounted = {"static", "headway_ops", "headway_assets"}
    endpoints = {rule.endpoint for rule in make_app().url_map.iter_rules()}

    assert {name for name in endpoints if name.partition(".")[0] not in uncounted} == set(KINDS)


def one_request_to_each(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Yield each endpoint that counts, with a method and a path that reach it."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint in KINDS:
            method = min((rule.methods or set()) - {"HEAD", "OPTIONS"} or {"OPTIONS"})
            yield rule.endpoint, method, re.sub(r"<[^>]+>", "unknown", rule.rule)


@pytest.mark.parametrize("headers", [JSON, BROWSER], ids=["program", "browser"])
def test_each_kind_of_limit_says_how_much_time_is_left(make_app: MakeApp, headers: dict[str, str]):
    ones = {setting.name.removeprefix("HEADWAY_"): "1/hour" for setting in LIMITS.values()}
    app = make_app(**ones, ADDRESS_FACTOR="1")
    refused = set()
    for endpoint, method, path in one_request_to_each(app):
        # Each from an address of its own: one that no other endpoint has used up.
        here = {
            "headers": headers,
            "environ_base": {"REMOTE_ADDR": f"192.0.2.{len(refused) + 1}"},
            # The application leads a browser on to its own page, which counts.
            "follow_redirects": endpoint == "headway_list.show",
        }
        client = app.test_client()
        with client.open(path, method=method, **here) as first:
            assert first.status_code != 429, endpoint
        second = client.open(path, method=method, **here)
        assert second.status_code == 429, endpoint
        assert 3500 < int(second.headers["Retry-After"]) <= 3600, endpoint
        assert re.search(r"At most 1 [\w ]+ per hour\. Try again in 60 minutes\.", second.text)
        refused.add(endpoint)

    assert refused == set(KINDS)
    assert {*KINDS.values(), "starts"} == set(LIMITS)  # a start is admitted by what it starts


def test_off_turns_each_limit_off(make_app: MakeApp):
    ones = {setting.name.removeprefix("HEADWAY_"): "1/hour" for setting in LIMITS.values()}
    ones |= {"MAX_OPEN_TASKS": "1", "MAX_QUEUE_LENGTH": "1", "MAX_RUNNING": "1"}
    ones |= {"OWNER_SOCKETS": "1", "ADDRESS_SOCKETS": "1", "UPLOADED_MAX_BYTES": "1"}
    app = make_app(**ones, ADDRESS_FACTOR="1", RATE_LIMITS="off")
    client = app.test_client()

    answers = set()
    for endpoint, method, path in one_request_to_each(app):
        for _ in range(3):
            with client.open(path, method=method) as response:  # it may be a file
                answers.add((endpoint, response.status_code))
    started = [client.post("/longtask") for _ in range(3)]
    uploads = [
        client.post("/uploads", data={"file": (BytesIO(b"Email\n"), "people.csv")})
        for _ in range(3)
    ]

    assert {endpoint for endpoint, _ in answers} == set(KINDS)
    assert 429 not in {status for _, status in answers}
    assert [each.status_code for each in started] == [202] * 3
    assert {each.get_json()["status"] for each in started} == {"Pending..."}
    assert [each.status_code for each in uploads] == [201] * 3
    assert socket_quotas(app, EnvironBuilder().get_environ()) == {}


def test_the_button_that_makes_a_link_counts_as_a_link(make_app: MakeApp):
    client = make_app(SHARES_LIMIT="2/hour", ADDRESS_FACTOR="1").test_client()

    answers = [
        client.post("/tasks/unknown", data={"action": "share"}).status_code for _ in range(3)
    ]

    assert answers == [404, 404, 429]


@pytest.mark.parametrize(
    ("path", "field"), [("/", "email"), ("/start/send_async_email", "args.email")]
)
@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("STARTS_LIMIT", r"At most 2 new tasks per hour\. Try again in \d+ minutes\."),
        ("EMAILS_LIMIT", r"At most 2 emails per hour\. Try again in \d+ minutes\."),
        ("MAX_OPEN_TASKS", r"You have 2 tasks that have not ended\. Try again in 30 seconds\."),
        ("MAX_QUEUE_LENGTH", r"Too many tasks are waiting\. Try again in 30 seconds\."),
    ],
)
def test_a_form_that_reaches_a_limit_is_shown_again_with_the_time_left(
    make_app: MakeApp, path: str, field: str, setting: str, said: str
):
    client = make_app(**{setting: "2/hour" if "LIMIT" in setting else "2"}).test_client()
    client.get("/")
    form = {field: "ada@example.com", "submit": "Send"}
    for _ in range(2):
        assert client.post(path, data=form).status_code in (302, 303)

    refused = client.post(path, data=form, headers=BROWSER)
    program = client.post(path, data=form, headers={"Accept": "application/json"})

    assert refused.status_code == program.status_code
    assert refused.status_code == (503 if setting == "MAX_QUEUE_LENGTH" else 429)
    assert re.search(said, refused.text)
    assert 'value="ada@example.com"' in refused.text
    assert int(refused.headers["Retry-After"]) >= 30
    assert re.search(said, program.get_json()["error"]["message"])
