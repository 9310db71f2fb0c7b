"""Both lists to who reads from right to left, in forced colours, and on a phone."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from headway.snapshot import Phase
from headway.store.records import Records
from tests.by_hand import claim, write
from tests.overlaps import overlaps
from tests.page import expect_fits
from tests.processes import wait_for

ELEMENT = """<!doctype html><html lang="en"><title>Yours</title>
<meta name="viewport" content="width=device-width">
<headway-list src="/tasks" actions></headway-list>
<script src="/assets/headway.js"></script></html>"""
LISTS = pytest.mark.parametrize(
    ("path", "items"),
    [("", "#tasks ul > li"), ("/yours", "headway-list li")],
    ids=["page", "element"],
)
PHONE: ViewportSize = {"width": 390, "height": 844}
# Where the first and the last of a text's characters stand.
ENDS = """(part) => {
  const text = document.createTreeWalker(part, NodeFilter.SHOW_TEXT).nextNode();
  const left = (at) => {
    const range = document.createRange();
    range.setStart(text, at);
    range.setEnd(text, at + 1);
    return range.getBoundingClientRect().left;
  };
  return [left(0), left(text.length - 1)];
}"""


@pytest.fixture
def started(page: Page, web_address: str, shared_records: Records) -> list[str]:
    """Four tasks: two run, at 10 and at 90 %, one waits for its time, and one was cancelled."""
    page.route("**/yours", lambda route: route.fulfill(body=ELEMENT, content_type="text/html"))
    page.set_viewport_size(PHONE)
    page.request.get(web_address)  # its cookie makes the owner
    body = {"name": "long_task", "countdown": 3600}
    ids = [
        str(page.request.post(f"{web_address}/tasks", data=body).json()["task_id"])
        for _ in range(4)
    ]
    for task_id in ids[1:]:
        claim(shared_records, task_id)
    write(shared_records, ids[1], 100)
    write(shared_records, ids[2], 900)
    write(shared_records, ids[3], 500, Phase.CANCELLED)
    return ids


def part(page: Page, items: str, phase: str, name: str) -> Locator:
    card = page.locator(f"{items} [data-phase={phase}]").first
    return card.locator(f"[data-part={name}]")


@LISTS
def test_from_right_to_left_numbers_keep_their_order_and_texts_their_side(
    page: Page, web_address: str, started: list[str], path: str, items: str
):
    page.goto(f"{web_address}{path}")
    page.evaluate("document.documentElement.dir = 'rtl'")
    numbers = part(page, items, "running", "numbers")
    expect(numbers).to_have_text(re.compile(r"^\d+\s/\s1\s000 · .* elapsed$"))

    texts = [numbers, part(page, items, "running", "figure")]
    texts.append(part(page, items, "cancelled", "headline"))
    for text in texts:
        first, last = text.evaluate(ENDS)
        assert first < last, text.text_content()
    title, sign = (part(page, items, "running", name) for name in ("title", "sign"))
    box, sign_box = title.locator("a").bounding_box(), sign.bounding_box()
    assert box
    assert sign_box
    assert 0 <= sign_box["x"] - (box["x"] + box["width"]) < 20
    assert overlaps(page) == []
    expect_fits(page, PHONE["width"])


@LISTS
def test_in_forced_colours_a_bar_shows_how_far_it_is(
    page: Page, web_address: str, started: list[str], path: str, items: str
):
    page.emulate_media(forced_colors="active", reduced_motion="reduce")
    page.goto(f"{web_address}{path}")
    bars = page.locator(f"{items} [data-phase=running] progress")
    expect(bars).to_have_count(2)
    wait_for(lambda: sorted(bars.evaluate_all("all => all.map((one) => one.value)")) == [10, 90])

    shown = []
    bars.first.evaluate("(bar) => bar.replaceWith(bar.cloneNode())")  # which nobody draws again
    for value in (10, 90):
        bars.first.evaluate("(bar, value) => { bar.value = value; }", value)
        shown.append(bars.first.screenshot())
    assert shown[0] != shown[1]


@LISTS
def test_the_first_screen_of_a_phone_has_three_tasks(
    page: Page, web_address: str, started: list[str], path: str, items: str
):
    page.goto(f"{web_address}{path}")
    expect(page.locator(f"{items} [data-version]")).to_have_count(4)

    boxes = [item.bounding_box() for item in page.locator(items).all()]
    ends = [box["y"] + box["height"] for box in boxes if box]
    assert all(one < other for one, other in pairwise(ends))
    assert ends[2] <= PHONE["height"]


def test_a_phone_has_a_scheduled_tasks_buttons_in_one_line(
    page: Page, web_address: str, started: list[str]
):
    page.goto(f"{web_address}/yours")
    card = page.locator("headway-list [data-phase=scheduled]")
    buttons = card.get_by_role("button").filter(visible=True)
    expect(buttons).to_have_text(["Run now", "Change", "Cancel", "Details"])

    boxes = [button.bounding_box() for button in buttons.all()]
    middles = [box["y"] + box["height"] / 2 for box in boxes if box]
    assert max(middles) - min(middles) < 4
