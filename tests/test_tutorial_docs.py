"""docs/tutorial.md, as its reader follows it: with a worker and a site of its own, in Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.documents import Followed, block
from tests.processes import Valkey

DOCUMENT = "docs/tutorial.md"
SOON_MS = 60_000  # a run that is lost is missed after some seconds


@pytest.fixture(scope="module")
def reader(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Followed:
    return Followed(DOCUMENT, tmp_path_factory.mktemp("tutorial"), valkey)


@pytest.fixture(scope="module")
def address(reader: Followed) -> Iterator[str]:
    with ExitStack() as stack:
        yield reader.run(stack, "digest")


@pytest.fixture
def site(address: str, browser: Browser) -> Iterator[Page]:
    with browser.new_context() as context:
        opened = context.new_page()
        opened.goto(address)
        yield opened


def card(site: Page) -> Locator:
    return site.locator("headway-task")


def test_it_writes_goes_on_and_asks(site: Page, reader: Followed, address: str):
    text = card(site).get_by_role("log", name="digest")
    expect(text.get_by_role("heading", name="Letters of today")).to_be_visible(timeout=SOON_MS)
    expect(text.get_by_role("listitem").first).to_have_text("letter 1 is read.")
    expect(text.locator("strong").first).to_have_text("read")
    expect(text).to_contain_text("letter 3 is")

    reader.say(block(DOCUMENT, "pkill"))

    expect(card(site)).to_contain_text(re.compile(r"[Gg]oes on at \d+ %"), timeout=SOON_MS)
    question = card(site).get_by_role("group", name="Send it?")
    expect(question.get_by_role("button")).to_have_text(["Send", "Keep"], timeout=SOON_MS)
    task_page = str(card(site).get_attribute("src")).replace("/status/", "/tasks/")
    late = site.context.new_page()
    late.goto(f"{address}{task_page}")
    letters = late.locator("#stream-digest").get_by_role("listitem")
    expect(letters).to_have_text([f"letter {number} is read." for number in range(1, 13)])

    question.get_by_role("button", name="Send").click()

    expect(card(site)).to_have_attribute("data-phase", "succeeded", timeout=SOON_MS)
    expect(late.locator("#stream-digest")).to_contain_text("Sent.")
    expect(letters).to_have_count(12)
    expect(late.locator("#stream-digest").get_by_role("heading", name="Letters")).to_have_count(1)
