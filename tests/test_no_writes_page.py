"""The web process at a Redis that takes no writes: what is known is shown, and nothing that is
not.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import Visitor
from tests.no_writes import WAYS, full
from tests.page import LIVE, cards, chip, open_live
from tests.processes import Valkey, wait_for, web_for

REASONS = {
    "full": "redis_full",
    "read-only": "redis_read_only",
    "without replicas": "redis_read_only",
    "unsaved": "redis_cannot_save",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("spoilt"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def address(server: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with web_for(server, tmp_path_factory.mktemp("web")) as address:
        yield address


def counted(page: Page, name: str) -> Locator:
    """The filter of this name, with how many tasks it shows."""
    return page.get_by_role("navigation", name="Show").get_by_role("link", name=name)


def test_the_page_says_what_is_wrong_and_shows_what_it_knows(
    browser: Browser, address: str, server: Valkey
):
    page = browser.new_page()
    open_live(page, address)
    expect(counted(page, "All")).to_have_text("All 0")
    page.get_by_role("button", name="Start long task").click()
    expect(cards(page, "queued")).to_have_count(1)  # its request is answered

    with full(server):
        expect(chip(page)).to_have_text("▲ Redis is full")
        page.get_by_role("button", name="Start long task").click()
        expect(
            page.get_by_role("alert").filter(has_text="Redis is full, so nothing was started")
        ).to_be_visible()
        page.reload()
        expect(counted(page, "All")).to_have_text("All 1")
        expect(chip(page)).to_have_text("▲ Redis is full")
    expect(chip(page)).to_have_text(LIVE)
    page.close()


def test_the_page_does_not_say_that_there_is_nothing_when_it_cannot_know(
    browser: Browser, address: str, server: Valkey
):
    page = browser.new_page()
    open_live(page, address)
    server.freeze()
    try:
        page.reload()
        empty = page.locator("[data-part=empty]")
        expect(empty).to_contain_text("Tasks cannot be shown just now: Redis does not answer.")
        for name in ("All", "Running", "Failed", "Done"):
            expect(counted(page, name)).to_have_text(f"{name} –")
    finally:
        server.thaw()

    expect(empty).to_contain_text("Nothing yet.")
    expect(counted(page, "All")).to_have_text("All 0")
    page.close()


@pytest.mark.parametrize("way", WAYS)
def test_each_door_says_why(address: str, server: Valkey, way: str):
    visitor = Visitor(address).connect()
    task_id = visitor.start()
    as_json = {"Accept": "application/json"}
    with WAYS[way](server):
        ready = requests.get(f"{address}/readyz", timeout=10)
        refused = visitor.http.post(f"{address}/longtask", headers=as_json, timeout=10)
        listed = visitor.http.get(f"{address}/tasks", timeout=10)
        page = visitor.http.get(address, timeout=10).text
        mine = visitor.call("watch_mine", {})
        wait_for(lambda: visitor.servers[-1]["problem"])

        assert (ready.status_code, ready.json()["error"]["code"]) == (503, REASONS[way])
        assert ready.headers["Retry-After"]
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
        assert refused.headers["Retry-After"]
        assert [task["task_id"] for task in listed.json()["tasks"]] == [task_id]
        assert visitor.status(task_id)["phase"] == "queued"
        assert task_id in page
        assert [task["task_id"] for task in mine["snapshots"]] == [task_id]
        assert visitor.servers[-1]["problem"]["code"] == REASONS[way]
        assert visitor.servers[-1]["live"]
        said = refused.json()["error"]["message"]
        assert said.startswith(visitor.servers[-1]["problem"]["message"])

    wait_for(lambda: requests.get(f"{address}/readyz", timeout=10).status_code == 200)
    wait_for(lambda: visitor.servers[-1]["problem"] is None)
