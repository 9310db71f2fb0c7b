"""The page while a task runs: parts of the system break, and the visitor cancels."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import BrowserContext, Page, expect

from app.extensions import headway
from tests.page import (
    HISTORY,
    LIVE,
    act,
    card_of,
    cards,
    chip,
    is_in,
    open_live,
    start,
    start_for_later,
    start_long_task,
)
from tests.processes import ROOT, System, held, wait_for


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system of which a test may break a part while a task runs."""
    system = System(
        tmp_path_factory.mktemp("slow"), LONG_TASK_STEPS="30", LONG_TASK_STEP_SECONDS="0.3"
    )
    yield system
    system.stop()


def test_after_the_web_process_is_killed_and_back_the_page_is_right(page: Page, slow: System):
    open_live(page, slow.address)
    start_long_task(page)
    expect(cards(page, "running")).to_have_count(1)

    slow.web.kill()
    expect(chip(page)).not_to_have_text(LIVE)
    slow.restart_web()

    expect(chip(page)).to_have_text(LIVE)
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
    expect(chip(page)).to_have_text(re.compile("Polling"))
    start_long_task(page)
    expect(cards(page, "running")).to_have_count(1)

    before = page.locator("task-progress progress").evaluate("bar => bar.value")
    page.wait_for_function(
        "before => document.querySelector('task-progress progress').value > before", arg=before
    )
    expect(chip(page)).to_have_text(re.compile("Polling"))
    blocked[0] = False

    expect(chip(page)).to_have_text(LIVE)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    expect(cards(page, "succeeded")).to_have_count(1, timeout=30_000)
    assert asked == []


def test_away_from_the_network_the_chip_says_so_and_back_it_heals(
    page: Page, context: BrowserContext, slow: System
):
    open_live(page, slow.address)

    context.set_offline(True)
    expect(chip(page)).to_have_text(re.compile("Offline"))
    context.set_offline(False)

    expect(chip(page)).to_have_text(LIVE)


def test_a_running_task_is_cancelled_where_it_stands(page: Page, slow: System):
    open_live(page, slow.address)
    page.evaluate(HISTORY)
    card = card_of(page, start(page, slow.address))
    is_in(card, "running")
    for _ in range(2):  # it is seen to move on
        before = card.locator("progress").evaluate("bar => bar.value")
        page.wait_for_function(
            "before => document.querySelector('task-progress progress').value > before", arg=before
        )

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
    open_live(page, slow.address)
    scheduled = card_of(page, start_for_later(page, slow.address))
    is_in(scheduled, "scheduled")
    running = [card_of(page, start(page, slow.address)) for _ in range(4)]
    for card in running:
        is_in(card, "running")
    with held(slow.worker):  # else they may end meanwhile, and the queued one begins
        queued = card_of(page, start(page, slow.address))
        is_in(queued, "queued")

        for card in (scheduled, queued):
            act(card, "Cancel")

            is_in(card, "cancelled")
            expect(card).to_contain_text("Cancelled before it started")
    for card in running:
        act(card, "Cancel")
        is_in(card, "cancelled")


def test_buttons_work_while_the_page_polls(page: Page, slow: System):
    page.route_web_socket(re.compile("socket.io"), lambda socket: socket.close(code=1012))
    page.goto(slow.address)
    expect(chip(page)).to_have_text(re.compile("Polling"))
    task_id = start(page, slow.address)
    where = f"{slow.address}/status/{task_id}"
    wait_for(lambda: page.request.get(where).json()["phase"] == "running")
    polls = re.compile(r"/(status|tasks)(\?.*)?$")

    with held(slow.worker):  # however late the page's next poll is
        is_in(card_of(page, task_id), "running")
        page.route(polls, lambda route: route.abort())
        act(card_of(page, task_id), "Cancel")
        is_in(card_of(page, task_id), "cancelling")  # as the answer says, before any poll
        page.unroute(polls)
    is_in(card_of(page, task_id), "cancelled")

    with held(slow.worker):
        act(card_of(page, task_id), "Run again")
        expect(cards(page)).to_have_count(2)
        act(cards(page).first, "Cancel")
        is_in(cards(page).first, "cancelled")


def test_while_redis_hangs_a_click_is_told_so_and_nothing_is_lost(page: Page, slow: System):
    open_live(page, slow.address)
    card = card_of(page, start_for_later(page, slow.address))
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
    expect(chip(page)).to_have_text(re.compile(way, re.IGNORECASE))
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
    source = (ROOT / "headway" / "static" / "js" / "reconnecting-socket.js").read_text()
    [silence] = re.findall(r"SILENCE_MS = (\d+)", source)

    assert int(silence) >= 1000 * headway.socketio.server.eio.ping_interval + 1500
