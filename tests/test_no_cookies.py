"""A visitor whose browser keeps no cookie: it is said, and nothing is started that nobody would
see.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from app import config, create_app, doctor
from headway.checks import Mark
from headway.web.requests import cookies
from tests.page import LIVE, cards, chip
from tests.processes import Process, Valkey, running, web

PRODUCTION = {"APP_ENV": "production", "SECRET_KEY": "0123456789abcdef", "MAIL_SERVER": "127.0.0.1"}
EMAIL = {"email": "ada@example.com", "submit": "Send"}
FORMS: list[tuple[str, dict[str, str]]] = [("/", EMAIL), ("/longtask", {})]
REQUIRED = {"cookie": "required"}
AS_JSON = {"Accept": "application/json"}
AS_PAGE = {"Accept": "text/html"}


@pytest.fixture
def no_jar(app: Flask) -> FlaskClient:
    return app.test_client(use_cookies=False)


@pytest.fixture
def production(env: dict[str, str]) -> FlaskClient:
    return create_app(env | PRODUCTION).test_client(use_cookies=False)


def started(redis_url: str) -> int:
    with redis.Redis.from_url(redis_url) as client:
        return len(client.keys("celery-task-meta-*"))


@pytest.mark.parametrize(("path", "fields"), FORMS)
@pytest.mark.parametrize("cookie", ["", "headway_session=forged.a.b", "other=1"])
def test_a_page_without_its_cookie_starts_nothing(
    no_jar: FlaskClient, redis_url: str, path: str, fields: dict[str, str], cookie: str
):
    refused = no_jar.post(path, data=fields | REQUIRED, headers=AS_JSON | {"Cookie": cookie})
    page = no_jar.post(path, data=fields | REQUIRED, headers=AS_PAGE | {"Cookie": cookie})

    assert (refused.status_code, refused.json["error"]["code"]) == (403, "cookie_required")
    assert "Allow cookies" in refused.json["error"]["message"]
    assert page.status_code == 403
    assert "Allow cookies" in page.text
    # a page that is not loaded again would be another visitor's
    assert "Set-Cookie" not in refused.headers
    assert started(redis_url) == 0


@pytest.mark.parametrize(("path", "fields"), FORMS)
def test_a_page_with_its_cookie_starts_what_it_wants(
    client: FlaskClient, path: str, fields: dict[str, str]
):
    client.get("/")

    response = client.post(path, data=fields | REQUIRED, headers=AS_JSON)

    assert response.status_code == 202
    assert "Headway-Hint" not in response.headers


@pytest.mark.parametrize("path", ["/", "/longtask"])
def test_without_a_page_nothing_is_required_and_a_hint_is_given(no_jar: FlaskClient, path: str):
    response = no_jar.post(path, data=EMAIL, headers=AS_JSON)

    assert response.status_code == 202
    assert "send the cookie" in response.headers["Headway-Hint"]
    assert "https" not in response.headers["Headway-Hint"]


def test_a_status_without_a_cookie_says_so_of_each_task_alike(no_jar: FlaskClient):
    location = no_jar.post("/longtask").headers["Location"]

    answers = [
        no_jar.get(path) for path in (location, "/status/00000000-0000-4000-8000-000000000000")
    ]

    assert [(each.status_code, each.json["error"]["code"]) for each in answers] == [
        (404, "not_found")
    ] * 2
    assert answers[0].data == answers[1].data
    assert ["send the cookie" in each.headers["Headway-Hint"] for each in answers] == [True, True]


def test_a_status_under_another_cookie_says_what_it_said(app: Flask, client: FlaskClient):
    location = client.post("/longtask").headers["Location"]
    other = app.test_client()
    other.get("/")

    assert "Headway-Hint" not in other.get(location).headers


def test_an_app_with_logins_needs_no_cookie_of_ours(env: dict[str, str]):
    client = create_app(env | {"HEADWAY_OWNER_LOADER": lambda: "ada"}).test_client(
        use_cookies=False
    )

    response = client.post("/longtask", data=REQUIRED, headers=AS_JSON)

    assert response.status_code == 202
    assert client.get(response.headers["Location"]).status_code == 200


@pytest.mark.parametrize(
    ("headers", "over_https"),
    [({}, False), ({"Origin": "http://localhost"}, False), ({"Origin": "https://a"}, True)],
)
def test_production_over_plain_http_says_so(
    production: FlaskClient,
    caplog: pytest.LogCaptureFixture,
    headers: dict[str, str],
    over_https: bool,
):
    cookies._warn_of_plain_http.cache_clear()  # it is said once in a process
    same = {"Sec-Fetch-Site": "same-origin"}
    with caplog.at_level(logging.WARNING):
        refused = production.post("/longtask", data=REQUIRED, headers=AS_JSON | same | headers)
        hinted = production.post("/longtask", headers=same | headers)

    assert ("https" not in refused.json["error"]["message"]) == over_https
    assert ("https" not in hinted.headers["Headway-Hint"]) == over_https
    assert ("plain http" not in caplog.text) == over_https


@pytest.mark.parametrize(
    ("settings", "marks"),
    [
        ({}, []),
        (PRODUCTION, [Mark.BAD]),
        (PRODUCTION | {"ALLOW_PLAIN_HTTP": "1"}, [Mark.WARNING]),
        (PRODUCTION | {"TRUSTED_PROXIES": "1"}, [Mark.BAD]),  # by any name
        (PRODUCTION | {"TRUSTED_PROXIES": "1", "TRUSTED_HOSTS": "tasks.test"}, []),
        ({"TRUSTED_PROXIES": "1"}, []),
    ],
)
def test_the_doctor_says_where_production_is_served_unsafely(
    tmp_path: Path, settings: dict[str, str], marks: list[Mark]
):
    loaded = config.load(
        {"REDIS_URL": "redis://127.0.0.1:1/0", "DATA_DIR": str(tmp_path)} | settings
    )

    assert [finding.mark for finding in doctor.check_https(loaded)] == marks


# In a browser


@pytest.fixture(scope="module")
def process(
    valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Process, str]]:
    """Production whose proxy, so it believes, speaks TLS: browsers reach it over plain http."""
    folder = tmp_path_factory.mktemp("web")
    env = {"REDIS_URL": valkey.url, "DATA_DIR": str(folder), "TRUSTED_PROXIES": "1"}
    env["TRUSTED_HOSTS"] = "*"
    process, address = web(folder, PRODUCTION | env)
    with running(process):
        yield process, address


@pytest.fixture
def blocking(
    browser: Browser, whole_chromium: dict[str, Any], tmp_path: Path
) -> Iterator[BrowserContext]:
    """A Chromium that is set to keep no cookies."""
    preferences = tmp_path / "profile" / "Default" / "Preferences"
    preferences.parent.mkdir(parents=True)
    preferences.write_text(
        json.dumps({"profile": {"default_content_setting_values": {"cookies": 2}}})
    )
    context = browser.browser_type.launch_persistent_context(tmp_path / "profile", **whole_chromium)
    yield context
    context.close()


@pytest.fixture
def elsewhere(
    browser: Browser, chromium: dict[str, Any], tmp_path: Path
) -> Iterator[BrowserContext]:
    """A Chromium to which the server is another machine, tasks.test."""
    flags = [*chromium["args"], "--host-resolver-rules=MAP tasks.test 127.0.0.1"]
    options = {**chromium, "args": flags}
    context = browser.browser_type.launch_persistent_context(tmp_path / "profile", **options)
    yield context
    context.close()


def message(page: Page) -> Locator:
    return page.locator("form[data-title='Long task'] [data-part=message]")


def click_twice(page: Page) -> None:
    for _ in range(2):
        with page.expect_response("**/longtask"):
            page.get_by_role("button", name="Start long task").click()


def test_where_cookies_are_blocked_the_page_says_so_and_starts_nothing(
    blocking: BrowserContext, process: tuple[Process, str], valkey: Valkey
):
    page = blocking.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"uncaught: {error}"))
    page.goto(process[1])
    expect(page.locator("#cookies")).to_contain_text("allow cookies")
    expect(chip(page)).to_have_text(LIVE)
    before = started(valkey.url)

    click_twice(page)

    expect(message(page)).to_contain_text("Nothing was started")
    expect(page.locator("task-progress")).to_have_count(0)
    assert started(valkey.url) == before


def test_over_plain_http_production_says_so_in_the_page_and_the_log(
    elsewhere: BrowserContext, process: tuple[Process, str], valkey: Valkey
):
    page = elsewhere.new_page()
    page.goto(process[1].replace("127.0.0.1", "tasks.test"))
    expect(page.locator("#cookies")).to_contain_text("https only")
    before = started(valkey.url)

    click_twice(page)

    expect(page.locator("form[data-title='Long task'] [data-part=message]")).to_contain_text(
        "Open this page over https"
    )
    expect(page.locator("task-progress")).to_have_count(0)
    assert started(valkey.url) == before
    log = process[0].output()
    assert log.count("keeps no cookie of this server over plain http") == 1


def test_where_plain_http_is_meant_a_browser_keeps_the_cookie(
    elsewhere: BrowserContext, valkey: Valkey, tmp_path: Path
):
    env = {"REDIS_URL": valkey.url, "DATA_DIR": str(tmp_path / "data"), "ALLOW_PLAIN_HTTP": "1"}
    env["TRUSTED_HOSTS"] = "tasks.test"
    process, address = web(tmp_path, PRODUCTION | env)
    with running(process):
        page = elsewhere.new_page()
        page.goto(address.replace("127.0.0.1", "tasks.test"))
        expect(chip(page)).to_have_text(LIVE)

        page.get_by_role("button", name="Start long task").click()

        expect(cards(page)).to_have_count(1)


def test_where_cookies_are_kept_nothing_is_said(browser: Browser, process: tuple[Process, str]):
    context = browser.new_context()
    page = context.new_page()
    page.goto(process[1])  # this machine's own address, where browsers keep it over http too
    expect(chip(page)).to_have_text(LIVE)

    page.get_by_role("button", name="Start long task").click()

    expect(cards(page)).to_have_count(1)
    expect(page.locator("#cookies")).to_be_hidden()
    context.close()
