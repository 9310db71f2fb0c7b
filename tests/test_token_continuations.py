"""A task that went on as another one, to who has a token for it alone: no link leads nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from playwright.sync_api import Page, expect

from headway import token
from headway.snapshot import Phase
from headway.store.model import StateWrite
from headway.store.records import Records
from tests.browser import Visitor
from tests.by_hand import HERE, hand_task
from tests.test_checkpoints import SAVE

SECRET = "a secret for the tests"
CONTINUED = "Continued as another task →"
PAGE = """<!doctype html><html lang="en"><title>Theirs</title>
<headway-task src="/status/{task_id}" token="{opening}" actions></headway-task>
<script src="/assets/headway.js"></script></html>"""


class Continued(NamedTuple):
    """A task that failed, the one in which it goes on, and their owner."""

    task_id: str
    next_id: str
    owner: str


@pytest.fixture
def continued(web_address: str, shared_records: Records) -> Iterator[Continued]:
    visitor = Visitor(web_address)
    task_id = hand_task(shared_records, visitor)
    run = StateWrite(
        task_id, HERE, Phase.RUNNING, {"current": 37}, "{}", "long_task", 4, saved=SAVE
    )
    assert shared_records.runs.write(run) == "written"
    end = StateWrite(task_id, HERE, Phase.FAILED, {"current": 40}, "{}", "long_task", 4)
    assert shared_records.runs.write(end) == "written"
    again = visitor.http.post(f"{web_address}/tasks/{task_id}/retry", json={"resume": True})
    owner = str(shared_records.client.hget(shared_records.keys.record(task_id), "owner"))
    yield Continued(task_id, again.json()["task_id"], owner)
    visitor.http.close()


def open_card(page: Page, web_address: str, task_id: str, opening: str) -> None:
    content = PAGE.format(task_id=task_id, opening=opening)
    page.route("**/theirs", lambda route: route.fulfill(body=content, content_type="text/html"))
    page.goto(f"{web_address}/theirs")
    expect(page.locator("headway-task")).to_have_attribute("data-phase", "failed")


def test_a_token_for_one_task_leads_to_no_other_on_its_card(
    page: Page, web_address: str, continued: Continued
):
    opening = token(continued.task_id, read_only=False, secret_key=SECRET)
    with page.expect_response(f"**/status?task_id={continued.next_id}") as asked:
        open_card(page, web_address, continued.task_id, opening)
    assert asked.value.json()["missing"] == [continued.next_id]
    asked.value.finished()
    card = page.locator("headway-task")
    expect(card.locator("[part=link]")).to_be_hidden()

    card.get_by_role("button", name="Start over").click()

    expect(card.get_by_text("Started again, as a new task.")).to_be_visible()
    expect(card.get_by_role("link", name="a new task")).to_have_count(0)


@pytest.mark.parametrize("named", [True, False], ids=["both tasks", "the owner"])
def test_a_token_that_opens_it_leads_to_it(
    page: Page, web_address: str, continued: Continued, named: bool
):
    both = [continued.task_id, continued.next_id]
    opening = (
        token(both, secret_key=SECRET) if named else token(owner=continued.owner, secret_key=SECRET)
    )
    open_card(page, web_address, continued.task_id, opening)

    page.locator("headway-task").get_by_role("link", name=CONTINUED).click()

    expect(page).to_have_url(f"{web_address}/tasks/{continued.next_id}")
    expect(page.get_by_role("heading", name="Long task")).to_be_visible()


@pytest.mark.parametrize("opens_both", [True, False])
@pytest.mark.parametrize("is_next", [True, False], ids=["the next", "the former"])
def test_neither_does_the_page_of_its_task_as_the_server_renders_it(
    page: Page, web_address: str, continued: Continued, is_next: bool, opens_both: bool
):
    both = [continued.next_id, continued.task_id]
    shown, other = both if is_next else reversed(both)
    opening = token(both if opens_both else shown, secret_key=SECRET)
    address = f"{web_address}/tasks/{shown}?token={opening}"

    text = page.request.get(address, headers={"Accept": "text/html"}).text()

    assert (f"/tasks/{other}" in text) is opens_both
