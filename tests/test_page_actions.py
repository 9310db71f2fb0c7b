"""What a person does with a task on the page."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from headway.snapshot import Phase
from headway.store.records import Records
from tests.by_hand import as_left, ask
from tests.page import act, card_of, cards, is_in, open_live, start, start_for_later
from tests.processes import System, freeze


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    quick = {"LONG_TASK_STEPS": "20", "LONG_TASK_STEP_SECONDS": "0.05"}
    patient = {"MAIL_TIMEOUT_SECONDS": "3", "MAIL_RETRY_SECONDS": "50"}
    system = System(tmp_path_factory.mktemp("system"), **quick, **patient)
    yield system
    system.stop()


@pytest.fixture(scope="module")
def records(system: System) -> Iterator[Records]:
    """The test itself, in the place of a worker."""
    client = system.valkey.connect()
    yield Records(client, 7)
    client.close()


def emails_to(page: Page, address: str, to: str) -> list[dict]:
    inbox = page.request.get(f"{address}/inbox.json").json()["messages"]
    return [email for email in inbox if email["to"] == [to]]


UNKNOWN = {"type": "OutcomeUnknown", "message": "no answer after the final dot"}


def test_a_scheduled_email_is_sent_now(page: Page, system: System):
    open_live(page, system.address)
    card = card_of(
        page, start_for_later(page, system.address, "send_async_email", email="now@example.com")
    )

    act(card, "Run now")

    is_in(card, "succeeded")
    assert len(emails_to(page, system.address, "now@example.com")) == 1


def test_a_scheduled_task_is_given_another_time(browser: Browser, system: System):
    context = browser.new_context(timezone_id="Asia/Kolkata")
    page = context.new_page()
    open_live(page, system.address)
    task_id = start_for_later(page, system.address)
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
    open_live(page, system.address)
    freeze(system.inbox.pid)
    try:
        card = card_of(
            page, start(page, system.address, "send_async_email", email="later@example.com")
        )

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
    assert len(emails_to(page, system.address, "later@example.com")) == 1


def test_an_email_that_nobody_can_know_of_is_sent_again_once_for_a_double_click(
    page: Page, system: System, records: Records
):
    open_live(page, system.address)
    task_id = start_for_later(page, system.address, "send_async_email", email="again@example.com")
    card = card_of(page, task_id)
    is_in(card, "scheduled")
    as_left(records, task_id, (Phase.FAILED, {"error": UNKNOWN, "status": ""}))
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
    assert len(emails_to(page, system.address, "again@example.com")) == 1


def test_where_only_the_answer_was_lost_the_same_wish_again_starts_nothing_twice(
    page: Page, system: System
):
    open_live(page, system.address)
    task_id = start(page, system.address)
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
    open_live(page, system.address)
    task_id = start_for_later(page, system.address)
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


def test_a_question_is_answered_by_keyboard_and_the_task_goes_on(
    page: Page, system: System, records: Records
):
    open_live(page, system.address)
    task_id = start_for_later(page, system.address)
    as_left(records, task_id, (Phase.RUNNING, {"current": 1, "total": 2}))
    ask(records, task_id)
    card = cards(page).first

    is_in(card, "waiting")
    expect(card).to_contain_text("Waiting for an answer Import the new rows?")
    expect(card.get_by_role("group", name="Import the new rows?")).to_be_visible()
    card.get_by_role("button", name="Skip", exact=True).focus()
    page.keyboard.press("Enter")

    expect(card).to_have_attribute("data-phase", re.compile("queued|running|succeeded"))
    expect(card.get_by_role("button", name="Skip", exact=True)).to_have_count(0)
    expect(card.get_by_role("button", name="Details")).to_be_focused()


def test_the_page_of_an_email_leads_to_it_in_the_inbox_as_soon_as_it_is_there(
    page: Page, system: System
):
    open_live(page, system.address)
    task_id = start_for_later(page, system.address, "send_async_email", email="way@example.com")
    page.goto(f"{system.address}/tasks/{task_id}")
    more = page.locator("#more")
    expect(more).to_be_empty()

    page.locator("headway-task").get_by_role("button", name="Run now").click()
    more.get_by_role("link", name="Open in inbox").click()

    expect(page.get_by_role("main")).to_contain_text("way@example.com")
