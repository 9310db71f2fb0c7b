"""The switch for Web Push in a browser, and what its service worker shows.

No test reaches a push service: what Chromium would be given there is put in its place, and messages
come by DevTools. All else is the browser's own: the service worker, its scope, its notifications.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from headway.store.records import Records
from tests.browser import Visitor
from tests.by_hand import hand_task
from tests.page import hear
from tests.processes import wait_for
from tests.push_service import FakeBrowser

LABEL = "Notify this browser when no page with my tasks is open"
# Chromium without a push service: what one would have given.
SUBSCRIBED = """
(said) => {
  let kept = null;
  PushManager.prototype.getSubscription = async () => kept;
  PushManager.prototype.subscribe = async (options) => {
    const text = atob(options.applicationServerKey.replace(/-/g, "+").replace(/_/g, "/"));
    const applicationServerKey = Uint8Array.from(text, (letter) => letter.charCodeAt(0)).buffer;
    const unsubscribe = async () => { kept = null; };
    const { endpoint } = said;
    const asked = { ...options, applicationServerKey };
    kept = { endpoint, options: asked, unsubscribe, toJSON: () => said };
    return kept;
  };
}
"""


@pytest.fixture(scope="module")
def browser(whole_chromium: dict[str, Any]) -> Iterator[Browser]:
    """A whole Chromium: its shell denies all notifications."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**whole_chromium)
        yield browser
        browser.close()


@pytest.fixture
def visitor(web_address: str) -> Visitor:
    return Visitor(web_address)


@pytest.fixture
def context(browser: Browser, visitor: Visitor) -> Iterator[BrowserContext]:
    """A browser that is the visitor's, and may notify."""
    context = browser.new_context(permissions=["notifications"])
    context.add_cookies(
        [
            {"name": cookie.name, "value": cookie.value or "", "url": visitor.address}
            for cookie in visitor.http.cookies
        ]
    )
    yield context
    context.close()


def test_the_switch_has_the_service_worker_show_what_is_pushed(
    page: Page, visitor: Visitor, shared_records: Records
):
    task_id = hand_task(shared_records, visitor)
    browser = FakeBrowser()
    page.add_init_script(f"({SUBSCRIBED})({json.dumps(browser.said)})")
    session = page.context.new_cdp_session(page)
    registrations: list[dict[str, Any]] = []
    session.on(
        "ServiceWorker.workerRegistrationUpdated",
        lambda event: registrations.extend(event["registrations"]),
    )
    session.send("ServiceWorker.enable")
    page.goto(f"{visitor.address}/tasks/{task_id}")
    switch = page.get_by_label(LABEL)
    expect(switch).not_to_be_checked()

    switch.check()
    expect(switch).to_be_enabled()
    expect(switch).to_be_checked()

    about = {"device": browser.subscription.digest}
    assert visitor.http.get(f"{visitor.address}/push", params=about, timeout=10).json()["on"]
    scope = f"{visitor.address}/push/"

    def numbers() -> set[str]:
        return {one["registrationId"] for one in registrations if one["scopeURL"] == scope}

    [number] = hear(page, numbers)
    told = {"task_id": task_id, "title": "✓ Long task", "body": "Done", "tag": "a"}
    for _ in range(2):
        session.send(
            "ServiceWorker.deliverPushMessage",
            {"origin": visitor.address, "registrationId": number, "data": json.dumps(told)},
        )
    notes = """async () => {
      const registration = await navigator.serviceWorker.getRegistration("/push/");
      const shown = await registration.getNotifications();
      const texts = ({ title, body, tag, data }) => [title, body, tag, data.task_id];
      return [registration.scope, ...shown.map(texts)];
    }"""
    wait_for(lambda: len(page.evaluate(notes)) > 1)
    assert page.evaluate(notes) == [scope, ["✓ Long task", "Done", "a", task_id]]

    switch.uncheck()
    expect(switch).to_be_enabled()
    expect(switch).not_to_be_checked()
    assert not visitor.http.get(f"{visitor.address}/push", params=about, timeout=10).json()["on"]


REFUSE = """let permission = "default";
Object.defineProperty(Notification, "permission", { get: () => permission });
Notification.requestPermission = async () => (permission = "denied");"""


def test_a_browser_that_refuses_notifications_is_told_what_to_do(page: Page, visitor: Visitor):
    page.add_init_script(REFUSE)
    page.goto(visitor.address)
    switch = page.get_by_label("Notify me while this page is out of view")

    switch.click()

    expect(switch).to_be_disabled()
    expect(switch).not_to_be_checked()
    expect(page.locator("#notify")).to_contain_text("allow them for this site, and reload")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("Object.defineProperty(window, 'isSecureContext', {value: false})", "it needs https"),
        ("delete window.PushManager", "this browser cannot"),
        (
            "Object.defineProperty(Notification, 'permission', {value: 'denied'})",
            "this browser's settings block notifications",
        ),
    ],
)
def test_the_switch_says_why_it_cannot_be_on(page: Page, visitor: Visitor, script: str, why: str):
    page.add_init_script(script)
    page.goto(visitor.address)

    switch = page.get_by_label(LABEL)
    expect(switch).to_be_disabled()
    expect(page.locator("#push")).to_contain_text(why)
