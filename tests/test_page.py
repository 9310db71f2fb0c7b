"""The page in a real browser, before a real web process, worker, Valkey and mail server."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from app.records import STORED, Delivery, Records, connect
from app.snapshot import Phase
from tests.browser import Visitor
from tests.processes import System, running, web

HISTORY = """() => {
  window.history_ = [];
  const note = (element) => window.history_.push({
    id: element.getAttribute("task-id"), version: Number(element.dataset.version), phase: element.dataset.phase,
    value: element.querySelector("progress").value });
  new MutationObserver((records) => records.forEach((record) => note(record.target)))
    .observe(document.body, { subtree: true, attributes: true, attributeFilter: ["data-version"] });
}"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    system = System(tmp_path_factory.mktemp("system"), LONG_TASK_STEPS="20", LONG_TASK_STEP_SECONDS="0.05")
    yield system
    system.stop()


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system of which a test may break a part while a task runs."""
    system = System(tmp_path_factory.mktemp("slow"), LONG_TASK_STEPS="30", LONG_TASK_STEP_SECONDS="0.3")
    yield system
    system.stop()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page that fails its test on any error in its console."""
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"uncaught: {error}"))
    return page


def open_live(page: Page, system: System) -> None:
    page.goto(system.address)
    expect(page.locator("#connection")).to_have_text(re.compile("Live"), timeout=10_000)


def cards(page: Page, phase: str = "") -> object:
    return page.locator(f'task-progress[data-phase="{phase}"]' if phase else "task-progress[task-id]")


def start_long_task(page: Page) -> None:
    page.get_by_role("button", name="Start long task").click()


def test_three_tasks_run_to_their_end_in_order_without_polling(page: Page, system: System):
    open_live(page, system)
    page.evaluate(HISTORY)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(f"{request.method} {request.url.removeprefix(system.address)}"))

    for _ in range(3):
        start_long_task(page)

    expect(cards(page, "succeeded")).to_have_count(3, timeout=20_000)
    assert asked == ["POST /longtask"] * 3
    history = page.evaluate("window.history_")
    for task_id in {entry["id"] for entry in history}:
        drawn = [entry for entry in history if entry["id"] == task_id]
        assert [entry["version"] for entry in drawn] == sorted({entry["version"] for entry in drawn})
        values = [entry["value"] for entry in drawn if entry["phase"] == "running"]
        assert values == sorted(values)
        assert len(values) > 5
        assert max(values) < 100
        assert drawn[-1]["value"] == 100


def test_ten_tasks_from_two_browsers_through_two_web_processes(browser: Browser, system: System, tmp_path: Path):
    process, address = web(tmp_path, system.env)
    with running(process):
        pages = [browser.new_context().new_page() for _ in range(2)]
        asked: list[str] = []
        for page, where in zip(pages, (system.address, address), strict=True):
            page.goto(where)
            expect(page.locator("#connection")).to_have_text(re.compile("Live"), timeout=10_000)
            page.evaluate(HISTORY)
            page.on("request", lambda request: asked.append(request.method))
        for _ in range(5):
            for page in pages:
                start_long_task(page)

        for page, where in zip(pages, (system.address, address), strict=True):
            expect(cards(page, "succeeded")).to_have_count(5, timeout=30_000)
            expect(cards(page)).to_have_count(5)
            history = page.evaluate("window.history_")
            for task_id in {entry["id"] for entry in history}:
                drawn = [entry["version"] for entry in history if entry["id"] == task_id]
                assert drawn == sorted(set(drawn))
                record = page.request.get(f"{where}/status/{task_id}").json()
                assert (drawn[-1], record["phase"]) == (record["version"], "succeeded")
        assert asked == ["POST"] * 10  # no polling while Live
        for page in pages:
            page.context.close()


