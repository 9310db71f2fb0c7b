"""What a task's own page shows first of a long text, and how wide what is on it is."""

from __future__ import annotations

import json
from dataclasses import replace

from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Locator, Page, expect

from headway.snapshot import Phase
from headway.state import KEY, state_of
from headway.store.model import StateWrite
from headway.store.records import Records
from tests.browser import Visitor
from tests.by_hand import HERE, claimed_by, hand_task, write
from tests.processes import wait_for
from tests.test_task_page import HTML, context, fail, say, visitor

__all__ = ["context", "visitor"]  # fixtures

TRACEBACK = "".join(
    f'  File "/usr/lib/python3/site-packages/library/part{number}.py", line {number}, in call\n'
    f"    return self.call({number})\n"
    for number in range(60)
)
IS_END_SHOWN = """box => { const range = document.createRange(); range.selectNodeContents(box);
  const lines = [...range.getClientRects()]; const { top, bottom } = box.getBoundingClientRect();
  return lines.at(-1).top > top && lines.at(-1).bottom <= bottom; }"""
IS_LINE_SHOWN = """(box, id) => { const line = document.getElementById(id).getBoundingClientRect();
  const { top, bottom } = box.getBoundingClientRect();
  return line.top >= top && line.bottom <= bottom; }"""


