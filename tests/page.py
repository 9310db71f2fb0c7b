"""The page in a browser: what a test looks at, clicks and starts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import Locator, Page, expect

from headway.store.records import Records
from tests.by_hand import claim
from tests.overlaps import expect_apart
from tests.processes import wait_for

T = TypeVar("T")

LIVE = re.compile("Live")
# Notes what each card draws from now on.
HISTORY = """() => {
  window.history_ = [];
  const note = (element) => window.history_.push({
    id: element.getAttribute("task-id"), version: Number(element.dataset.version),
    phase: element.dataset.phase, value: element.querySelector("progress").value });
  new MutationObserver((records) => records.forEach((record) => note(record.target)))
    .observe(document.body, { subtree: true, attributes: true, attributeFilter: ["data-version"] });
}"""
WIDTHS = (1280, 320)
ZOOMED = 640  # what 1280 px are at 200 %


def chip(page: Page) -> Locator:
    return page.locator("#connection")


def cards(page: Page, phase: str = "") -> Locator:
    return page.locator(
        f'task-progress[data-phase="{phase}"]' if phase else "task-progress[task-id]"
    )


def card_of(page: Page, task_id: str) -> Locator:
    return page.locator(f'task-progress[task-id="{task_id}"]')


def is_in(card: Locator, phase: str) -> None:
    expect(card).to_have_attribute("data-phase", phase)


def act(card: Locator, words: str) -> None:
    """Point at a card and click its button of these words; its name goes on with the task's."""
    card.hover()
    card.get_by_role("button", name=f"{words}: ").click()


def open_live(page: Page, address: str) -> None:
    page.goto(address)
    expect(chip(page)).to_have_text(LIVE)


def hear(page: Page, what: Callable[[], T], message: str = "") -> T:
    """Wait for what a browser tells beside what it draws; return it.

    It is heard while the page is asked for something.
    """
    return wait_for(lambda: (page.title(), what())[1], message=message)


def expect_fits(page: Page, width: int) -> None:
    """Wait until nothing is wider than the page: it is drawn again after its size has changed."""

    def found() -> int:
        return int(page.evaluate("document.documentElement.scrollWidth"))

    wait_for(lambda: found() <= width, message=f"wider than {width} px")


def expect_uncut(part: Locator) -> None:
    """Wait until a part of the page shows all of its words."""
    cut = """one => one.scrollWidth > one.clientWidth + 1
      && getComputedStyle(one).overflowX !== 'visible'"""
    wait_for(lambda: not part.evaluate(cut), message=f"cut: {part.text_content()}")


def expect_nothing_of_axe(page: Page, where: str = "") -> None:
    """Fail on what axe finds in a page as it is now.

    A document is given axe once: it is half a megabyte.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = AxeResults(page.evaluate("axe.run({ resultTypes: ['violations'] })"))
    assert not found.response["violations"], f"{where}\n{found.generate_report()}"


def expect_accessible(page: Page) -> None:
    """Fail on what axe finds, and where something is wider than the page or over another."""
    page.emulate_media(reduced_motion="reduce")  # colours change at once
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        expect_fits(page, width)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of two
            expect_nothing_of_axe(page, f"{width} {scheme}")
    expect_apart(page)
    page.set_viewport_size({"width": ZOOMED, "height": 400})
    expect_fits(page, ZOOMED)
    page.set_viewport_size({"width": WIDTHS[0], "height": 800})
    page.evaluate("document.documentElement.style.fontSize = '200%'")  # the text alone
    expect_fits(page, WIDTHS[0])


def start_long_task(page: Page) -> None:
    page.get_by_role("button", name="Start long task").click()


def start(
    page: Page, address: str, name: str = "long_task", countdown: float = 0, **args: str
) -> str:
    """Start a task of the page's visitor beside the page."""
    body = {"name": name, "args": args, "countdown": countdown}
    response = page.request.post(f"{address}/tasks", data=body)
    assert response.status == 202, response.text()
    return str(response.json()["task_id"])


def start_for_later(page: Page, address: str, name: str = "long_task", **args: str) -> str:
    return start(page, address, name, 3600, **args)


def start_by_hand(page: Page, address: str, records: Records) -> str:
    """Start a task of the page's visitor, as a worker that claims it; returns its id.

    Where there is no worker: one would take it for lost.
    """
    task_id = start_for_later(page, address)
    claim(records, task_id)
    return task_id
