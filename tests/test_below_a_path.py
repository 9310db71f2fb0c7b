"""Headway below a path of its host: behind a proxy that takes the path away, or mounted in
another WSGI app.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import BrowserContext, Page, expect
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from app import create_app
from tests.page import cards, open_live
from tests.path_proxy import PathProxy, below
from tests.processes import System

PREFIX = "/headway"
BROWSER = {"Accept": "text/html"}
LINK = re.compile(r'(?:href|src|action)="([^"#][^"]*)"')


@pytest.fixture
def behind_a_proxy(env: dict[str, str]) -> Flask:
    return create_app(env | {"TRUSTED_PROXIES": "1"})


def paths_in(page: str) -> set[str]:
    return set(LINK.findall(page))


@pytest.mark.parametrize("prefix", ["", "/headway", "/a/b-c.d_e~1"])
def test_every_address_of_the_page_is_below_the_path(behind_a_proxy: Flask, prefix: str):
    client = behind_a_proxy.test_client()
    headers = BROWSER | ({"X-Forwarded-Prefix": prefix} if prefix else {})
    client.post("/", data={"email": "ada@example.com", "submit": "Send"}, headers=headers)

    for path in ("/", "/inbox", "/start", "/start/long_task", "/nowhere"):
        found = paths_in(client.get(path, headers=headers).text)
        assert len(found) > 5
        for address in found:
            assert address.startswith(f"{prefix}/"), address
            assert not address.startswith("//"), address


@pytest.mark.parametrize("prefix", ["", "/headway", "/headway/"])
def test_answers_say_where_with_the_path(behind_a_proxy: Flask, prefix: str):
    client = behind_a_proxy.test_client()
    headers = {"X-Forwarded-Prefix": prefix} if prefix else {}
    root = prefix.rstrip("/")

    started = client.post("/longtask", headers=headers)
    by_form = client.post("/longtask", headers=headers | BROWSER)
    by_start = client.post("/start/long_task", headers=headers | BROWSER)
    by_email = client.post(
        "/", data={"email": "ada@example.com", "submit": "Send"}, headers=headers | BROWSER
    )

    assert started.headers["Location"] == f"{root}/status/{started.json['task_id']}"
    assert by_form.headers["Location"] == by_email.headers["Location"] == f"{root}/"
    assert by_start.headers["Location"].startswith(f"{root}/tasks/")
    cookie = client.get_cookie("headway_session", path=root or "/")
    assert cookie is not None
    assert cookie.path == (root or "/")


@pytest.mark.parametrize(
    "prefix", ["//evil.example", "https://evil.example", "/a b", '/"><script>', "headway", "/a//b"]
)
def test_what_is_no_path_is_not_taken_for_one(behind_a_proxy: Flask, prefix: str):
    response = behind_a_proxy.test_client().post(
        "/longtask", headers={"X-Forwarded-Prefix": prefix}
    )

    assert response.headers["Location"] == f"/status/{response.json['task_id']}"


def test_nobody_else_says_where_it_lives(client: FlaskClient):
    response = client.post("/longtask", headers={"X-Forwarded-Prefix": PREFIX})

    assert response.headers["Location"] == f"/status/{response.json['task_id']}"


def test_mounted_in_another_app_it_knows_its_path(app: Flask):
    client = Client(DispatcherMiddleware(Flask("other"), {PREFIX: app}))

    started = client.post(f"{PREFIX}/longtask")

    assert started.headers["Location"] == f"{PREFIX}/status/{started.json['task_id']}"
    assert client.get(started.headers["Location"]).status_code == 200
    assert client.get(f"/status/{started.json['task_id']}").status_code == 404
    assert client.get(PREFIX, headers=BROWSER, follow_redirects=True).status_code == 200
    page = client.get(f"{PREFIX}/", headers=BROWSER)
    assert {address.startswith(f"{PREFIX}/") for address in paths_in(page.text)} == {True}
    handshake = client.get(f"{PREFIX}/socket.io/?EIO=4&transport=polling")
    assert handshake.status_code == 400
    assert "Invalid transport" in handshake.text


# In a browser


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("below")
    system = System(
        folder, TRUSTED_PROXIES="1", LONG_TASK_STEPS="600", LONG_TASK_STEP_SECONDS="0.1"
    )
    yield system
    system.stop()


@pytest.fixture
def proxy(system: System) -> Iterator[PathProxy]:
    with below(system.address, PREFIX) as proxy:
        yield proxy


def paths_outside(proxy: PathProxy) -> list[str]:
    return [path for path in proxy.asked if not path.startswith(f"{PREFIX}/")]


def test_the_page_works_in_full(context: BrowserContext, proxy: PathProxy):
    page = context.new_page()
    open_live(page, f"{proxy.address}{PREFIX}/")

    page.get_by_role("button", name="Start long task").click()
    expect(cards(page, "running")).to_have_count(1)
    expect(page.locator("#connection")).to_have_text(re.compile("Live"))
    page.get_by_role("link", name="Long task", exact=True).click()
    expect(page.locator("headway-task-page [data-part=connection]")).to_have_text(
        re.compile("Live")
    )
    page.get_by_role("button", name="Cancel: Long task").click()
    expect(page.locator("headway-task")).to_have_attribute("data-phase", "cancelled")
    expect(page.locator("#timeline")).to_contain_text("Cancelled")
    page.get_by_role("link", name="Tasks", exact=True).click()
    expect(cards(page, "cancelled")).to_have_count(1)

    page.get_by_label("E-mail to").fill("ada@example.com")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(cards(page, "succeeded")).to_have_count(1)
    open_live(page, f"{proxy.address}{PREFIX}/")
    expect(cards(page)).to_have_count(2)

    page.get_by_role("link", name="Open in inbox").click()
    page.get_by_role("link", name="Hello from Flask").click()
    expect(page.locator("main")).to_contain_text("This is a test email")
    page.get_by_role("link", name="Tasks", exact=True).click()
    expect(cards(page)).to_have_count(2)
    assert paths_outside(proxy) == []


def test_where_the_websocket_is_blocked_it_polls_below_the_path(
    context: BrowserContext, proxy: PathProxy
):
    page: Page = context.new_page()
    page.route_web_socket(re.compile("socket.io"), lambda socket: socket.close(code=1012))
    page.goto(f"{proxy.address}{PREFIX}/")
    expect(page.locator("#connection")).to_have_text(re.compile("Polling"))

    page.get_by_role("button", name="Start long task").click()

    expect(cards(page, "running")).to_have_count(1)
    page.get_by_role("button", name="Cancel: Long task").click()
    expect(cards(page, "cancelled")).to_have_count(1)
    assert f"{PREFIX}/tasks?include=open" in proxy.asked
    assert paths_outside(proxy) == []