def pass_a_millisecond(records: Records) -> None:
    before = records.clock.now() // 1000
    wait_for(lambda: records.clock.now() // 1000 > before)


def open_task(page: Page, visitor: Visitor, task_id: str, phase: str) -> None:
    page.goto(f"{visitor.address}/tasks/{task_id}")
    expect(page.locator("headway-task")).to_have_attribute("data-phase", phase)


def width(part: Locator) -> float:
    box = part.bounding_box()
    assert box is not None
    return box["width"]


def test_a_traceback_and_a_log_begin_at_their_ends(
    page: Page, visitor: Visitor, shared_records: Records
):
    task_id = hand_task(shared_records, visitor)
    say(shared_records, task_id, *(f"line {number} " + "word " * 40 for number in range(300)))
    error = {"error": {"type": "ValueError", "message": "no such column"}}
    text = f"Traceback (most recent call last):\n{TRACEBACK}ValueError: no such column"
    meta = json.dumps({"status": "FAILURE", "result": {}, "traceback": text})
    end = StateWrite(task_id, HERE, Phase.FAILED, error, meta, "long_task", 4)  # type: ignore[arg-type]
    assert shared_records.runs.write(end) == "written"

    open_task(page, visitor, task_id, "failed")

    traceback = page.get_by_role("region", name="Traceback of attempt 1")
    wait_for(lambda: traceback.evaluate(IS_END_SHOWN))
    assert traceback.evaluate("box => box.scrollHeight > box.clientHeight + 100")  # all can be seen
    log = page.get_by_role("log", name="Log")
    wait_for(lambda: log.evaluate(IS_END_SHOWN))
    expect(page.locator("#log").get_by_label("Follow")).to_be_checked()
    headings = page.get_by_role("heading", level=2).all_text_contents()
    assert headings[:3] == ["Traceback", "Timeline", "Log"]  # why it failed comes first
    page.goto("about:blank")
    page.goto(f"{visitor.address}/tasks/{task_id}#L200")
    wait_for(lambda: log.evaluate(IS_LINE_SHOWN, "L200"))


def test_who_has_come_for_a_line_stays_there_while_the_task_logs(
    page: Page, visitor: Visitor, shared_records: Records
):
    task_id = hand_task(shared_records, visitor)
    say(shared_records, task_id, *(f"line {number} " + "word " * 40 for number in range(300)))
    open_task(page, visitor, task_id, "running")
    log = page.get_by_role("log", name="Log")
    wait_for(lambda: log.evaluate(IS_END_SHOWN))
    follow = page.locator("#log").get_by_label("Follow")

    page.goto(f"{visitor.address}/tasks/{task_id}#L200")  # the same page: only the line changes
    expect(follow).not_to_be_checked()
    say(shared_records, task_id, "one more")

    expect(page.locator("#log li").filter(has_text="one more")).to_be_attached()
    assert log.evaluate(IS_LINE_SHOWN, "L200")
    page.reload()
    expect(page.locator("headway-task[data-version]")).to_be_visible()
    wait_for(lambda: log.evaluate(IS_LINE_SHOWN, "L200"))
    say(shared_records, task_id, "and one")
    expect(page.locator("#log li").filter(has_text="and one")).to_be_attached()
    assert log.evaluate(IS_LINE_SHOWN, "L200")
    follow.check()
    say(shared_records, task_id, "the last")
    wait_for(lambda: log.evaluate(IS_END_SHOWN))


def test_who_scrolls_up_in_the_log_stays_there_until_the_end_is_wanted_again(
    page: Page, visitor: Visitor, shared_records: Records
):
    task_id = hand_task(shared_records, visitor)
    say(shared_records, task_id, *(f"line {number}" for number in range(100)))
    open_task(page, visitor, task_id, "running")
    log = page.get_by_role("log", name="Log")
    follow = page.locator("#log").get_by_label("Follow")
    wait_for(lambda: log.evaluate(IS_END_SHOWN))

    log.hover()
    page.mouse.wheel(0, -300)
    expect(follow).not_to_be_checked()
    wait_for(lambda: not log.evaluate(IS_END_SHOWN))
    say(shared_records, task_id, "one more")
    expect(page.locator("#log li").filter(has_text="one more")).to_be_attached()
    assert not log.evaluate(IS_END_SHOWN)
    follow.check()

    wait_for(lambda: log.evaluate(IS_END_SHOWN))
    say(shared_records, task_id, "the last")
    expect(page.locator("#log li").filter(has_text="the last")).to_be_in_viewport()


def test_a_page_of_a_project_that_sends_no_web_push_has_no_switch_for_it(
    app: Flask, client: FlaskClient, records: Records
):
    task_id = claimed_by(client, records)
    switch = 'data-part="push"'
    address = f"/tasks/{task_id}"
    assert switch in client.get(address, headers=HTML).text

    app.extensions[KEY] = replace(state_of(app), push_key=None)

    assert switch not in client.get(address, headers=HTML).text


def test_a_link_has_the_width_of_the_page_and_is_copied(
    page: Page, visitor: Visitor, shared_records: Records
):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    task_id = hand_task(shared_records, visitor)
    open_task(page, visitor, task_id, "running")

    page.get_by_role("button", name="Make a link").click()

    link = page.get_by_label("Link, until")
    assert width(link) == width(page.locator("#read-it"))
    copy = page.get_by_role("button", name="Copy: Link")
    copy.click()
    expect(copy).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == link.input_value()


def test_no_text_runs_under_its_button(page: Page, visitor: Visitor, shared_records: Records):
    task_id = hand_task(shared_records, visitor)
    open_task(page, visitor, task_id, "running")

    page.get_by_role("button", name="Make a link").click()
    expect(page.locator("#read-it .copied")).to_have_count(3)
    expect(page.get_by_role("button", name="Copy: Link")).to_be_visible()

    for box in page.locator("#read-it .copied").all():
        button = width(box.get_by_role("button"))
        padding = box.locator(".text").evaluate(
            "one => parseFloat(getComputedStyle(one).paddingRight)"
        )
        assert padding > button


def test_a_curve_is_as_wide_as_its_page_and_there_where_progress_is_reported(
    page: Page, visitor: Visitor, shared_records: Records
):
    silent = hand_task(shared_records, visitor)
    shared_records.client.hset(shared_records.keys.record(silent), "point_due", "0")
    write(shared_records, silent, 0)
    fail(shared_records, silent)
    open_task(page, visitor, silent, "failed")
    expect(page.get_by_role("heading", name="Progress over time")).to_be_hidden()

    reporting = hand_task(shared_records, visitor)
    for current in (100, 200):
        shared_records.client.hset(shared_records.keys.record(reporting), "point_due", "0")
        write(shared_records, reporting, current)
        pass_a_millisecond(shared_records)  # points of one moment make no curve
    fail(shared_records, reporting)
    open_task(page, visitor, reporting, "failed")
    expect(page.get_by_role("heading", name="Progress over time")).to_be_visible()
    assert width(page.locator("#plot figure")) == width(page.locator("#plot"))
    assert page.locator("#plot .y span").all_inner_texts() == [f"{n}\u202f%" for n in (100, 50, 0)]
    assert page.locator("#plot .x span").first.inner_text() == "0"
