"""`<headway-list>`: filters, a search and older tasks, in a page that has nothing else of ours."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from headway.snapshot import Phase
from headway.store.records import Records
from headway.web.api.listing import FILTERS
from tests.by_hand import HERE, claim, write
from tests.page import expect_fits, expect_nothing_of_axe
from tests.processes import ROOT

PAGE = """<!doctype html><html lang="en"><title>Yours</title>
<meta name="color-scheme" content="light dark">
<main><h1>Yours</h1><h2>Tasks</h2><headway-list src="/tasks" actions></headway-list></main>
<script src="/assets/headway.js"></script></html>"""


@pytest.fixture
def owner(page: Page, web_address: str, shared_records: Records) -> str:
    """The owner of a running task, whose list the page shows once it is opened."""
    page.route("**/yours", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
    page.request.get(web_address)  # its cookie makes the owner
    body = {"name": "long_task", "countdown": 3600}
    task_id = str(page.request.post(f"{web_address}/tasks", data=body).json()["task_id"])
    claim(shared_records, task_id)
    return str(shared_records.client.hget(shared_records.keys.record(task_id), "owner"))


def start(records: Records, owner: str, title: str, phase: Phase | None = None) -> str:
    message = {"task": "any", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
    about = {"owner": owner, "message": message, "title": title, "max_attempts": 4}
    task_id = records.starts.create(**about, when="+3600000000").task_id
    if phase:
        claim(records, task_id)
        write(records, task_id, 10, phase)
    return task_id


def items(page: Page) -> Locator:
    return page.locator("headway-list li")


def test_the_filters_are_those_of_the_page():
    module = (ROOT / "headway" / "static" / "js" / "list-filters.js").read_text()
    [listed] = re.findall(r"FILTERS = (\[.*?\]);", module, re.DOTALL)

    found = json.loads(re.sub(r",(\s*\])", r"\1", listed))

    assert found == [[name, [*phases]] for name, phases in FILTERS.items()]


def test_filters_and_a_search_show_what_the_server_finds_and_what_comes(
    page: Page, web_address: str, shared_records: Records, owner: str
):
    start(shared_records, owner, "Import of June", Phase.FAILED)
    start(shared_records, owner, "Import of July")
    page.goto(f"{web_address}/yours")
    expect(items(page)).to_have_count(3)

    failed = page.get_by_role("button", name="Failed 1")
    failed.press("Enter")
    expect(items(page)).to_have_count(1)
    expect(failed).to_have_attribute("aria-pressed", "true")
    start(shared_records, owner, "Import of May", Phase.FAILED)
    expect(items(page)).to_have_count(2)
    expect_nothing_of_axe(page)

    page.get_by_role("button", name="All 4").click()
    page.get_by_role("searchbox", name="Search tasks").fill("JULY")
    page.keyboard.press("Enter")
    expect(items(page)).to_have_count(1)
    expect(items(page)).to_contain_text("Import of July")
    page.get_by_role("searchbox").fill("nowhere")
    page.keyboard.press("Enter")
    expect(page.locator("headway-list")).to_contain_text("Nothing matches.")
    page.get_by_role("searchbox").fill("")
    page.keyboard.press("Enter")
    expect(items(page)).to_have_count(4)


def test_counts_that_come_late_do_not_stay(
    page: Page, web_address: str, shared_records: Records, owner: str
):
    """The answer to a filter was made before a task was started, and comes after it."""

    def hold_back(route: Route) -> None:
        response = route.fetch()
        start(shared_records, owner, "Import of May")
        expect(page.get_by_role("button", name="All 2")).to_be_visible()
        route.fulfill(response=response)

    page.route("**/tasks?phase=failed", hold_back)
    page.goto(f"{web_address}/yours")

    with page.expect_response("**/tasks?phase=failed"):
        page.get_by_role("button", name="Failed 0").click()

    expect(page.locator("headway-list")).to_contain_text("Nothing matches.")
    expect(page.get_by_role("button", name="All 2")).to_be_visible()


def test_older_tasks_are_shown_page_by_page(
    page: Page, web_address: str, shared_records: Records, owner: str
):
    for number in range(60):
        start(shared_records, owner, f"Import {number}", Phase.SUCCEEDED)
    page.goto(f"{web_address}/yours")
    expect(items(page)).to_have_count(51)  # the owner's first one, which runs, too
    expect(page.get_by_role("button", name="All 61")).to_be_visible()

    page.get_by_role("button", name="Show older").click()

    expect(items(page)).to_have_count(61)
    expect(page.get_by_role("button", name="Show older")).to_be_hidden()


def test_older_tasks_that_cannot_be_read_now_can_be_asked_for_again(
    page: Page, web_address: str, shared_records: Records, owner: str
):
    for number in range(60):
        start(shared_records, owner, f"Import {number}", Phase.SUCCEEDED)
    page.goto(f"{web_address}/yours")
    older = page.get_by_role("button", name="Show older")
    expect(older).to_be_visible()

    page.route("**/tasks*", lambda route: route.fulfill(status=502, body="no answer"))
    older.click()
    expect(page.get_by_text("The tasks cannot be loaded")).to_be_visible()
    page.unroute("**/tasks*")
    older.click()

    expect(items(page)).to_have_count(61)
    expect(page.get_by_text("The tasks cannot be loaded")).to_be_hidden()


def test_a_filter_that_could_not_be_read_is_read_once_the_server_is_back(
    page: Page, web_address: str, shared_records: Records, owner: str
):
    start(shared_records, owner, "Import of June", Phase.FAILED)
    page.goto(f"{web_address}/yours")
    expect(items(page)).to_have_count(2)
    page.route("**/tasks*", lambda route: route.fulfill(status=502, body="no answer"))
    page.get_by_role("button", name="All").click()
    page.get_by_role("searchbox").fill("nowhere")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The tasks cannot be loaded")).to_be_visible()

    page.unroute("**/tasks*")
    page.context.set_offline(True)
    page.context.set_offline(False)

    expect(page.locator("headway-list")).to_contain_text("Nothing matches.")


def test_offline_it_is_dimmed_and_says_from_when_it_is(page: Page, web_address: str, owner: str):
    page.goto(f"{web_address}/yours")
    expect(items(page)).to_have_count(1)

    page.context.set_offline(True)
    expect(page.locator("headway-list ul")).to_have_css("filter", "grayscale(1)")
    expect(page.locator("headway-list")).to_contain_text("Offline, showing")
    page.context.set_offline(False)
    expect(page.locator("headway-list ul")).to_have_css("filter", "none")


def test_a_card_that_moves_keeps_the_focus(
    page: Page, web_address: str, shared_records: Records, owner: str
):
    task_id = start(shared_records, owner, "Import of June", Phase.RUNNING)
    page.goto(f"{web_address}/yours")
    expect(items(page)).to_have_count(2)
    expect(items(page).first).to_contain_text("Import of June")
    details = items(page).first.get_by_role("button", name="Details")
    details.focus()

    write(shared_records, task_id, 20, Phase.SUCCEEDED)

    expect(items(page).last).to_contain_text("Import of June")
    expect(items(page).last.get_by_role("button", name="Details")).to_be_focused()


def test_a_card_lists_the_files_as_they_come_and_does_not_jump(
    page: Page, web_address: str, shared_records: Records, owner: str
):
    task_id = start(shared_records, owner, "Import of June", Phase.RUNNING)
    page.goto(f"{web_address}/yours")
    card = items(page).filter(has_text="Import of June")
    expect(card.get_by_text("1 %")).to_be_visible()
    files = card.locator("[part=files] a")
    expect(page.get_by_role("button", name="All 2")).to_be_visible()  # what is above is there
    before = card.bounding_box()

    for name in ("report.csv", "a #?.csv"):
        shared_records.files.note(task_id, HERE, name, 1500, "text/csv", "0" * 32)
    expect(files).to_have_text(["report.csv", "a #?.csv"])
    assert card.bounding_box() == before
    expect(files.last).to_have_attribute("href", re.compile(f"{task_id}/files/a%20%23%3F.csv$"))
    for name in ("c.csv", "a-name-that-is-long-and-does-not-end-" * 4):
        shared_records.files.note(task_id, HERE, name, 1500, "text/csv", "0" * 32)
    expect(files).to_have_text(["report.csv", "a #?.csv", "c.csv", "1 more"])
    expect(files.last).to_have_attribute("href", re.compile(f"/tasks/{task_id}#files$"))
    write(shared_records, task_id, 20, Phase.SUCCEEDED)
    expect(card.locator("headway-task")).to_have_attribute("row", "")

    page.set_viewport_size({"width": 320, "height": 600})
    expect_fits(page, 320)
    expect_nothing_of_axe(page)
