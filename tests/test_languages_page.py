"""Chinese in a browser, and a page from right to left."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from headway.snapshot import Phase
from headway.store.model import StateWrite
from headway.store.records import Records
from tests.by_hand import HERE
from tests.page import cards, chip, expect_nothing_of_axe, start_by_hand

ENGLISH_WORD = re.compile(r"[A-Za-z]{3,}")
OF_NO_LANGUAGE = re.compile(r"Headway|Long task|JavaScript")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="zh-CN")
    yield context.new_page()
    context.close()


def write(records: Records, task_id: str, phase: Phase, **fields: object) -> None:
    meta = json.dumps({"status": "SUCCESS", "result": 7})
    report = StateWrite(task_id, HERE, phase, fields, meta, "long_task", 4)  # type: ignore[arg-type]
    assert records.runs.write(report) == "written"


def test_a_task_runs_to_its_end_in_chinese(page: Page, web_address: str, shared_records: Records):
    page.goto(web_address)
    expect(chip(page)).to_have_text(re.compile("实时"), timeout=10_000)

    task_id = start_by_hand(page, web_address, shared_records)
    write(shared_records, task_id, Phase.RUNNING, current=37, total=100)
    card = cards(page, "running")
    expect(card).to_contain_text("已用")
    expect(card.get_by_role("button", name="取消")).to_be_visible()
    write(shared_records, task_id, Phase.SUCCEEDED, result=7)
    ended = page.locator(f'task-progress[task-id="{task_id}"]')
    expect(ended).to_contain_text("已完成，用时")
    expect(ended).to_contain_text("结果：7")

    page.reload()  # what the server draws
    expect(ended).to_contain_text("已完成，用时")
    page.get_by_label("收件地址").fill("nobody")
    page.get_by_label("收件地址").fill("")
    page.get_by_role("button", name="发送", exact=True).click()
    expect(page.locator("#email-message")).to_have_text("请输入电子邮件地址。")
    english = OF_NO_LANGUAGE.sub("", page.locator("main").inner_text())
    assert not ENGLISH_WORD.search(english), english

    page.goto(f"{web_address}/tasks/{task_id}")
    expect(page.locator("headway-task")).to_contain_text("已完成")
    expect(page.get_by_role("heading", name="时间线")).to_be_visible()
    expect_nothing_of_axe(page)

    page.goto(web_address)
    page.get_by_role("link", name="English").click()
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    page.goto(web_address)
    expect(page.locator("html")).to_have_attribute("lang", "en")  # it is remembered


def test_the_headings_of_a_table_are_in_the_pages_language(
    page: Page, web_address: str, shared_records: Records
):
    page.goto(web_address)
    task_id = start_by_hand(page, web_address, shared_records)
    rows = [{"email": "ada@example.com", "outcome": "email"}]
    meta = json.dumps({"status": "SUCCESS", "result": rows})
    report = StateWrite(task_id, HERE, Phase.SUCCEEDED, {"result": rows}, meta, "long_task", 4)
    assert shared_records.runs.write(report) == "written"

    page.goto(f"{web_address}/tasks/{task_id}")

    headings = page.locator("#outcome").get_by_role("columnheader")
    expect(headings).to_have_text(["邮箱", "结果"])
    expect(page.locator("#outcome td")).to_have_text(["ada@example.com", "email"])
    headings.get_by_role("link").first.click()  # it is sorted by its own name
    expect(headings.nth(0)).to_have_attribute("aria-sort", "ascending")


def test_a_card_speaks_the_language_of_its_page(
    page: Page, web_address: str, shared_records: Records
):
    page.goto(web_address)
    task_id = start_by_hand(page, web_address, shared_records)
    text = (
        f'<html lang="zh-CN"><script src="{web_address}/assets/headway.js" defer></script>'
        f'<headway-task src="{web_address}/status/{task_id}" actions></headway-task>'
    )
    page.route(f"{web_address}/page", lambda it: it.fulfill(body=text, content_type="text/html"))

    page.goto(f"{web_address}/page")

    card = page.locator("headway-task")
    expect(card).to_contain_text("运行中")
    expect(card.get_by_role("button", name="取消")).to_be_visible()


def test_from_right_to_left_nothing_is_cut_and_axe_finds_nothing(
    page: Page, web_address: str, shared_records: Records
):
    page.goto(web_address)
    task_id = start_by_hand(page, web_address, shared_records)
    for address in (web_address, f"{web_address}/tasks/{task_id}", f"{web_address}/start"):
        page.goto(address)
        page.evaluate("document.documentElement.dir = 'rtl'")
        page.evaluate("document.querySelector('.headway-task-page')?.removeAttribute('dir')")
        for width in (320, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            expect_nothing_of_axe(page, address)
        # The heading stands at the right edge, where reading begins.
        heading = page.get_by_role("heading").last.bounding_box()
        assert heading
        assert heading["x"] + heading["width"] > 1280 / 2


def test_an_error_of_headways_own_is_in_chinese_in_the_timeline_too(
    page: Page, web_address: str, shared_records: Records
):
    page.goto(web_address)
    task_id = start_by_hand(page, web_address, shared_records)
    message = "Its worker died and no attempts remain."
    error = {"type": "WorkerLost", "message": message}
    write(shared_records, task_id, Phase.FAILED, error=error)

    page.goto(f"{web_address}/tasks/{task_id}")

    expect(page.locator("#timeline")).to_contain_text("WorkerLost: 执行它的工作进程已终止")
