"""The tutorial of docs/forms.md, as its reader follows it in a browser, and the form's access."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import documents
from tests.documents import Followed
from tests.page import expect_fits, expect_nothing_of_axe
from tests.processes import Valkey

DOCUMENT = "docs/forms.md"
AT_ONCE = {"reduced_motion": "reduce"}  # axe finds no colour on its way to another
SIZES = [
    {"color_scheme": scheme, "viewport": {"width": width, "height": 720}, **AT_ONCE}
    for scheme in ("light", "dark")
    for width in (320, 1280)
]


@pytest.fixture(scope="module")
def address(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the tutorial's shop, with its worker."""
    followed = Followed(DOCUMENT, tmp_path_factory.mktemp("shop"), valkey)
    with ExitStack() as stack:
        yield followed.run(stack, "shop")


def fill(page: Page, shop: str, shelves: str) -> None:
    page.get_by_label("Shop").fill(shop)
    page.get_by_label("Shelves").fill(shelves)


def test_the_tutorial_says_what_is_seen(page: Page, address: str):
    page.goto(f"{address}/headway/start")
    expect(page.get_by_text("Count what is on the shelves of a shop.")).to_be_visible()
    page.get_by_role("link", name="Stocktake").click()

    shop = page.get_by_label("Shop")
    expect(shop).to_have_attribute("required", "")
    expect(shop).to_have_accessible_description("The town that it is in.")
    expect(page.get_by_label("Shelves")).to_have_value("4")

    fill(page, "", "many")
    page.get_by_role("button", name="Start").click()
    expect(shop).to_be_focused()
    expect(shop).to_have_accessible_description(re.compile("Is missing."))
    expect(page.get_by_label("Shelves")).to_have_value("many")
    expect(page.get_by_label("Shelves")).to_have_css("border-color", "rgb(185, 28, 28)")
    expect(page.get_by_label("Shelves")).to_have_accessible_description(
        re.compile("Must be a whole number.")
    )

    fill(page, "Delft", "3")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", name="Stocktake in Delft")).to_be_visible()
    for shelf in (1, 2, 3):
        expect(page.locator("[role=log]")).to_contain_text(f"shelf {shelf} is counted")
    expect(page.locator("#outcome")).to_contain_text('"3 shelves in Delft"')

    page.get_by_role("link", name="Run again with other arguments").click()
    expect(page.get_by_label("Shop")).to_have_value("Delft")
    expect(page.get_by_label("Shelves")).to_have_value("3")


def test_it_is_all_done_by_keyboard(page: Page, address: str):
    page.goto(f"{address}/headway/start/stocktake")
    for _ in ("← Tasks", "← Start a task", "Shop"):
        page.keyboard.press("Tab")
    page.keyboard.type("Delft")
    page.keyboard.press("Tab")
    page.keyboard.type("x")  # the field's text is selected
    page.keyboard.press("Enter")

    expect(page.get_by_label("Shelves")).to_be_focused()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("1")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Stocktake in Delft")).to_be_visible()


def test_it_works_without_javascript(browser: Browser, address: str):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/headway/start/stocktake")
    fill(page, "Delft", "x")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_label("Shelves")).to_be_focused()
    fill(page, "Delft", "1")

    page.get_by_role("button", name="Start").click()

    expect(page.get_by_role("heading", name="Stocktake in Delft")).to_be_visible()
    context.close()


def test_a_form_has_the_readers_time_and_is_off_while_offline(browser: Browser, address: str):
    context = browser.new_context(timezone_id="America/New_York")
    page = context.new_page()
    page.goto(f"{address}/headway/start/stocktake")
    start = page.get_by_role("button", name="Start")
    start_at = page.get_by_label("Start at")
    expect(start_at).to_have_accessible_description("In your time zone; at once if left empty.")

    context.set_offline(True)
    expect(start).to_be_disabled()
    expect(page.get_by_role("status")).to_contain_text("Offline: the form can be sent as soon as")
    context.set_offline(False)
    expect(start).to_be_enabled()
    expect(page.get_by_role("status")).to_be_empty()

    noon = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT12:00")
    fill(page, "Delft", "x")
    start_at.fill(noon)
    start.click()
    expect(page.get_by_label("Shelves")).to_have_accessible_description(re.compile("whole number"))
    expect(start_at).to_have_value(noon)
    fill(page, "Delft", "1")
    start.click()

    expect(page.get_by_role("heading", name="Stocktake in Delft")).to_be_visible()
    task = page.request.get(page.url.replace("/tasks/", "/status/")).json()
    due = datetime.fromisoformat(noon).replace(tzinfo=ZoneInfo("America/New_York"))
    assert datetime.fromisoformat(task["scheduled_for"]) == due
    context.close()


@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing_and_nothing_is_cut(browser: Browser, address: str, size: dict):
    context = browser.new_context(**size)
    page = context.new_page()
    for path in ("/headway/start", "/headway/start/stocktake"):
        page.goto(f"{address}{path}")
        if path.endswith("stocktake"):
            fill(page, "", "many")
            page.get_by_role("button", name="Start").click()
            expect(page.get_by_role("alert")).to_be_visible()
        expect_nothing_of_axe(page)
        expect_fits(page, size["viewport"]["width"])
    context.close()


def test_the_answer_to_curl_is_what_it_says(page: Page, address: str):
    said = re.search(r"\.\.\.\n(\{.*\})\n```", documents.page(DOCUMENT))
    assert said
    body = {"name": "stocktake", "args": {"shelves": "many"}}

    answer = page.request.post(f"{address}/headway/tasks", data=body)

    assert answer.status == 400
    assert answer.text().strip() == said[1]