def test_a_reload_and_a_second_tab_show_the_same_and_a_stranger_nothing(
    page: Page, context: BrowserContext, browser: Browser, system: System
):
    open_live(page, system)
    start_long_task(page)
    expect(cards(page)).to_have_count(1)
    tab = context.new_page()
    open_live(tab, system)
    expect(cards(tab)).to_have_count(1)

    start_long_task(tab)
    page.reload()

    for one in (page, tab):
        expect(cards(one, "succeeded")).to_have_count(2, timeout=20_000)
    stranger = browser.new_context().new_page()
    open_live(stranger, system)
    expect(cards(stranger)).to_have_count(0)
    stranger.context.close()


def test_an_email_is_shown_to_its_end_and_can_be_read(page: Page, system: System):
    open_live(page, system)
    page.get_by_label("E-mail to").fill("ada@example.com")

    page.get_by_role("button", name="Send", exact=True).click()

    expect(cards(page, "succeeded")).to_contain_text("Accepted by the mail server", timeout=10_000)
    cards(page).get_by_role("button", name="Details").click()
    expect(cards(page)).to_contain_text("250")
    page.get_by_role("link", name="Open in inbox").click()
    page.get_by_role("link", name="Hello from Flask").click()
    expect(page.locator("main")).to_contain_text("This is a test email sent from a background Celery task.")


def test_an_email_for_later_counts_down(page: Page, system: System):
    open_live(page, system)
    page.get_by_label("E-mail to").fill("ada@example.com")

    page.get_by_role("button", name="Send in 1 minute").click()

    card = cards(page, "scheduled")
    expect(card).to_contain_text(re.compile(r"sends at .* in 0:5\d"))
    expect(card).to_contain_text(re.compile(r"in 0:5[0-7]"), timeout=10_000)


def test_a_refused_address_is_told_at_the_field_and_kept(page: Page, system: System):
    open_live(page, system)
    field = page.get_by_label("E-mail to")
    field.fill("nobody@@example")

    page.get_by_role("button", name="Send", exact=True).click()

    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value("nobody@@example")
    expect(page.locator("#email-message")).not_to_be_empty()
    expect(cards(page)).to_have_count(0)


def test_a_double_click_is_one_task(page: Page, system: System):
    open_live(page, system)

    page.get_by_role("button", name="Start long task").dblclick()

    expect(cards(page, "succeeded")).to_have_count(1, timeout=20_000)
    page.reload()
    expect(cards(page)).to_have_count(1)


def test_it_works_by_keyboard_alone(page: Page, system: System):
    open_live(page, system)

    page.get_by_label("E-mail to").focus()
    page.keyboard.type("ada@example.com")
    page.keyboard.press("Enter")
    expect(cards(page, "succeeded")).to_have_count(1, timeout=10_000)
    for _ in range(40):
        if page.evaluate("document.activeElement.textContent.includes('Start long task')"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Space")

    expect(cards(page, "succeeded")).to_have_count(2, timeout=20_000)


def test_without_javascript_forms_post_and_a_reload_shows_the_truth(browser: Browser, system: System):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(system.address)

    page.get_by_label("E-mail to").fill("ada@example.com")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("main")).to_contain_text("Sending email to ada@example.com")
    start_long_task(page)

    deadline = time.monotonic() + 20
    while cards(page, "succeeded").count() < 2 and time.monotonic() < deadline:
        page.reload()
    expect(cards(page, "succeeded")).to_have_count(2)
    context.close()


def test_after_the_web_process_is_killed_and_back_the_page_is_right(page: Page, slow: System):
    open_live(page, slow)
    start_long_task(page)
    expect(cards(page, "running")).to_have_count(1)

    slow.web.kill()
    expect(page.locator("#connection")).not_to_have_text(re.compile("Live"), timeout=5_000)
    slow.restart_web()

    expect(page.locator("#connection")).to_have_text(re.compile("Live"), timeout=5_000)
    expect(cards(page, "succeeded")).to_have_count(1, timeout=30_000)


