"""A person sees what has the focus and which boxes are ticked, in forced colours too."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from headway.store.records import Records
from tests.by_hand import claim
from tests.page import open_live, start_for_later

MAX_TABS = 60
# The names of what has the focus, and of that what does not show it; null where nothing has it.
FOCUSED = """() => {
  let one = document.activeElement;
  while (one.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;
  if (one === document.body) return null;
  const { outlineStyle, boxShadow } = getComputedStyle(one);
  const name = one.ariaLabel ?? one.labels?.[0]?.innerText ?? one.innerText;
  const shadows = boxShadow.replaceAll(/rgba\\(0, 0, 0, 0\\)[^,]*/g, "");
  const isOwn = !one.matches(":focus-visible"); // in a field, whose ring is the browser's
  return [`${one.localName} ${name}`, isOwn || outlineStyle !== "none" || shadows.includes("rgb")];
}"""


@pytest.mark.parametrize("colours", ["none", "active"])
def test_the_focus_is_seen_wherever_it_is(
    page: Page, web_address: str, shared_records: Records, colours: str
):
    page.emulate_media(forced_colors=colours, reduced_motion="reduce")  # type: ignore[arg-type]  # one of two
    open_live(page, web_address)
    task_id = start_for_later(page, web_address)
    claim(shared_records, task_id)
    page.reload()
    expect(page.get_by_role("button", name="Cancel: Long task")).to_be_visible()
    for path in ("/", "/start/send_mailing", f"/tasks/{task_id}"):
        page.goto(web_address + path)
        reached = []
        for _ in range(MAX_TABS):
            page.keyboard.press("Tab")
            if (found := page.evaluate(FOCUSED)) is None:
                break
            reached.append(found)

        assert len(reached) > 10
        assert [name for name, is_seen in reached if not is_seen] == [], path


def test_a_box_in_forced_colours_shows_that_it_is_ticked(
    page: Page, web_address: str, shared_records: Records
):
    page.emulate_media(forced_colors="active", reduced_motion="reduce")
    open_live(page, web_address)
    start_for_later(page, web_address)
    box = page.get_by_label("Choose Long task")
    expect(box).to_be_visible()
    page.locator("#tasks-heading").click()  # no pointer is over it
    before = box.screenshot()

    box.set_checked(True)
    page.locator("#tasks-heading").click()

    expect(page.get_by_text("1 chosen")).to_be_visible()
    assert box.screenshot() != before
