"""The page in a real browser, before a real web process, worker, Valkey and mail server."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect

from app.extensions import headway
from headway.questions import Asked
from headway.snapshot import Phase
from headway.store.model import STORED, Delivery, StateWrite
from headway.store.records import Records
from tests.page import expect_fits
from tests.processes import ROOT, System, held, running, web

HISTORY = """() => {
  window.history_ = [];
  const note = (element) => window.history_.push({
    id: element.getAttribute("task-id"), version: Number(element.dataset.version),
    phase: element.dataset.phase, value: element.querySelector("progress").value });
  new MutationObserver((records) => records.forEach((record) => note(record.target)))
    .observe(document.body, { subtree: true, attributes: true, attributeFilter: ["data-version"] });
}"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    quick = {"LONG_TASK_STEPS": "20", "LONG_TASK_STEP_SECONDS": "0.05"}
    patient = {"MAIL_TIMEOUT_SECONDS": "3", "MAIL_RETRY_SECONDS": "50"}
    system = System(tmp_path_factory.mktemp("system"), **quick, **patient)
    yield system
    system.stop()


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system of which a test may break a part while a task runs."""
    system = System(
        tmp_path_factory.mktemp("slow"), LONG_TASK_STEPS="30", LONG_TASK_STEP_SECONDS="0.3"
    )
    yield system
    system.stop()


def open_live(page: Page, system: System) -> None:
    page.goto(system.address)
    expect(page.locator("#connection")).to_have_text(re.compile("Live"))


def cards(page: Page, phase: str = "") -> Locator:
    return page.locator(
        f'task-progress[data-phase="{phase}"]' if phase else "task-progress[task-id]"
    )


def start_long_task(page: Page) -> None:
    page.get_by_role("button", name="Start long task").click()


def test_three_tasks_run_to_their_end_in_order_without_polling(page: Page, system: System):
    open_live(page, system)
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
        assert len(values) > 1
        assert max(values) < 100
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
            expect(page.locator("#connection")).to_have_text(re.compile("Live"))
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
    open_live(page, system)
    start_long_task(page)
    expect(cards(page)).to_have_count(1)
    tab = context.new_page()
    open_live(tab, system)
    expect(cards(tab)).to_have_count(1)

    start_long_task(tab)
    page.reload()

    for one in (page, tab):
        expect(cards(one, "succeeded")).to_have_count(2)
    stranger = browser.new_context().new_page()
    open_live(stranger, system)
    expect(cards(stranger)).to_have_count(0)
    stranger.context.close()


def test_an_email_is_shown_to_its_end_and_can_be_read(page: Page, system: System):
    open_live(page, system)
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
    open_live(page, system)

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
    open_live(page, system)
    page.get_by_label("E-mail to").fill("ada@example.com")

    page.get_by_role("button", name="Send in 1 minute").click()

    card = cards(page, "scheduled")
    expect(card).to_contain_text(re.compile(r"sends at .* in (0:[0-5]\d|1:00)"))
    before = card.inner_text()
    expect(card).not_to_have_text(before, use_inner_text=True)
    left = [re.findall(r"in (\d):(\d\d)", text)[0] for text in (before, card.inner_text())]
    assert left[1] < left[0]


def test_a_refused_address_is_told_at_the_field_and_kept(page: Page, system: System):
    open_live(page, system)
    field = page.get_by_role("textbox", name="E-mail to")
    field.fill("nobody@@example")

    page.get_by_role("button", name="Send", exact=True).click()

    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value("nobody@@example")
    expect(page.locator("#email-message")).not_to_be_empty()
    expect(cards(page)).to_have_count(0)


def test_a_double_click_is_one_task(page: Page, system: System):
    open_live(page, system)

    page.get_by_role("button", name="Start long task").dblclick()

    expect(cards(page, "succeeded")).to_have_count(1)
    page.reload()
    expect(cards(page)).to_have_count(1)


def test_it_works_by_keyboard_alone(page: Page, system: System):
    open_live(page, system)

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


def test_after_the_web_process_is_killed_and_back_the_page_is_right(page: Page, slow: System):
    open_live(page, slow)
    start_long_task(page)
    expect(cards(page, "running")).to_have_count(1)

    slow.web.kill()
    expect(page.locator("#connection")).not_to_have_text(re.compile("Live"))
    slow.restart_web()

    expect(page.locator("#connection")).to_have_text(re.compile("Live"))
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
    expect(chip).to_have_text(re.compile("Polling"))
    start_long_task(page)
    expect(cards(page, "running")).to_have_count(1)

    before = page.locator("task-progress progress").evaluate("bar => bar.value")
    page.wait_for_function(
        "before => document.querySelector('task-progress progress').value > before", arg=before
    )
    expect(chip).to_have_text(re.compile("Polling"))
    blocked[0] = False

    expect(chip).to_have_text(re.compile("Live"))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    expect(cards(page, "succeeded")).to_have_count(1, timeout=30_000)
    assert asked == []


def test_away_from_the_network_the_chip_says_so_and_back_it_heals(
    page: Page, context: BrowserContext, slow: System
):
    open_live(page, slow)

    context.set_offline(True)
    expect(page.locator("#connection")).to_have_text(re.compile("Offline"))
    context.set_offline(False)

    expect(page.locator("#connection")).to_have_text(re.compile("Live"))


# What a person does with a task


def card_of(page: Page, task_id: str) -> Locator:
    return page.locator(f'task-progress[task-id="{task_id}"]')


def is_in(card: Locator, phase: str) -> None:
    expect(card).to_have_attribute("data-phase", phase)


def act(card: Locator, words: str) -> None:
    """Click the button of these words; its name goes on with the task's."""
    card.get_by_role("button", name=f"{words}: ").click()


