"""The page in a browser, for tests with a web process and no worker: they play the worker by
hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from playwright.sync_api import Locator, Page, expect

from headway.store.records import Records
from tests.by_hand import claim
from tests.processes import wait_for

T = TypeVar("T")

LIVE = re.compile("Live")


def chip(page: Page) -> Locator:
    return page.locator("#connection")


def cards(page: Page, phase: str = "") -> Locator:
    return page.locator(
        f'task-progress[data-phase="{phase}"]' if phase else "task-progress[task-id]"
    )


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


def start_by_hand(page: Page, address: str, records: Records) -> str:
    """Start a task of the page's visitor, as a worker that claims it; returns its id."""
    response = page.request.post(f"{address}/tasks", data={"name": "long_task", "countdown": 3600})
    assert response.status == 202, response.text()
    task_id = str(response.json()["task_id"])
    claim(records, task_id)
    return task_id
