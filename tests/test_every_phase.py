"""The page with a task in every phase, light or dark, on a desk or a phone: axe finds nothing."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from headway.snapshot import Phase
from headway.store.records import Records
from tests.by_hand import as_left, ask
from tests.page import (
    act,
    cards,
    chip,
    expect_fits,
    expect_nothing_of_axe,
    open_live,
    start_for_later,
)

WIDTHS = (1280, 320)
SCHEMES = ("light", "dark")
ERROR = {
    "type": "ConnectionError",
    "message": "connection refused <img src=x onerror=alert(1)>",
}
UNKNOWN = {"type": "OutcomeUnknown", "message": "no answer after the final dot"}


def populate(page: Page, address: str, records: Records) -> None:
    """Give the page's visitor a task in every phase, as workers would have left them.

    There is no worker: one would have these tasks run again.
    """

    def task(*writes: tuple[Phase, dict[str, Any]]) -> str:
        task_id = start_for_later(page, address)
        if writes:
            as_left(records, task_id, *writes)
        return task_id

    some = (Phase.RUNNING, {"current": 37, "total": 100, "status": "Booting silent orbiter..."})
    task()
    task(some)
    task((Phase.RUNNING, {"current": 12, "total": None, "status": "Counting"}))
    task(some, (Phase.RETRYING, {"error": ERROR, "current": 0, "total": 1, "status": ""}))
    task(some, (Phase.SUCCEEDED, {"result": 42, "status": "Task completed!"}))
    task(some, (Phase.SUCCEEDED, {"result": {"reply": "250 OK"}, "status": ""}))
    task(some, (Phase.FAILED, {"error": ERROR, "status": ERROR["message"]}))
    task(some, (Phase.FAILED, {"error": UNKNOWN, "status": ""}))
    task(some, (Phase.CANCELLED, {"status": "revoked"}))
    task(some, (Phase.CANCELLING, {}))
    task((Phase.QUEUED, {"status": "Worker lost, trying again"}))
    ask(records, task(some))


@pytest.mark.parametrize("state", ["empty", "every phase", "offline"])
def test_the_page_is_accessible_in_every_dress(
    page: Page,
    context: BrowserContext,
    web_address: str,
    shared_records: Records,
    state: str,
):
    page.on("dialog", lambda dialog: pytest.fail("a task's text ran as a script"))
    open_live(page, web_address)
    if state != "empty":
        populate(page, web_address, shared_records)
        expect(cards(page)).to_have_count(12)
        expect(cards(page, "scheduled")).to_have_count(1)
        for phase in Phase:
            expect(cards(page, phase).first).to_be_visible()
        expect(cards(page, "queued")).to_contain_text("Queued Worker lost, trying again")
        act(cards(page, "scheduled"), "Change")
    if state == "offline":
        context.set_offline(True)
        expect(chip(page)).to_contain_text("Offline")

    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        expect_fits(page, width)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of two
            expect_nothing_of_axe(page, f"{width} {scheme}")