def start(
    page: Page, system: System, name: str = "long_task", countdown: float = 0, **args: str
) -> str:
    """Start a task of the page's visitor beside the page."""
    body = {"name": name, "args": args, "countdown": countdown}
    response = page.request.post(f"{system.address}/tasks", data=body)
    assert response.status == 202, response.text()
    return str(response.json()["task_id"])


def start_for_later(page: Page, system: System, name: str = "long_task", **args: str) -> str:
    return start(page, system, name, 3600, **args)


def as_left(system: System, task_id: str, *writes: tuple[Phase, dict]) -> None:
    """Claim a task and write these changes, as a worker that is gone since would have."""
    records = Records(system.valkey.connect(), 7)
    here = Delivery(task_id, 0)
    kept = records.outbox.message(task_id)
    assert kept is not None
    records.runs.claim(here.token, here, "run", message=kept[0], max_attempts=4, hostname="test")
    for phase, fields in writes:
        if phase == Phase.QUEUED:
            records.maintenance.release([(task_id, here.token)])
            here = Delivery()  # who gave it back writes no more
        verdict = records.runs.write(
            StateWrite(
                task_id,
                here,
                phase,
                fields,
                meta="{}",
                name=kept[0]["task"],
                max_attempts=4,
                retry_in=3600.0,
            )
        )
        assert verdict in STORED


def letters(page: Page, system: System, to: str) -> list[dict]:
    inbox = page.request.get(f"{system.address}/inbox.json").json()["messages"]
    return [letter for letter in inbox if letter["to"] == [to]]


UNKNOWN = {"type": "OutcomeUnknown", "message": "no answer after the final dot"}


def test_a_running_task_is_cancelled_where_it_stands(page: Page, slow: System):
    open_live(page, slow)
    page.evaluate(HISTORY)
    card = card_of(page, start(page, slow))
    is_in(card, "running")
    expect(card.locator("progress")).not_to_have_js_property("value", 0)

    with held(slow.worker):  # until the page has drawn that it is cancelling
        act(card, "Cancel")
        is_in(card, "cancelling")

    is_in(card, "cancelled")
    expect(card).to_contain_text(re.compile(r"Cancelled at \d+.%"))
    history = page.evaluate("window.history_")
    assert [entry["phase"] for entry in history][-2:] == ["cancelling", "cancelled"]
    values = [entry["value"] for entry in history if entry["phase"] != "queued"]
    assert values == sorted(values)
    assert values[-1] < 100
    expect(card.get_by_role("button", name="Cancel")).to_have_count(0)
    details = card.get_by_role("button", name="Details of Long task")
    expect(details).to_be_focused()
    ink = page.evaluate("getComputedStyle(document.body).color")
    expect(details).to_have_css("color", ink)  # quiet all the same: Pico fills a focused button


