"""The HTTP endpoints that tasks are read at."""

from __future__ import annotations

import time

import pytest
from flask import Flask
from flask.testing import FlaskClient

from headway.web.requests.sessions import CLOCK_TOLERANCE_SECONDS
from tests.api import BROWSER
from tests.by_hand import SERVER_KEYS


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
