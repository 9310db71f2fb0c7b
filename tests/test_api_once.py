"""A task is started once, and by no other site."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from tests.api import BROWSER, started


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
