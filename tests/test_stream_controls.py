"""A person follows a stream, stops and downloads: by mouse, by keyboard, without a script."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from headway.store.records import Records
from tests.page import start_by_hand
from tests.processes import wait_for
from tests.test_card_streams import IS_AT_END, Writer, card_of, output
from tests.test_keyboard import press, tab_to


@pytest.fixture
def run(page: Page, web_address: str, shared_records: Records) -> Writer:
    page.goto(web_address)
    task_id = start_by_hand(page, web_address, shared_records)
    writer = Writer(shared_records, task_id)
    writer.write("".join(f"line {number}\n" for number in range(300)))
    return writer


def toggle(page: Page, follow: Locator, way: str) -> None:
    if way == "keyboard":
        press(page, follow, "Space")
    else:
        follow.click()


@pytest.mark.parametrize("way", ["mouse", "keyboard"])
@pytest.mark.parametrize("place", ["page", "list", "element"])
def test_a_person_stops_following_and_follows_again(
    page: Page, web_address: str, run: Writer, way: str, place: str
):
    if place == "page":
        page.goto(f"{web_address}/tasks/{run.task_id}")
        whole = page.locator("#stream-answer")
        expect(page.locator('[data-part="connection"]')).to_have_attribute("data-state", "live")
    else:
        whole = card_of(page, web_address, run.task_id, place)
    box, follow = output(whole), whole.get_by_label("Follow")
    expect(box).to_contain_text("line 299")
    wait_for(lambda: box.evaluate(IS_AT_END))

    toggle(page, follow, way)
    expect(follow).not_to_be_checked()
    before = box.evaluate("box => box.scrollTop")
    run.write("more\n" * 20)
    expect(box).to_contain_text("more")
    assert box.evaluate("box => box.scrollTop") == before

    toggle(page, follow, way)
    expect(follow).to_be_checked()
    wait_for(lambda: box.evaluate(IS_AT_END))
    if way == "keyboard":  # the box itself scrolls by keys, which stops following
        tab_to(page, box)
        page.keyboard.press("Home")
        expect(follow).not_to_be_checked()
        page.keyboard.press("End")
        expect(follow).to_be_checked()


@pytest.mark.parametrize("way", ["mouse", "keyboard"])
def test_the_whole_is_downloaded(page: Page, web_address: str, run: Writer, way: str):
    page.goto(f"{web_address}/tasks/{run.task_id}")
    link = page.locator("#stream-answer").get_by_role("link", name="Download", exact=True)

    with page.expect_download() as begun:
        if way == "keyboard":
            press(page, link)
        else:
            link.click()

    text = begun.value.path().read_text()
    assert text == "".join(f"line {number}\n" for number in range(300))
    assert begun.value.suggested_filename == f"{run.task_id}.answer.txt"


def test_without_a_script_the_page_shows_and_gives_out_the_text_so_far(
    page: Page, browser: Browser, web_address: str, run: Writer
):
    run.write("\x1b[31mred\x1b[0m", "colours")
    run.write("# Title\n\n- **item**", "answer.md", format="markdown")
    state = page.context.storage_state()
    with browser.new_context(java_script_enabled=False, storage_state=state) as context:
        plain = context.new_page()
        plain.goto(web_address)
        plain.get_by_role("link", name="Long task", exact=True).click()

        expect(plain.locator("#stream-answer pre")).to_contain_text("line 299")
        expect(plain.get_by_label("Follow").filter(visible=True)).to_have_count(0)
        red = plain.locator("#stream-colours span").filter(has_text="red").last
        expect(red).to_have_css("color", "rgb(185, 28, 28)")
        markdown = plain.get_by_role("log", name="answer.md")
        expect(markdown.get_by_role("heading", name="Title")).to_be_visible()
        expect(markdown.get_by_role("listitem")).to_have_text("item")
        with plain.expect_download() as begun:
            plain.locator("#stream-answer").get_by_role("link", name="Download", exact=True).click()
        assert begun.value.path().read_text().endswith("line 299\n")
        run.write("after a reload", "colours")
        plain.reload()
        expect(plain.locator("#stream-colours pre")).to_contain_text("after a reload")