def test_what_waits_is_cancelled_before_it_starts(page: Page, slow: System):
    open_live(page, slow)
    scheduled = card_of(page, start_for_later(page, slow))
    is_in(scheduled, "scheduled")
    running = [card_of(page, start(page, slow)) for _ in range(4)]
    for card in running:
        is_in(card, "running")
    with held(slow.worker):  # else they may end meanwhile, and the queued one begins
        queued = card_of(page, start(page, slow))
        is_in(queued, "queued")

        for card in (scheduled, queued):
            act(card, "Cancel")

            is_in(card, "cancelled")
            expect(card).to_contain_text("Cancelled before it started")
    for card in running:
        act(card, "Cancel")
        is_in(card, "cancelled")


def test_a_scheduled_email_is_sent_now(page: Page, system: System):
    open_live(page, system)
    card = card_of(page, start_for_later(page, system, "send_async_email", email="now@example.com"))

    act(card, "Run now")

    is_in(card, "succeeded")
    assert len(letters(page, system, "now@example.com")) == 1


def test_a_scheduled_task_is_given_another_time(browser: Browser, system: System):
    context = browser.new_context(timezone_id="Asia/Kolkata")
    page = context.new_page()
    open_live(page, system)
    task_id = start_for_later(page, system)
    card = card_of(page, task_id)
    change = card.get_by_role("button", name="Change: Long task")
    change.click()
    field = card.get_by_label("Starts at")
    expect(field).to_be_focused()

    page.keyboard.press("Escape")
    expect(field).to_have_count(0)
    expect(change).to_be_focused()
    change.press("Enter")
    wanted = (datetime.now(ZoneInfo("Asia/Kolkata")) + timedelta(hours=5)).replace(
        second=0, microsecond=0
    )
    field.fill(wanted.strftime("%Y-%m-%dT%H:%M"))
    card.get_by_role("button", name="Save").click()

    expect(field).to_have_count(0)
    expect(change).to_be_focused()
    expect(card).to_contain_text(f"{wanted:%H:%M}:00")
    due = page.request.get(f"{system.address}/status/{task_id}").json()["scheduled_for"]
    assert datetime.fromisoformat(due) == wanted
    context.close()


def test_an_email_that_waits_for_its_mail_server_tells_so_and_takes_it_at_once(
    page: Page, system: System
):
    open_live(page, system)
    system.inbox.popen.send_signal(signal.SIGSTOP)
    try:
        card = card_of(page, start(page, system, "send_async_email", email="later@example.com"))

        is_in(card, "retrying")
        expect(card).to_contain_text(
            re.compile(r"Waiting to send, next attempt in 0:[0-5]\d:\s+\S")
        )
        expect(card).to_contain_text(re.compile(r"next attempt at \d\d:\d\d:\d\d"))
        expect(card).not_to_contain_text("Try")  # to wait for a server uses up no attempt
    finally:
        system.inbox.popen.send_signal(signal.SIGCONT)
    act(card, "Retry now")

    is_in(card, "succeeded")
    expect(card).not_to_contain_text("Try")
    assert len(letters(page, system, "later@example.com")) == 1


def test_an_email_that_nobody_can_know_of_is_sent_again_once_for_a_double_click(
    page: Page, system: System
):
    open_live(page, system)
    task_id = start_for_later(page, system, "send_async_email", email="again@example.com")
    card = card_of(page, task_id)
    is_in(card, "scheduled")
    as_left(system, task_id, (Phase.FAILED, {"error": UNKNOWN, "status": ""}))
    expect(card).to_contain_text("The mail server may have taken it already")
    expect(card).to_contain_text("a second email may arrive")

    again = card.get_by_role("button", name="Send again: E-mail to again@example.com")
    again.dblclick()
    expect(again).to_be_enabled()
    # of a slower double click, when the first was answered
    again.dispatch_event("click", {"detail": 2})

    is_in(cards(page).last, "succeeded")
    expect(cards(page).last).to_contain_text("E-mail to again@example.com")
    expect(card).to_contain_text("Started again, as a new task.")
    page.reload()
    expect(cards(page)).to_have_count(2)
    assert len(letters(page, system, "again@example.com")) == 1


