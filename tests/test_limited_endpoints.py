"""Each endpoint counts as something, and a form that reaches a limit is shown again with why."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask

from app import create_app
from headway.web.requests.limiting import KINDS

BROWSER = {"Accept": "text/html"}
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
    uncounted = {"static", "headway_ops", "headway_assets", "inbox"}
    endpoints = {rule.endpoint for rule in make_app().url_map.iter_rules()}

    assert {name for name in endpoints if name.partition(".")[0] not in uncounted} == set(KINDS)


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
