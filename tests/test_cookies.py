"""The cookie that says who a visitor is: over hosts whose clocks differ, and over a change of
the secret.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import config, create_app
from headway.exceptions import ConfigError
from headway.web.requests.sessions import CLOCK_TOLERANCE_SECONDS, VISITOR, Sessions

DAY = 86400.0
LIFETIME = 365 * DAY
OLD = "old-0123456789abcdef0123456789ab"
NEW = "new-0123456789abcdef0123456789ab"
OTHER = "other-0123456789abcdef0123456789"

Clock = Callable[[float], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Sets this machine's time of day wrong by so many seconds."""
    true_time = time.time

    def set_wrong_by(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: true_time() + seconds)

    return set_wrong_by


def cookie_of(client: FlaskClient) -> str:
    cookie = client.get_cookie("headway_session")
    assert cookie is not None
    return cookie.value


def visitor_at(app: Flask, cookie: str) -> tuple[str | None, str | None]:
    """Who a cookie names to the two that read it: a route and a websocket."""
    sessions = app.session_interface
    with app.test_request_context("/", headers={"Cookie": f"headway_session={cookie}"}) as context:
        by_route = context.session.get(VISITOR)
    by_socket = sessions.owner_in_cookie(app, f"headway_session={cookie}")
    return by_route, by_socket


@pytest.mark.parametrize(
    "signed_by", [-DAY, -600, -60, -2, -1, 0, 1, 2, 60, 600, 3600, DAY, 400 * DAY]
)
def test_a_cookie_signed_by_another_clock_names_its_visitor(
    app: Flask, clock: Clock, signed_by: float
):
    clock(signed_by)
    client = app.test_client()
    client.get("/")
    cookie = cookie_of(client)
    clock(0)

    first, *others = visitor_at(app, cookie)

    assert first
    assert others == [first]


@pytest.mark.parametrize("ahead", [2, 60, 600, 2 * DAY])
def test_between_two_hosts_a_visitor_keeps_tasks_and_identity(
    app: Flask, env: dict[str, str], clock: Clock, ahead: float
):
    here = app.test_client()
    there = create_app(env).test_client()
    clock(ahead)
    location = here.post("/longtask").headers["Location"]
    for _ in range(2):
        clock(0)
        there.set_cookie("headway_session", cookie_of(here))
        assert there.get(location).status_code == 200
        assert there.get("/tasks").json["tasks"]
        assert there.get("/").status_code == 200
        clock(ahead)
        here.set_cookie("headway_session", cookie_of(there))
        assert here.get(location).status_code == 200
        assert here.get("/").status_code == 200


def test_a_status_that_is_kept_in_mind_follows_the_clock_too(app: Flask, clock: Clock):
    client = app.test_client()
    location = client.post("/longtask").headers["Location"]

    for seconds in (0, -3600, LIFETIME + CLOCK_TOLERANCE_SECONDS - 60, 0):
        clock(seconds)
        assert client.get(location).status_code == 200
    clock(LIFETIME + CLOCK_TOLERANCE_SECONDS + 60)

    assert client.get(location).status_code == 404


def test_a_cookie_that_is_too_old_is_none(app: Flask, clock: Clock):
    client = app.test_client()
    client.get("/")

    clock(LIFETIME + CLOCK_TOLERANCE_SECONDS + 2)

    assert visitor_at(app, cookie_of(client)) == (None, None)


def test_a_rotated_secret_keeps_the_tasks(env: dict[str, str]):
    before = create_app(env | {"SECRET_KEY": OLD}).test_client()
    location = before.post("/longtask").headers["Location"]
    rotated = create_app(env | {"SECRET_KEY": NEW, "SECRET_KEY_FALLBACKS": f"{OTHER}  {OLD}"})
    client = rotated.test_client()
    client.set_cookie("headway_session", cookie_of(before))
    first, *others = visitor_at(rotated, cookie_of(before))

    assert others == [first]
    assert client.get(location).status_code == 200
    assert len(client.get("/tasks").json["tasks"]) == 1


@pytest.mark.parametrize(
    "ask", [lambda client: client.get("/"), lambda client: client.post("/longtask")]
)
def test_the_page_and_each_start_sign_the_cookie_with_the_new_secret(
    env: dict[str, str], ask: Callable[[FlaskClient], object]
):
    before = create_app(env | {"SECRET_KEY": OLD}).test_client()
    location = before.post("/longtask").headers["Location"]
    client = create_app(env | {"SECRET_KEY": NEW, "SECRET_KEY_FALLBACKS": OLD}).test_client()
    client.set_cookie("headway_session", cookie_of(before))

    ask(client)

    later = create_app(env | {"SECRET_KEY": NEW}).test_client()
    later.set_cookie("headway_session", cookie_of(client))
    assert later.get(location).status_code == 200


def test_a_secret_that_is_no_longer_named_is_not_taken(env: dict[str, str]):
    before = create_app(env | {"SECRET_KEY": OLD}).test_client()
    before.get("/")

    for fallbacks in ("", OTHER):
        app = create_app(env | {"SECRET_KEY": NEW, "SECRET_KEY_FALLBACKS": fallbacks})
        assert visitor_at(app, cookie_of(before)) == (None, None)


@pytest.mark.parametrize("weak", ["dev", "short", "0123456789abcde"])
def test_production_refuses_an_old_secret_that_anybody_could_guess(weak: str):
    settings = {
        "APP_ENV": "production",
        "SECRET_KEY": NEW,
        "REDIS_URL": "redis://x/0",
        "MAIL_SERVER": "x",
    }

    with pytest.raises(ConfigError, match="SECRET_KEY_FALLBACKS") as refused:
        config.load(settings | {"SECRET_KEY_FALLBACKS": f"{OLD} {weak}"})

    assert weak not in str(refused.value)
    assert OLD not in str(refused.value)


@pytest.mark.parametrize("root", ["", "/headway"])
def test_over_tls_the_cookie_is_of_this_host_alone(
    app: Flask, monkeypatch: pytest.MonkeyPatch, root: str
):
    monkeypatch.setitem(app.config, "SESSION_COOKIE_SECURE", True)
    environ = {"SCRIPT_NAME": root, "wsgi.url_scheme": "https"}
    sessions = app.session_interface
    assert isinstance(sessions, Sessions)

    [cookie] = app.test_client().get("/", environ_overrides=environ).headers.getlist("Set-Cookie")
    pair = cookie.partition(";")[0]
    plain = pair.removeprefix("__Host-")

    assert pair.startswith("headway_session=" if root else "__Host-headway_session=")
    assert sessions.owner_in_cookie(app, pair, root)
    # Another host of the domain can set one of the plain name, and makes nobody its visitor.
    assert bool(sessions.owner_in_cookie(app, plain, root)) is bool(root)
    with app.test_request_context("/", headers={"Cookie": plain}, environ_overrides=environ) as at:
        assert (VISITOR in at.session) is bool(root)
