"""Choosing several of the page's tasks, by pointer and keyboard, and what is done to them."""

from __future__ import annotations

import time
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from headway.snapshot import Phase
from headway.store.records import Records
from tests.by_hand import claim, shown, write
from tests.page import expect_nothing_of_axe, open_live


class Mine(NamedTuple):
    """The visitor's tasks, in the order in which the page has them."""

    running: str
    ended: list[str]
    address: str

    def item(self, page: Page, task_id: str) -> Locator:
        return page.locator(f'li[data-task-id="{task_id}"]')

    def box(self, page: Page, task_id: str) -> Locator:
        return self.item(page, task_id).get_by_role("checkbox")


@pytest.fixture
def mine(page: Page, web_address: str, shared_records: Records) -> Mine:
    page.request.get(web_address)  # its cookie makes the owner

    def start() -> str:
        body = {"name": "long_task", "countdown": 3600}
        task_id = str(page.request.post(f"{web_address}/tasks", data=body).json()["task_id"])
        claim(shared_records, task_id)
        return task_id

    ended = [start() for _ in range(4)]
    for task_id in ended:
        write(shared_records, task_id, 1000, Phase.SUCCEEDED)
        time.sleep(0.002)  # what ends within one millisecond has no order by its end
    return Mine(start(), ended[::-1], web_address)


def test_with_shift_all_between_are_chosen_and_what_is_left_out_is_said_before(
    page: Page, mine: Mine
):
    open_live(page, mine.address)
    bar = page.get_by_role("form", name="Chosen tasks")
    expect(bar.get_by_role("button", name="Cancel")).to_be_hidden()

    mine.box(page, mine.running).click()
    mine.box(page, mine.ended[1]).click(modifiers=["Shift"])

    expect(bar).to_contain_text("3 chosen")
    expect(bar).to_contain_text("Cancel leaves out the 2 that have ended.")
    expect(bar.get_by_role("button", name="Cancel 1")).to_be_enabled()
    expect(bar.get_by_role("button", name="Run 2 again")).to_be_enabled()
    expect_nothing_of_axe(page)
    bar.get_by_role("button", name="Cancel 1").click()
    expect(bar.get_by_role("status")).to_have_text("1 cancelled.")
    expect(mine.item(page, mine.running)).to_have_attribute("data-phase", "cancelling")
    expect(bar).to_contain_text("2 chosen")


def test_by_keyboard_they_are_chosen_and_forgotten_in_every_tab(
    page: Page, mine: Mine, shared_records: Records
):
    other = page.context.new_page()
    open_live(other, mine.address)
    open_live(page, mine.address)
    bar = page.get_by_role("form", name="Chosen tasks")

    mine.box(page, mine.ended[0]).focus()
    page.keyboard.press("Space")
    mine.box(page, mine.ended[2]).focus()
    page.keyboard.press("Shift+Space")
    expect(bar).to_contain_text("3 chosen")
    forget = bar.get_by_role("button", name="Forget 3")
    forget.focus()
    page.keyboard.press("Enter")
    expect(bar.get_by_role("button", name="Forget 3 for good?")).to_be_focused()
    assert shown(shared_records, mine.ended[0]) is not None
    page.keyboard.press("Enter")

    expect(bar.get_by_role("status")).to_have_text("3 forgotten.")
    for tab in (page, other):
        expect(tab.locator("#tasks li")).to_have_count(2)
        expect(tab.locator(".filters a").first).to_have_text("All 2")
    expect(bar.get_by_role("checkbox", name="All on this page")).to_be_focused()


def test_all_on_the_page_are_chosen_at_once_and_escape_chooses_none(page: Page, mine: Mine):
    open_live(page, mine.address)
    bar = page.get_by_role("form", name="Chosen tasks")
    every = bar.get_by_role("checkbox", name="All on this page")

    every.check()
    expect(bar).to_contain_text("5 chosen")
    mine.box(page, mine.running).uncheck()
    expect(bar).to_contain_text("4 chosen")
    assert every.evaluate("box => box.indeterminate")
    page.keyboard.press("Escape")
    expect(page.locator("#tasks :checked")).to_have_count(0)


def test_a_card_of_its_own_is_forgotten_at_the_second_press(
    page: Page, mine: Mine, shared_records: Records
):
    open_live(page, mine.address)
    item = mine.item(page, mine.ended[0])
    expect(item.get_by_role("button", name="Forget")).to_be_hidden()
    item.get_by_role("button", name="Details").click()

    item.get_by_role("button", name="Forget").dblclick()  # is one wish
    expect(item.get_by_role("button", name="Forget for good?")).to_be_visible()
    assert shown(shared_records, mine.ended[0]) is not None
    item.get_by_role("button", name="Forget for good?").click()

    expect(item).to_have_count(0)
    expect(mine.box(page, mine.ended[1])).to_be_focused()
    page.goto(f"{mine.address}/tasks/{mine.ended[1]}")
    page.get_by_role("button", name="Forget").click()
    page.get_by_role("button", name="Forget for good?").click()
    expect(page.locator("headway-task")).to_contain_text("This task was forgotten.")
    expect(page.locator("#timeline, #log, #read-it, #facts")).to_have_count(0)
    expect(page).to_have_title("This task was forgotten. · Headway")


def test_without_javascript_the_check_boxes_are_a_plain_form(
    page: Page, browser: Browser, mine: Mine, shared_records: Records
):
    state = page.context.storage_state()
    with browser.new_context(java_script_enabled=False, storage_state=state) as context:
        plain = context.new_page()
        plain.goto(f"{mine.address}/?phase=succeeded&phase=running")
        for task_id in (mine.running, mine.ended[0]):
            mine.box(plain, task_id).check()

        plain.get_by_role("form", name="Chosen tasks").get_by_role("button", name="Forget").click()
        plain.get_by_role("button", name="Forget").click()

        expect(plain.get_by_role("heading", name="1 of 2 tasks forgotten")).to_be_visible()
        plain.get_by_role("link", name="Back").click()
        expect(plain.locator("#tasks li")).to_have_count(4)
    assert shown(shared_records, mine.ended[0]) is None
