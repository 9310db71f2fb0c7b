"""A page that is loaded when all of its tasks have ended."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from headway.snapshot import Phase
from headway.store.records import Records
from tests.by_hand import write
from tests.page import LIVE, cards, chip, open_live, start_by_hand

ENDS = (Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED)
# However slow this machine is: a page that lost patience with its socket would poll.
PATIENT = """
  const soon = window.setTimeout;
  window.setTimeout = (act, ms, ...rest) => soon(act, ms < 1000 ? ms : 20 * ms, ...rest);
"""

LONE_CARD = """(task_id) => {
  document.querySelector("main").innerHTML = `<task-progress task-id="${task_id}"></task-progress>`;
}"""


def end_some(page: Page, address: str, records: Records, ends: list[Phase]) -> list[str]:
    ended = []
    for phase in ends:
        task_id = start_by_hand(page, address, records)
        write(records, task_id, 3, phase)
        ended.append(task_id)
    return ended


@pytest.mark.parametrize(
    "ends",
    [[ENDS[0]], [ENDS[1]], [ENDS[2]], list(ENDS), [*ENDS * 17]],
    ids=["succeeded", "failed", "cancelled", "one of each", "51 of them"],
)
def test_it_is_live_and_does_not_poll(
    context: BrowserContext, web_address: str, shared_records: Records, ends: list[Phase]
):
    context.add_init_script(PATIENT)
    page = context.new_page()
    open_live(page, web_address)
    end_some(page, web_address, shared_records, ends)
    expect(cards(page)).to_have_count(len(ends))
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url.removeprefix(web_address)))

    page.reload()
    expect(chip(page)).to_have_text(LIVE)
    tab = context.new_page()
    open_live(tab, web_address)

    expect(cards(tab)).to_have_count(min(len(ends), 50))
    assert [path for path in asked if path.startswith(("/tasks", "/status"))] == []


def test_so_is_a_lone_card_of_a_task_that_has_ended(
    context: BrowserContext, web_address: str, shared_records: Records
):
    page = context.new_page()
    open_live(page, web_address)
    [task_id] = end_some(page, web_address, shared_records, [Phase.FAILED])
    page.goto(f"{web_address}/inbox")  # a page without the list

    page.evaluate(LONE_CARD, task_id)

    expect(cards(page, "failed")).to_have_count(1)
    expect(chip(page)).to_have_text(LIVE)
