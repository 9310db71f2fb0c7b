"""The whole product by keyboard alone: each test presses keys, and nothing else."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from headway.questions import Asked
from headway.snapshot import Phase
from headway.store.records import Records
from tests.by_hand import HERE, claim, write
from tests.page import LIVE, chip, open_live

MAX_TABS = 120


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until this has the focus."""
    expect(wanted).to_be_visible()
    for _ in range(MAX_TABS):
        if wanted.evaluate("one => one.getRootNode().activeElement === one"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {wanted}")


def press(page: Page, wanted: Locator, key: str = "Enter") -> None:
    tab_to(page, wanted)
    page.keyboard.press(key)


def test_from_a_form_to_a_shared_link(page: Page, web_address: str, shared_records: Records):
    open_live(page, web_address)
    press(page, page.get_by_role("link", name="All that can be started"))
    press(page, page.get_by_role("link", name="Long task"))
    press(page, page.get_by_role("button", name="Start"))
    expect(page).to_have_url(re.compile("/tasks/[0-9a-f-]{36}$"))
    task_id = page.url.rpartition("/")[2]

    claim(shared_records, task_id)
    write(shared_records, task_id, 420)
    expect(page).to_have_title(re.compile(r"\(42"))
    shared_records.output.log(task_id, HERE, [("INFO", "half way")])
    expect(page.get_by_role("log", name="Log")).to_contain_text("half way")
    press(page, page.locator("[data-part=follow] input"), "Space")
    expect(page.locator("[data-part=follow] input")).not_to_be_checked()

    message, _ = shared_records.outbox.message(task_id) or ({}, "")
    question = Asked("q", "q", "Go on?", ["Yes", "No"], None, 3600.0)
    assert shared_records.runs.ask(task_id, HERE, question, message) == "waiting"
    press(page, page.locator("#question").get_by_role("button", name="Yes"))
    expect(page.locator("#timeline")).to_contain_text("Queued")
    card = page.locator("headway-task")
    press(page, card.get_by_role("button", name="Cancel: Long task"))
    expect(card).to_have_attribute("data-phase", "cancelled")
    press(page, card.get_by_role("button", name="Run again: Long task"))
    expect(card.get_by_role("link", name="a new task")).to_be_visible()
    press(page, page.get_by_role("button", name="Make a link"))
    expect(page.get_by_label("Link, until")).to_have_value(re.compile("token="))


def test_search_filter_choose_and_forget(page: Page, web_address: str, shared_records: Records):
    page.goto(web_address)
    for _ in range(2):
        body = {"name": "long_task", "countdown": 3600}
        task_id = page.request.post(f"{web_address}/tasks", data=body).json()["task_id"]
        claim(shared_records, task_id)
        write(shared_records, task_id, 1000, Phase.SUCCEEDED)
    open_live(page, web_address)

    page.keyboard.press("/")
    page.keyboard.type("long /n")  # letters in a field are no shortcuts
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nothing matches.")).to_be_visible()
    expect(chip(page)).to_have_text(LIVE)
    page.keyboard.press("t")
    expect(page.locator("#tasks li")).to_have_count(2)
    press(page, page.locator(".filters").get_by_role("link", name="Done"))
    expect(page).to_have_url(re.compile("phase=succeeded"))
    expect(chip(page)).to_have_text(LIVE)
    press(page, page.get_by_label("All on this page"), "Space")
    press(page, page.get_by_role("button", name="Forget 2"))
    page.keyboard.press("Enter")
    expect(page.locator("#tasks li")).to_have_count(0)

    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard")
    press(page, dialog.get_by_role("checkbox"), "Space")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    for key in ("?", "/", "n"):
        page.keyboard.press(key)
    expect(dialog).to_be_hidden()
    expect(page.locator("input[type=search]")).not_to_be_focused()