def test_where_the_websocket_is_blocked_the_page_polls_and_comes_back(page: Page, slow: System):
    blocked = [True]

    def route(socket):
        if blocked[0]:
            socket.close(code=1012)
        else:
            socket.connect_to_server()

    page.route_web_socket(re.compile("socket.io"), route)
    page.goto(slow.address)
    chip = page.locator("#connection")
    expect(chip).to_have_text(re.compile("Polling"), timeout=10_000)
    start_long_task(page)
    expect(cards(page, "running")).to_have_count(1, timeout=10_000)

    before = page.locator("task-progress progress").evaluate("bar => bar.value")
    page.wait_for_function("before => document.querySelector('task-progress progress').value > before", arg=before)
    expect(chip).to_have_text(re.compile("Polling"))
    blocked[0] = False

    expect(chip).to_have_text(re.compile("Live"), timeout=15_000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    expect(cards(page, "succeeded")).to_have_count(1, timeout=30_000)
    assert asked == []


def test_away_from_the_network_the_chip_says_so_and_back_it_heals(page: Page, context: BrowserContext, slow: System):
    open_live(page, slow)

    context.set_offline(True)
    expect(page.locator("#connection")).to_have_text(re.compile("Offline"), timeout=10_000)
    context.set_offline(False)

    expect(page.locator("#connection")).to_have_text(re.compile("Live"), timeout=15_000)


def populate(system: System, page: Page) -> None:
    """Give the page's visitor a task in every phase, as workers would have left them."""
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    visitor = Visitor(system.address)
    visitor.http.cookies.clear()
    visitor.http.cookies.update(cookies)
    records = Records(connect(system.valkey.url), 7)

    def task(*writes: tuple[Phase, dict]) -> None:
        response = visitor.http.post(
            f"{system.address}/tasks", json={"name": "long_task", "countdown": 3600}, timeout=10
        ).json()
        here = Delivery(response["task_id"], 0)
        if writes:
            message = {"task": "long_task", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
            records.claim(here.token, here, message=message, max_attempts=4, hostname="test")
        for phase, fields in writes:
            kept = records.write(
                here.token, here, phase, fields, meta="{}", name="long_task", max_attempts=4, retry_in=8.0
            )
            assert kept in STORED

    some = (Phase.RUNNING, {"current": 37, "total": 100, "status": "Booting silent orbiter..."})
    error = {"type": "ConnectionError", "message": "connection refused <img src=x onerror=alert(1)>"}
    task()
    task(some)
    task((Phase.RUNNING, {"current": 12, "total": None, "status": "Counting"}))
    task(some, (Phase.RETRYING, {"error": error, "current": 0, "total": 1, "status": ""}))
    task(some, (Phase.SUCCEEDED, {"result": 42, "status": "Task completed!"}))
    task(some, (Phase.SUCCEEDED, {"result": {"reply": "250 OK"}, "status": ""}))
    task(some, (Phase.FAILED, {"error": error, "status": error["message"]}))
    task(some, (Phase.CANCELLED, {"status": "revoked"}))
    task(some)
    task(some)
    visitor.http.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
@pytest.mark.parametrize("state", ["empty", "ten tasks", "offline"])
def test_the_page_is_accessible_in_every_dress(
    browser: Browser, system: System, tmp_path: Path, scheme: str, width: int, state: str
):
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()
    page.on("dialog", lambda dialog: pytest.fail("a task's text ran as a script"))
    open_live(page, system)
    if state != "empty":
        populate(system, page)
        expect(cards(page)).to_have_count(10, timeout=10_000)
    if state == "offline":
        context.set_offline(True)
        expect(page.locator("#connection")).to_have_text(re.compile("Offline"), timeout=10_000)

    findings = Axe().run(page)

    page.screenshot(path=str(tmp_path / "page.png"), full_page=True)
    assert findings.violations_count == 0, json.dumps(findings.response["violations"], indent=1)[:3000]
    sideways = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    assert not sideways, "the page scrolls sideways"
    context.close()
