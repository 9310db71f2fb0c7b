"""The whole product by keyboard alone: each test presses keys, and nothing else."""

from __future__ import annotations

import re

from playwright.sync_api import FilePayload, Locator, Page, expect

from headway.questions import Asked
from headway.snapshot import Phase
from headway.store.records import Records
from tests.by_hand import HERE, claim, write
from tests.page import LIVE, chip, open_live

MAX_TABS = 120
TASK_PAGE = re.compile("/tasks/[0-9a-f-]{36}$")


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
    box = dialog.get_by_role("checkbox").bounding_box() or {}
    assert box["width"] == box["height"]
    press(page, dialog.get_by_role("checkbox"), "Space")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    for key in ("?", "/", "n"):
        page.keyboard.press(key)
    expect(dialog).to_be_hidden()
    expect(page.locator("input[type=search]")).not_to_be_focused()


def test_the_whole_product_by_keyboard(page: Page, web_address: str, shared_records: Records):
    """Start, list, search, task page, log filter, question, cancel, run again, and a mailing."""
    open_live(page, web_address)
    press(page, page.get_by_role("link", name="All that can be started"))
    press(page, page.get_by_role("link", name="Long task"))
    press(page, page.get_by_role("button", name="Start"))
    expect(page).to_have_url(TASK_PAGE)
    task_id = page.url.rpartition("/")[2]
    claim(shared_records, task_id)
    write(shared_records, task_id, 420)
    lines = [("INFO", "half way"), ("WARNING", "a row is odd")]
    shared_records.output.log(task_id, HERE, lines)
    expect(page.get_by_role("log", name="Log")).to_contain_text("half way")

    press(page, page.locator("header").get_by_role("link", name="Tasks"))
    expect(chip(page)).to_have_text(LIVE)
    page.keyboard.press("/")
    page.keyboard.type("long")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("q=long"))
    press(page, page.locator(f'[task-id="{task_id}"]').get_by_role("link", name="Long task"))

    log = page.get_by_role("log", name="Log")
    expect(log).to_contain_text("half way")
    tab_to(page, page.get_by_label("Level"))
    page.keyboard.type("WARN")
    press(page, page.get_by_role("button", name="Show", exact=True))
    expect(log).to_contain_text("a row is odd")
    expect(log).not_to_contain_text("half way")

    ask(shared_records, task_id, ["Yes", "No"])
    press(page, page.locator("#question").get_by_role("button", name="Yes"))
    expect(page.locator("#timeline")).to_contain_text("Queued")
    card = page.locator("headway-task")
    press(page, card.get_by_role("button", name="Cancel: Long task"))
    expect(card).to_have_attribute("data-phase", "cancelled")
    press(page, card.get_by_role("button", name="Run again: Long task"))
    press(page, card.get_by_role("link", name="a new task"))
    expect(page).not_to_have_url(re.compile(task_id))
    expect(page.locator("[data-part=connection]")).to_contain_text(LIVE)

    send_a_mailing(page, web_address, shared_records)


def send_a_mailing(page: Page, web_address: str, records: Records) -> None:
    """Start a mailing, and pause it."""
    page.keyboard.press("t")
    expect(chip(page)).to_have_text(LIVE)
    press(page, page.get_by_role("link", name="All that can be started"))
    press(page, page.get_by_role("link", name="Mailing"))
    tab_to(page, page.get_by_label("Source"))  # what Enter opens there is the browser's own
    rows = b"Name,Email\nAda,ada@example.com\n"
    file: FilePayload = {"name": "people.csv", "mimeType": "text/csv", "buffer": rows}
    page.get_by_label("Source").set_input_files(file)
    expect(page.get_by_role("checkbox", name="people.csv")).to_be_checked()
    tab_to(page, page.get_by_label("Subject"))
    page.keyboard.type("Hello {name}")
    tab_to(page, page.get_by_label("Body"))
    page.keyboard.type("Dear {name}")
    press(page, page.get_by_role("button", name="Start"))
    expect(page).to_have_url(TASK_PAGE)
    task_id = page.url.rpartition("/")[2]
    message, _ = records.outbox.message(task_id) or ({}, "")
    outcome = records.runs.claim(
        task_id, HERE, "run", message=message, max_attempts=4, hostname="test"
    )
    assert outcome == "claimed"
    press(page, page.locator("headway-task").get_by_role("button", name="Pause: Mailing"))
    expect(page.locator("headway-task")).to_have_attribute("data-phase", "cancelling")
    expect(page.locator("headway-task [part=actions]")).to_be_focused()  # not lost with the button


def ask(records: Records, task_id: str, choices: list[str]) -> None:
    message, _ = records.outbox.message(task_id) or ({}, "")
    question = Asked("q", "q", "Go on?", choices, None, 3600.0)
    assert records.runs.ask(task_id, HERE, question, message) == "waiting"
