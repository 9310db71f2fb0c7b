"""What has ended, in a list: how it ended, and as much of a long title or error as has room."""

from __future__ import annotations

from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, expect

from headway.snapshot import Phase
from headway.store.model import StateWrite
from headway.store.records import Records
from tests.by_hand import HERE, claim
from tests.overlaps import expect_apart
from tests.page import expect_fits, expect_uncut, start_by_hand
from tests.test_list_element import PAGE

LINE = 24  # px of a line of a row, and a little over what is the highest
WORDS = (
    "The row of the third warehouse has no price in the column of June, nor in that of July. " * 3
)
# Waits for the drawings that are due, and allows no others: they would undo what a test changes.
DRAW_NO_MORE = """() => {
  const frame = requestAnimationFrame;
  window.requestAnimationFrame = () => 0;
  return new Promise(frame);
}"""
FILE = "an-export-of-all-that-was-sold-" * 6 + ".csv"


def failed(page: Page, address: str, records: Records) -> None:
    """Leave a task of the page's visitor with a long title that has failed with a long message."""
    first = start_by_hand(page, address, records)
    owner = str(records.client.hget(records.keys.record(first), "owner"))
    task_id = str(uuid4())
    message = {"task": "long_task", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
    records.starts.create(
        owner=owner,
        message=message,  # type: ignore[arg-type]
        title=f"Import {FILE}",
        max_attempts=4,
        task_id=task_id,
    )
    claim(records, task_id)
    error = {"error": {"type": "ValueError", "message": WORDS}}
    end = StateWrite(task_id, HERE, Phase.FAILED, error, "{}", "long_task", 4)  # type: ignore[arg-type]
    assert records.runs.write(end) == "written"


def row_of(page: Page, address: str, place: str) -> Locator:
    """Open a page whose list has the failed task; return its card."""
    if place == "element":
        page.route("**/yours", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
    page.request.get(address)  # a failure has a row of its own once it has been seen
    page.goto(f"{address}/yours" if place == "element" else address)
    row = page.locator("headway-task, task-progress").filter(has_text=FILE)
    expect(row).to_have_attribute("data-phase", "failed")
    return row


def part(row: Locator, name: str) -> Locator:
    return row.locator(f"[data-part={name}]")


@pytest.fixture(params=["element", "application"])
def row(
    request: pytest.FixtureRequest, page: Page, web_address: str, shared_records: Records
) -> Locator:
    """The row of a failed task, in a list in another page and in the application's own."""
    page.request.get(web_address)
    failed(page, web_address, shared_records)
    return row_of(page, web_address, request.param)


def test_a_long_title_or_error_leaves_room_for_how_the_task_ended(page: Page, row: Locator):
    for width in (768, 1000, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        shown = part(row, "headline").evaluate("one => [one.clientWidth, one.scrollWidth]")
        assert shown[0] >= shown[1] > 30, f"{width} px: {shown}"
        assert row.evaluate("one => one.clientHeight") < 2 * LINE
        assert part(row, "text").bounding_box()["width"] > 100  # type: ignore[index]
    expect_apart(page)


def test_the_numbers_of_a_row_give_way_before_its_words(page: Page, row: Locator):
    page.set_viewport_size({"width": 1000, "height": 800})
    page.evaluate(DRAW_NO_MORE)

    for name, words in (
        ("text", "53 sent, 7 left out"),
        ("numbers", "1:50 from request to end " * 2),
    ):
        part(row, name).evaluate("(one, words) => one.textContent = words", words)

    expect_uncut(part(row, "text"))
    expect_apart(page)


def test_a_link_of_a_row_gives_way_after_its_words(page: Page, row: Locator):
    part(row, "link").evaluate(
        "one => Object.assign(one, {hidden: false, href: '#', textContent: 'Continued as another'})"
    )
    part(row, "headline").evaluate("one => one.textContent = 'Failed after 12 attempts'")

    page.set_viewport_size({"width": 1000, "height": 800})
    expect_uncut(part(row, "link"))
    expect_apart(page)


def test_on_a_phone_a_row_has_a_few_lines_and_its_title_the_width(page: Page, row: Locator):
    page.set_viewport_size({"width": 320, "height": 800})

    expect_fits(page, 320)
    widths = [one.bounding_box()["width"] for one in (part(row, "title"), row)]  # type: ignore[index]
    assert widths[0] > 0.75 * widths[1] - 28  # beside the sign and the check box
    assert (
        row.evaluate("one => one.clientHeight") < 8 * LINE
    )  # 2 of title, time, headline, 3 of text
    expect(part(row, "headline")).to_have_text("Failed")
    boxes = [one.bounding_box() or {} for one in (part(row, "text"), row)]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"] + boxes[1]["width"]  # not clipped
    assert 2 * LINE < boxes[0]["height"] < 3 * LINE  # 3 lines of 21 px


def test_the_keyboard_goes_through_an_open_row_as_the_eye_does(page: Page, row: Locator):
    page.set_viewport_size({"width": 320, "height": 800})
    part(row, "more").click()
    expect(part(row, "details")).to_be_visible()

    places = row.locator("button:visible, [data-part=details]").evaluate_all("""(all) => all
      .map((one) => one.getBoundingClientRect())
      .map(({top, bottom, left}) => [Math.round((top + bottom) / 2), left])""")

    assert len(places) > 2
    assert places == sorted(places)
