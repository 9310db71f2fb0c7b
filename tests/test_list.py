"""The page's list: its order, counts, filters, search and older pages, also without JavaScript."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from headway.snapshot import Phase
from headway.store.model import Delivery, StateWrite
from headway.store.records import Records
from tests.page import expect_fits, open_live
from tests.processes import Valkey, wait_for

FAILED = {"error": {"type": "ValueError", "message": "no such column"}}


class Tasks:
    """The tasks of a page's visitor; the test plays their worker."""

    def __init__(self, page: Page, address: str, valkey: Valkey) -> None:
        self._page = page
        self._address = address
        self._records = Records(valkey.connect(), 7)

    def start(self, email: str = "", countdown: float = 0) -> str:
        name = "send_async_email" if email else "long_task"
        body = {"name": name, "args": {"email": email} if email else {}, "countdown": countdown}
        response = self._page.request.post(f"{self._address}/tasks", data=body)
        assert response.status == 202, response.text()
        return str(response.json()["task_id"])

    def start_many(self, count: int, email: str) -> list[str]:
        """Start tasks of the same owner, whose messages are not sent."""
        owner = self._records.client.hget(self._records.keys.record(self.start(email)), "owner")
        message = {
            "task": "send_async_email",
            "args": [],
            "kwargs": {"email": email},
            "options": {"queue": "mail"},
        }
        about = {"owner": str(owner), "message": message, "title": f"E-mail to {email}"}
        return [
            self._records.starts.create(**about, max_attempts=4, when="+3600000000").task_id
            for _ in range(count)
        ]

    def run(self, task_id: str) -> str:
        message = {"task": "any", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
        here = Delivery(task_id, 0)
        self._records.runs.claim(
            task_id, here, "run", message=message, max_attempts=4, hostname="test"
        )
        return task_id

    def end(self, task_id: str, phase: Phase, **fields: object) -> str:
        here = Delivery(task_id, 0)
        write = StateWrite(task_id, here, phase, fields, meta="{}", name="any", max_attempts=4)
        assert self._records.runs.write(write) == "written"
        time.sleep(0.002)  # what ends within one millisecond has no order by its end
        return task_id


@pytest.fixture
def tasks(page: Page, web_address: str, valkey: Valkey) -> Tasks:
    page.request.get(web_address)  # its cookie makes the owner
    return Tasks(page, web_address, valkey)


def order(page: Page) -> list[str]:
    return page.locator("#tasks li").evaluate_all("items => items.map(item => item.dataset.taskId)")


def shows(page: Page, task_ids: list[str]) -> None:
    """Wait until the list has these tasks in this order: what was clicked may still be loading."""
    try:
        wait_for(lambda: order(page) == task_ids)
    except AssertionError:
        assert order(page) == task_ids
        raise


def counts(page: Page) -> list[str]:
    links = page.locator(".filters a").filter(visible=True)
    return links.evaluate_all(
        "links => links.map(link => link.textContent.replace(/\\s+/g, ' ').trim())"
    )


def test_what_needs_the_visitor_comes_first_live_and_after_a_reload(
    page: Page, web_address: str, tasks: Tasks
):
    open_live(page, web_address)
    failed = tasks.run(tasks.start())
    later = tasks.start(countdown=3600)
    running = tasks.run(tasks.start())
    done = tasks.run(tasks.start())
    queued = tasks.start()
    tasks.end(done, Phase.SUCCEEDED, result=1)
    tasks.end(failed, Phase.FAILED, **FAILED)
    wanted = [failed, running, queued, later, done]

    page.wait_for_function(
        "wanted => [...document.querySelectorAll('#tasks li')].map(item => item.dataset.taskId)"
        ".join() === wanted.join()",
        arg=wanted,
    )
    page.reload()
    shows(page, wanted)
    page.reload()  # by now the failure has been seen
    shows(page, [running, queued, later, failed, done])


def test_what_runs_is_on_top_however_many_are_to_come(
    page: Page, browser: Browser, web_address: str, tasks: Tasks
):
    running = tasks.run(tasks.start())
    tasks.start_many(110, "ada@example.com")
    state = page.context.storage_state()

    with browser.new_context(java_script_enabled=False, storage_state=state) as context:
        plain = context.new_page()
        plain.goto(web_address)
        assert order(plain)[:1] == [running]


def test_counts_are_each_phases_own_and_live(page: Page, web_address: str, tasks: Tasks):
    running = tasks.run(tasks.start())
    tasks.start()
    open_live(page, web_address)
    shown = ["All 2", "Running 1", "Queued 1", "Scheduled 0", "Failed 0", "Done 0", "Cancelled 0"]
    wait_for(lambda: counts(page) == shown)

    tasks.end(running, Phase.FAILED, **FAILED)
    tasks.start(countdown=3600)

    expect(page.get_by_role("link", name="Failed")).to_have_text("Failed 1")
    expect(page.get_by_role("link", name="Scheduled")).to_have_text("Scheduled 1")
    now = ["All 3", "Running 0", "Queued 1", "Scheduled 1", "Failed 1", "Done 0", "Cancelled 0"]
    wait_for(lambda: counts(page) == now)
    page.reload()
    wait_for(lambda: counts(page) == now)


def test_a_card_that_moves_keeps_the_focus(page: Page, web_address: str, tasks: Tasks):
    tasks.run(tasks.start())
    first = tasks.run(tasks.start())
    open_live(page, web_address)
    card = page.locator(f'[data-task-id="{first}"]')
    details = card.get_by_role("button", name="Details")
    details.focus()

    tasks.end(first, Phase.SUCCEEDED, result=1)

    expect(card).to_have_attribute("data-rank", "4")
    wait_for(lambda: order(page)[-1:] == [first])
    expect(details).to_be_focused()
    expect(card.locator("progress")).to_be_hidden()
    wait_for(lambda: card.bounding_box()["height"] < 45)  # type: ignore[index]


def test_a_filter_and_a_search_are_in_the_address(page: Page, web_address: str, tasks: Tasks):
    ada, grace = tasks.start("ada@example.com"), tasks.start("grace@example.com")
    tasks.end(tasks.run(ada), Phase.FAILED, **FAILED)
    open_live(page, web_address)

    page.get_by_role("searchbox").fill("GRACE")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?q=GRACE$"))
    shows(page, [grace])
    page.go_back()
    page.get_by_role("link", name="Failed").click()
    expect(page).to_have_url(re.compile("phase=failed"))
    shows(page, [ada])
    expect(page.get_by_role("link", name="Failed")).to_have_attribute("aria-current", "true")
    tasks.end(tasks.run(grace), Phase.FAILED, **FAILED)  # comes to what is shown
    expect(page.locator("#tasks li")).to_have_count(2)


def test_a_task_leaves_the_list_of_a_phase_with_the_phase(
    page: Page, web_address: str, tasks: Tasks
):
    task_id = tasks.run(tasks.start())
    open_live(page, f"{web_address}/?phase=running&phase=cancelling")
    shows(page, [task_id])

    tasks.end(task_id, Phase.SUCCEEDED, result=1)

    expect(page.locator("#tasks li")).to_have_count(0)
    expect(page.locator("[data-part=empty]")).to_have_text("Nothing matches.")


def test_older_tasks_are_reached_without_javascript(
    page: Page, browser: Browser, web_address: str, tasks: Tasks
):
    ids = tasks.start_many(51, "ada@example.com")
    state = page.context.storage_state()
    with browser.new_context(java_script_enabled=False, storage_state=state) as context:
        plain = context.new_page()
        plain.goto(f"{web_address}/?q=ada")
        shows(plain, ids[:0:-1])

        plain.get_by_role("link", name="Show older").click()

        wait_for(lambda: order(plain)[1:] == ids[:1])  # after the one that is queued
        expect(plain.get_by_role("searchbox")).to_have_value("ada")
        expect(plain.get_by_role("link", name="Show older")).to_have_count(0)
        plain.get_by_role("link", name="Newest").click()
        shows(plain, ids[:0:-1])


def test_offline_what_is_shown_says_when_it_was_true_and_its_times_stop(
    page: Page, context: BrowserContext, web_address: str, tasks: Tasks
):
    tasks.run(tasks.start())
    page.clock.install()
    open_live(page, web_address)

    context.set_offline(True)
    expect(page.locator(".stale")).to_contain_text("Offline: these are the tasks as of")
    expect(page.locator("#tasks ul")).to_have_css("filter", "grayscale(1)")
    numbers = page.locator("task-progress [data-part=numbers]")
    cancel = page.get_by_role("button", name="Cancel: Long task")
    expect(cancel).to_be_disabled()
    assert "Offline" in (cancel.get_attribute("title") or "")
    send = page.get_by_role("button", name="Send", exact=True)
    expect(send).to_be_disabled()
    expect(send).to_have_attribute("title", re.compile("Offline"))
    stopped = numbers.text_content()
    page.clock.run_for(5000)
    assert numbers.text_content() == stopped
    context.set_offline(False)

    expect(page.locator(".stale")).to_be_hidden()
    expect(cancel).to_be_enabled()
    expect(send).to_be_enabled()


def test_a_page_that_stays_open_holds_no_more_than_it_shows(
    page: Page, web_address: str, tasks: Tasks
):
    running = tasks.run(tasks.start())
    open_live(page, web_address)

    ids = [tasks.run(task_id) for task_id in tasks.start_many(110, "ada@example.com")]
    for task_id in ids:
        tasks.end(task_id, Phase.SUCCEEDED, result=1)

    wait_for(lambda: [running, ids[-1]] == order(page)[:3:2] and len(order(page)) < 110)
    expect(page.get_by_role("link", name="Reload to reach older tasks")).to_be_visible()


def test_a_phones_first_screen_shows_the_tasks(page: Page, web_address: str, tasks: Tasks):
    page.set_viewport_size({"width": 360, "height": 640})
    ids = [tasks.run(tasks.start()) for _ in range(3)]
    for task_id in ids[:2]:
        tasks.end(task_id, Phase.SUCCEEDED, result=1)
    open_live(page, web_address)

    header = page.locator("body > header").bounding_box()
    assert header is not None
    assert header["height"] < 64
    expect(page.locator("#tasks li").last).to_be_in_viewport(ratio=1)
    expect_fits(page, 360)
    button = page.get_by_role("button", name="New task")
    expect(page.get_by_label("E-mail to")).to_be_hidden()
    button.click()
    expect(page.get_by_label("E-mail to")).to_be_focused()