def test_where_only_the_answer_was_lost_the_same_wish_again_starts_nothing_twice(
    page: Page, system: System
):
    open_live(page, system)
    task_id = start(page, system)
    card = card_of(page, task_id)
    is_in(card, "succeeded")

    def lose_the_answer(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/retry", lose_the_answer, times=1)
    act(card, "Run again")
    expect(card.get_by_role("alert")).to_have_text(
        "The server does not answer. Nothing is lost: try again in a moment."
    )
    act(card, "Run again")

    expect(card).to_contain_text("Started again")
    expect(card.get_by_role("alert")).to_have_count(0)
    expect(cards(page, "succeeded")).to_have_count(2)
    page.reload()
    expect(cards(page)).to_have_count(2)


def test_a_click_that_comes_too_late_is_answered_with_the_truth(page: Page, system: System):
    open_live(page, system)
    task_id = start_for_later(page, system)
    card = card_of(page, task_id)
    is_in(card, "scheduled")
    asked: list[str] = []
    page.on(
        "request",
        lambda request: asked.append(
            f"{request.method} {request.url.removeprefix(system.address)}"
        ),
    )

    def come_first(route: Route) -> None:
        route.fetch()
        route.continue_()

    page.route("**/cancel", come_first)
    act(card, "Cancel")

    expect(card.get_by_role("alert")).to_have_text("It has ended already.")
    is_in(card, "cancelled")
    assert asked == [f"POST /tasks/{task_id}/cancel", f"GET /status?task_id={task_id}"]


def test_buttons_work_while_the_page_polls(page: Page, slow: System):
    page.route_web_socket(re.compile("socket.io"), lambda socket: socket.close(code=1012))
    page.goto(slow.address)
    expect(page.locator("#connection")).to_have_text(re.compile("Polling"))
    start_long_task(page)
    is_in(cards(page).first, "running")
    polls = re.compile(r"/(status|tasks)(\?.*)?$")
    page.route(polls, lambda route: route.abort())

    act(cards(page).first, "Cancel")

    is_in(cards(page).first, "cancelling")  # as the answer says, before any poll
    page.unroute(polls)
    is_in(cards(page).first, "cancelled")
    act(cards(page).first, "Run again")
    expect(cards(page)).to_have_count(2)
    act(cards(page).first, "Cancel")
    is_in(cards(page).first, "cancelled")


def test_while_redis_hangs_a_click_is_told_so_and_nothing_is_lost(page: Page, slow: System):
    open_live(page, slow)
    card = card_of(page, start_for_later(page, slow))
    is_in(card, "scheduled")

    slow.valkey.freeze()
    try:
        act(card, "Cancel")
        expect(card.get_by_role("alert")).to_contain_text("Redis does not answer")
    finally:
        slow.valkey.thaw()
    is_in(card, "scheduled")
    act(card, "Cancel")

    is_in(card, "cancelled")
    expect(card.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("way", ["live", "polling"])
def test_when_redis_was_emptied_a_card_says_that_its_record_is_gone_and_stops(
    page: Page, slow: System, way: str
):
    if way == "polling":
        page.route_web_socket(re.compile("socket.io"), lambda socket: socket.close(code=1012))
    page.goto(slow.address)
    expect(page.locator("#connection")).to_have_text(re.compile(way, re.IGNORECASE))
    start_long_task(page)
    card = cards(page).first
    is_in(card, "running")
    expect(page).to_have_title(re.compile("Long task"))

    slow.valkey.empty()

    is_in(card, "missing")
    expect(card).to_contain_text("This task has expired or belongs to someone else")
    expect(card.get_by_role("button")).to_have_count(0)
    expect(card.locator("progress")).to_have_js_property("value", 0)
    expect(page).to_have_title("Tasks · Headway")
    expect(page.get_by_role("link", name="Running 0")).to_be_visible()


def test_the_page_waits_longer_for_a_sign_of_life_than_the_server_between_two(app: Flask):
    source = (ROOT / "headway" / "static" / "js" / "kept-socket.js").read_text()
    [silence] = re.findall(r"SILENCE_MS = (\d+)", source)

    assert int(silence) >= 1000 * headway.socketio.server.eio.ping_interval + 1500


def ask(system: System, task_id: str) -> None:
    """Ask the visitor something, as the run that `as_left` has begun would."""
    records = Records(system.valkey.connect(), 7)
    kept = records.outbox.message(task_id)
    assert kept is not None
    question = Asked("q", "q", "Import the new rows?", ["Import", "Skip"], None, 3600.0)
    assert records.runs.ask(task_id, Delivery(task_id), question, kept[0]) == "waiting"
    records.client.close()


def test_a_question_is_answered_by_keyboard_and_the_task_goes_on(page: Page, system: System):
    open_live(page, system)
    task_id = start_for_later(page, system)
    as_left(system, task_id, (Phase.RUNNING, {"current": 1, "total": 2}))
    ask(system, task_id)
    card = cards(page).first

    is_in(card, "waiting")
    expect(card).to_contain_text("Waiting for an answer Import the new rows?")
    expect(card.get_by_role("group", name="Import the new rows?")).to_be_visible()
    card.get_by_role("button", name="Skip", exact=True).focus()
    page.keyboard.press("Enter")

    expect(card).to_have_attribute("data-phase", re.compile("queued|running|succeeded"))
    expect(card.get_by_role("button", name="Skip", exact=True)).to_have_count(0)
    expect(card.get_by_role("button", name="Details")).to_be_focused()


def populate(system: System, page: Page) -> None:
    """Give the page's visitor a task in every phase, as workers would have left them."""

    def task(*writes: tuple[Phase, dict]) -> str:
        task_id = start_for_later(page, system)
        if writes:
            as_left(system, task_id, *writes)
        return task_id

    some = (Phase.RUNNING, {"current": 37, "total": 100, "status": "Booting silent orbiter..."})
    error = {
        "type": "ConnectionError",
        "message": "connection refused <img src=x onerror=alert(1)>",
    }
    task()
    task(some)
    task((Phase.RUNNING, {"current": 12, "total": None, "status": "Counting"}))
    task(some, (Phase.RETRYING, {"error": error, "current": 0, "total": 1, "status": ""}))
    task(some, (Phase.SUCCEEDED, {"result": 42, "status": "Task completed!"}))
    task(some, (Phase.SUCCEEDED, {"result": {"reply": "250 OK"}, "status": ""}))
    task(some, (Phase.FAILED, {"error": error, "status": error["message"]}))
    task(some, (Phase.FAILED, {"error": UNKNOWN, "status": ""}))
    task(some, (Phase.CANCELLED, {"status": "revoked"}))
    task(some, (Phase.CANCELLING, {}))
    task((Phase.QUEUED, {"status": "Worker lost, trying again"}))
    ask(system, task(some))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", ["empty", "every phase", "offline"])
def test_the_page_is_accessible_in_every_dress(
    browser: Browser, system: System, tmp_path: Path, scheme: str, state: str
):
    context = browser.new_context(color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    page.on("dialog", lambda dialog: pytest.fail("a task's text ran as a script"))
    open_live(page, system)
    if state != "empty":
        populate(system, page)
        expect(cards(page)).to_have_count(12)
        expect(cards(page, "scheduled")).to_have_count(1)
        for phase in Phase:
            expect(cards(page, phase).first).to_be_visible()
        expect(cards(page, "queued")).to_contain_text("Queued Worker lost, trying again")
        act(cards(page, "scheduled"), "Change")
    if state == "offline":
        context.set_offline(True)
        expect(page.locator("#connection")).to_have_text(re.compile("Offline"))

    for width in (1280, 320):
        page.set_viewport_size({"width": width, "height": 900})
        findings = Axe().run(page)

        page.screenshot(path=str(tmp_path / f"{width}.png"), full_page=True)
        violations = json.dumps(findings.response["violations"], indent=1)[:3000]
        assert findings.violations_count == 0, f"{width}: {violations}"
        expect_fits(page, width)
    context.close()
