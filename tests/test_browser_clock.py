"""A browser whose clock is set while the page is open, or whose machine sleeps: what is counted
counts on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from headway.store.records import Records
from tests.by_hand import write
from tests.page import LIVE, cards, chip, open_live, start_by_hand

HOURS = 3600
# The machine's two clocks, under the test's hand: its time of day, and the one that counts on.
CLOCKS = """
  window.set = { wall: 0, steady: 0 };
  const [now, steady] = [Date.now.bind(Date), performance.now.bind(performance)];
  Date.now = () => now() + window.set.wall;
  performance.now = () => steady() + window.set.steady;
"""


@pytest.fixture
def page(browser: Browser, web_address: str) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script(CLOCKS)
    open_live(page, web_address)
    yield page
    context.close()


@pytest.mark.parametrize("hours", [5, -5])
def test_a_clock_that_is_set_leaves_what_has_elapsed_and_what_is_to_come(
    page: Page, web_address: str, shared_records: Records, hours: int
):
    write(shared_records, start_by_hand(page, web_address, shared_records), 1)
    expect(cards(page, "running")).to_contain_text(re.compile(r"\b0:[0-5]\d elapsed"))
    page.request.post(f"{web_address}/tasks", data={"name": "long_task", "countdown": 600})
    expect(cards(page, "scheduled")).to_contain_text(re.compile(r"in 9:[0-5]\d"))

    before = cards(page, "running").inner_text()
    page.evaluate("ms => { window.set.wall = ms; }", hours * HOURS * 1000)
    # it has been drawn since
    expect(cards(page, "running")).not_to_have_text(before, use_inner_text=True)

    expect(chip(page)).to_have_text(LIVE)
    elapsed = cards(page, "running").inner_text()
    assert re.search(r"\b0:[0-5]\d elapsed", elapsed), elapsed
    to_come = cards(page, "scheduled").inner_text()
    assert re.search(r"in 9:[0-5]\d\b", to_come), to_come


def test_after_a_sleep_what_has_elapsed_is_right(
    page: Page, web_address: str, shared_records: Records
):
    write(shared_records, start_by_hand(page, web_address, shared_records), 1)
    some = re.compile(r"\b0:(0[1-9]|[1-5]\d) elapsed")
    expect(cards(page, "running")).to_contain_text(some)

    # True time has not moved: a clock that is 5 h behind now is as one that has stood still for so
    # long.
    page.evaluate(
        """ms => {
          window.set.steady = -ms;
          document.querySelector("task-progress [data-part=numbers]").textContent = "";
        }""",
        5 * HOURS * 1000,
    )

    expect(cards(page, "running")).to_contain_text(some)
    expect(chip(page)).to_have_text(LIVE)
