"""The page in a real browser, before a real web process, worker, Valkey and mail server."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.page import HISTORY, LIVE, cards, chip, open_live, start_long_task
from tests.processes import System, running, web


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    quick = {"LONG_TASK_STEPS": "20", "LONG_TASK_STEP_SECONDS": "0.05"}
    system = System(tmp_path_factory.mktemp("system"), **quick)
    yield system
    system.stop()


def test_three_tasks_run_to_their_end_in_order_without_polling(page: Page, system: System):
    open_live(page, system.address)
    page.evaluate(HISTORY)
    asked: list[str] = []
    page.on(
        "request",
        lambda request: asked.append(
            f"{request.method} {request.url.removeprefix(system.address)}"
        ),
    )

    for _ in range(3):
        start_long_task(page)

    expect(cards(page, "succeeded")).to_have_count(3)
    assert asked == ["POST /longtask"] * 3
    history = page.evaluate("window.history_")
    for task_id in {entry["id"] for entry in history}:
        drawn = [entry for entry in history if entry["id"] == task_id]
        assert [entry["version"] for entry in drawn] == sorted(
            {entry["version"] for entry in drawn}
        )
        values = [entry["value"] for entry in drawn if entry["phase"] == "running"]
        assert values == sorted(values)
        assert all(value < 100 for value in values)
        assert drawn[-1]["value"] == 100


def test_ten_tasks_from_two_browsers_through_two_web_processes(
    browser: Browser, system: System, tmp_path: Path
):
    process, address = web(tmp_path, system.env)
    with running(process):
        pages = [browser.new_context().new_page() for _ in range(2)]
        asked: list[str] = []
        for page, where in zip(pages, (system.address, address), strict=True):
            page.goto(where)
            expect(chip(page)).to_have_text(LIVE)
            page.evaluate(HISTORY)
            page.on("request", lambda request: asked.append(request.method))
        for _ in range(5):
            for page in pages:
                start_long_task(page)

        for page, where in zip(pages, (system.address, address), strict=True):
            expect(cards(page)).to_have_count(5)
            expect(cards(page, "succeeded")).to_have_count(5, timeout=30_000)
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
    open_live(page, system.address)
    start_long_task(page)
    expect(cards(page)).to_have_count(1)
    tab = context.new_page()
    open_live(tab, system.address)
    expect(cards(tab)).to_have_count(1)

    start_long_task(tab)
    page.reload()

    for one in (page, tab):
        expect(cards(one, "succeeded")).to_have_count(2)
    stranger = browser.new_context().new_page()
    open_live(stranger, system.address)
    expect(cards(stranger)).to_have_count(0)
    stranger.context.close()


def test_an_email_is_shown_to_its_end_and_can_be_read(page: Page, system: System):
    open_live(page, system.address)
    page.get_by_label("E-mail to").fill("ada@example.com")

    page.get_by_role("button", name="Send", exact=True).click()

    expect(cards(page, "succeeded")).to_contain_text("Accepted by the mail server")
    cards(page).get_by_role("button", name="Details").click()
    expect(cards(page)).to_contain_text("250")
    page.get_by_role("link", name="Open in inbox").click()
    page.get_by_role("link", name="Hello from Flask").click()
    expect(page.locator("main")).to_contain_text(
        "This is a test email sent from a background Celery task."
    )


def test_an_answer_that_comes_after_the_tasks_end_changes_nothing(page: Page, system: System):
    open_live(page, system.address)

    def hold_back(route: Route) -> None:
        response = route.fetch()
        expect(cards(page, "succeeded")).to_have_count(1)
        route.fulfill(response=response)

    page.route("**/longtask", hold_back)
    with page.expect_response("**/longtask"):
        start_long_task(page)

    # the answer's own card has gone
    page.wait_for_function("document.querySelectorAll('task-progress').length === 1")
    expect(page.get_by_role("link", name="Running")).to_have_text("Running 0")
    expect(page.get_by_role("link", name="Done")).to_have_text("Done 1")


def test_an_email_for_later_counts_down(page: Page, system: System):
    open_live(page, system.address)
    page.get_by_label("E-mail to").fill("ada@example.com")

    page.get_by_role("button", name="Send in 1 minute").click()

    card = cards(page, "scheduled")
    expect(card).to_contain_text(re.compile(r"sends at .* in (0:[0-5]\d|1:00)"))
    before = card.inner_text()
    expect(card).not_to_have_text(before, use_inner_text=True)
    left = [re.findall(r"in (\d):(\d\d)", text)[0] for text in (before, card.inner_text())]
    assert left[1] < left[0]


def test_a_refused_address_is_told_at_the_field_and_kept(page: Page, system: System):
    open_live(page, system.address)
    field = page.get_by_role("textbox", name="E-mail to")
    field.fill("nobody@@example")

    page.get_by_role("button", name="Send", exact=True).click()

    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    expect(field).to_have_value("nobody@@example")
    expect(page.locator("#email-message")).not_to_be_empty()
    expect(cards(page)).to_have_count(0)


def test_a_double_click_is_one_task(page: Page, system: System):
    open_live(page, system.address)

    page.get_by_role("button", name="Start long task").dblclick()

    expect(cards(page, "succeeded")).to_have_count(1)
    page.reload()
    expect(cards(page)).to_have_count(1)


def test_it_works_by_keyboard_alone(page: Page, system: System):
    open_live(page, system.address)

    page.get_by_label("E-mail to").focus()
    page.keyboard.type("ada@example.com")
    page.keyboard.press("Enter")
    expect(cards(page, "succeeded")).to_have_count(1)
    for _ in range(40):
        if page.evaluate("document.activeElement.textContent.includes('Start long task')"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Space")

    expect(cards(page, "succeeded")).to_have_count(2)


def test_without_javascript_forms_post_and_a_reload_shows_the_truth(
    browser: Browser, system: System
):
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
