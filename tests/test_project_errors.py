"""A project whose logins refuse, and whose errors are its own: Headway's routes keep to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from flask import Flask, abort
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import HTTPException, Unauthorized

from headway import Headway, token
from headway.celery.messages.sends import load_owner_by, nobody
from headway.store.records import Records
from headway.web.requests.whole_site import protect
from tests.terminal import create

SECRET = "a key of this test's own, which is long enough"
PAGE = {"Accept": "text/html"}
ORIGIN = "https://shop.example"


class NoLogin(Exception):
    """What a library for logins raises."""


class LoginTimeout(HTTPException):
    code = 440
    description = "Your login has ended."


def by_nobody() -> str | None:
    abort(401)


def by_basic() -> str | None:
    raise Unauthorized(www_authenticate=WWWAuthenticate("basic", {"realm": "shop"}))


def by_library() -> str | None:
    raise NoLogin


def by_own_status() -> str | None:
    raise LoginTimeout


@pytest.fixture
def shop(redis_url: str, tmp_path: Path) -> Iterator[Flask]:
    app = Flask("shop", root_path=str(tmp_path))
    app.config.update(
        SECRET_KEY=SECRET,
        HEADWAY_ALLOWED_ORIGINS=[ORIGIN],
        HEADWAY_RATE_LIMITS="on",
        HEADWAY_CHANGES_LIMIT="2/minute",
    )
    backend = f"headway+{redis_url}"
    Headway(app, celery=Celery("shop", broker=redis_url, backend=backend, set_as_current=False))

    @app.errorhandler(NoLogin)
    def no_login(_: NoLogin) -> ResponseReturnValue:
        return "Log in first.", 401

    yield app
    load_owner_by(nobody)


def get(app: Flask, loader: Any, address: str = "/headway/tasks", **headers: str) -> Any:
    app.config["HEADWAY_OWNER_LOADER"] = loader
    return app.test_client().get(address, headers=headers)


def test_a_guest_who_follows_a_link_gets_the_logins_own_answer(shop: Flask, records: Records):
    task_id = create(records, str(uuid4()), "ada", "Import")
    shared = token(task_id, secret_key=SECRET)

    answer = get(shop, by_nobody, f"/headway/tasks/{task_id}?token={shared}", **PAGE)

    assert answer.status_code == 401
    assert "Unauthorized" in answer.text
    assert f"/headway/tasks?token={shared}" in answer.text  # the way to what the link opens


def test_the_projects_own_handler_answers_for_its_own_error(shop: Flask, caplog: Any):
    answer = get(shop, by_library)

    assert (answer.status_code, answer.text) == (401, "Log in first.")
    assert caplog.text == ""


def test_what_a_client_needs_to_log_in_is_not_left_out(shop: Flask):
    assert get(shop, by_basic).headers["WWW-Authenticate"] == "Basic realm=shop"


@pytest.mark.parametrize("headers", [{}, PAGE])
def test_a_status_of_the_projects_own_is_answered(shop: Flask, headers: dict[str, str]):
    answer = get(shop, by_own_status, **headers)

    assert answer.status_code == 440
    assert "Your login has ended." in answer.text


def test_a_preflight_asks_for_no_login_and_uses_up_no_limit(shop: Flask):
    shop.config["HEADWAY_OWNER_LOADER"] = by_nobody
    client = shop.test_client()
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}

    answers = [client.options("/headway/tasks", headers=asked) for _ in range(5)]

    assert {answer.status_code for answer in answers} == {200}
    assert {answer.headers["Access-Control-Allow-Origin"] for answer in answers} == {ORIGIN}
    shop.config["HEADWAY_OWNER_LOADER"] = lambda: "ada"
    started = [client.post("/headway/tasks", json={"name": "none"}) for _ in range(3)]
    assert [answer.status_code for answer in started] == [400, 400, 429]


def test_an_app_without_a_key_starts_tasks_under_headways_own_protection(
    shop: Flask, records: Records
):
    shop.config["SECRET_KEY"] = None
    protect(shop)

    answer = shop.test_client().post("/headway/tasks", json={"name": "none"})

    assert answer.status_code == 400
