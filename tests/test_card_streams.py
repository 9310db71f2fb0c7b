"""The ends of a task's streams on its card: live, late, cut back, in any page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from headway.snapshot import Phase
from headway.store.model import Delivery
from headway.store.records import Records
from tests.by_hand import HERE, write
from tests.page import LIVE, chip, hear, open_live, start_by_hand
from tests.processes import wait_for
from tests.test_list_element import PAGE

ELEMENT = """<!doctype html><title>Yours</title><link rel="icon" href="data:,">
<headway-task src="/status/{task_id}"></headway-task><script src="/assets/headway.js"></script>"""
IS_AT_END = "box => box.scrollTop > 0 && box.scrollHeight - box.scrollTop - box.clientHeight < 2"
MAX_BYTES = 1024 * 1024


class Writer:
    """Writes a stream in the place of a run."""

    def __init__(self, records: Records, task_id: str) -> None:
        self._records = records
        self.task_id = task_id
        self._written: dict[str, int] = {}

    def write(
        self, text: str, name: str = "answer", *, run: Delivery = HERE, format: str = ""
    ) -> None:
        before = self._written.get(name, 0)
        data = text.encode()
        about = {"closes": False, "max_bytes": MAX_BYTES, "format": format}
        write = self._records.output.write_stream
        outcome = write(self.task_id, run, name, before, data, **about)  # type: ignore[arg-type]
        assert outcome == "written"
        self._written[name] = before + len(data)

    def begin_again(self) -> Delivery:
        """Lose the run; return the delivery of the next one, which has claimed the task."""
        message = {"task": "long_task", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
        again = Delivery("again", 0)
        self._records.maintenance.release([(self.task_id, HERE.token)])
        about = {"message": message, "max_attempts": 4, "hostname": "test"}
        claimed = self._records.runs.claim(self.task_id, again, "run 2", **about)  # type: ignore[arg-type]
        assert claimed == "claimed"
        self._written.clear()
        return again


def output(card: Locator, name: str = "answer") -> Locator:
    return card.get_by_role("log", name=name)


def card_of(page: Page, address: str, task_id: str, place: str) -> Locator:
    """Open a page that shows the task's card."""
    if place == "list":
        open_live(page, address)
        return page.locator(f"task-progress[task-id='{task_id}']")
    page.route(
        "**/yours",
        lambda route: route.fulfill(body=ELEMENT.format(task_id=task_id), content_type="text/html"),
    )
    page.goto(f"{address}/yours")
    return page.locator("headway-task")


@pytest.mark.parametrize("place", ["list", "element"])
def test_a_card_shows_the_end_of_what_its_task_writes(
    page: Page, web_address: str, shared_records: Records, place: str
):
    page.goto(web_address)
    expect(chip(page)).to_have_text(LIVE)
    task_id = start_by_hand(page, web_address, shared_records)
    run = Writer(shared_records, task_id)
    card = card_of(page, web_address, task_id, place)
    expect(card).to_have_attribute("data-phase", "running")
    expect(output(card)).to_have_count(0)

    run.write("first <b>line</b>\n")
    expect(output(card)).to_have_text("first <b>line</b>\n", use_inner_text=False)
    run.write("\x1b[31mred\x1b[0m and plain 🙂\n")
    expect(output(card)).to_contain_text("red and plain 🙂")
    expect(output(card).locator("span")).to_have_css("color", "rgb(185, 28, 28)")
    link = card.get_by_role("link", name="answer", exact=True)
    expect(link).to_have_attribute("href", re.compile(f"/tasks/{task_id}#stream-answer$"))

    for number in range(200):
        run.write(f"line {number}\n")
    expect(output(card)).to_contain_text("line 199")
    wait_for(lambda: output(card).evaluate(IS_AT_END))
    assert output(card).bounding_box()["height"] < 150  # type: ignore[index]  # it is shown

    follow = card.get_by_label("Follow")
    output(card).evaluate("box => (box.scrollTop = 0)")
    expect(follow).not_to_be_checked()
    run.write("more\n")
    expect(output(card)).to_contain_text("more")
    assert output(card).evaluate("box => box.scrollTop") == 0
    follow.check()
    wait_for(lambda: output(card).evaluate(IS_AT_END))


@pytest.mark.parametrize("place", ["list", "element"])
def test_who_comes_late_reads_the_end_once_and_what_a_new_attempt_takes_back_goes(
    page: Page, web_address: str, shared_records: Records, place: str
):
    page.goto(web_address)
    page.goto("about:blank")  # where nothing hears of the task and reads it too
    task_id = start_by_hand(page, web_address, shared_records)
    run = Writer(shared_records, task_id)
    run.write("beginning\n" + "ä long line of output\n" * 20_000 + "the end")
    reads: list[str] = []
    page.on("request", lambda request: "/streams/" in request.url and reads.append(request.url))

    card = card_of(page, web_address, task_id, place)

    expect(output(card)).to_contain_text("the end")
    assert len(reads) == 1
    assert len(output(card).text_content() or "") <= 4096
    run.write(", and on")
    expect(output(card)).to_contain_text("the end, and on")

    again = run.begin_again()
    run.write("over", run=again)
    expect(output(card)).to_have_text("over")


def test_a_list_in_a_card_of_a_list_has_its_numbers(
    page: Page, web_address: str, shared_records: Records
):
    page.goto(web_address)
    task_id = start_by_hand(page, web_address, shared_records)
    Writer(shared_records, task_id).write("1. one\n2. two\n", format="markdown")
    page.route("**/yours", lambda route: route.fulfill(body=PAGE, content_type="text/html"))

    page.goto(f"{web_address}/yours")

    lines = page.locator("headway-list").get_by_role("log", name="answer").locator("ol li")
    expect(lines).to_have_text(["one", "two"])
    for line in lines.all():
        expect(line).to_have_css("list-style-type", "decimal")
        expect(line).to_have_css("content-visibility", "visible")  # else what is outside is clipped
        expect(line).to_have_css("border-top-width", "0px")


@pytest.mark.parametrize("place", ["list", "element"])
def test_no_line_above_the_last_ones_of_a_list_is_cut(
    page: Page, web_address: str, shared_records: Records, place: str
):
    page.goto(web_address)
    task_id = start_by_hand(page, web_address, shared_records)
    text = "".join(f"{number}. line\n" for number in range(1, 41))
    Writer(shared_records, task_id).write(text, format="markdown")

    card = card_of(page, web_address, task_id, place)
    expect(output(card).locator("li")).to_have_count(40)
    wait_for(lambda: output(card).evaluate(IS_AT_END))

    cut = """box => { const { top } = box.getBoundingClientRect();
      return [...box.querySelectorAll("li")].map((line) => line.getBoundingClientRect())
        .filter((line) => line.top < top - 1 && line.bottom > top + 1).length; }"""
    assert output(card).evaluate(cut) == 0


def test_a_card_shows_two_streams_and_links_to_the_others(
    page: Page, web_address: str, shared_records: Records
):
    page.goto(web_address)
    task_id = start_by_hand(page, web_address, shared_records)
    run = Writer(shared_records, task_id)
    for name in ("one", "two", "three"):
        run.write(f"of {name}", name)

    card = card_of(page, web_address, task_id, "element")

    expect(output(card, "three")).to_have_text("of three")
    expect(card.get_by_role("log")).to_have_count(2)
    expect(card.get_by_role("link", name="1 more")).to_have_attribute(
        "href", re.compile("#stream-one$")
    )
    write(shared_records, task_id, 1000, Phase.SUCCEEDED)
    expect(card).to_have_attribute("data-phase", "succeeded")
    expect(output(card, "two")).to_have_text("of two")


def test_what_has_ended_is_one_line_of_a_list_and_a_page_of_its_own_shows_it_once(
    page: Page, web_address: str, shared_records: Records
):
    page.goto(web_address)
    task_id = start_by_hand(page, web_address, shared_records)
    Writer(shared_records, task_id).write("text")
    write(shared_records, task_id, 1000, Phase.SUCCEEDED)
    page.goto("about:blank")  # the page that saw it run may be about to read, which is not counted
    reads: list[str] = []
    page.on("request", lambda request: "/streams/" in request.url and reads.append(request.url))

    card = card_of(page, web_address, task_id, "list")
    expect(card).to_have_attribute("data-phase", "succeeded")
    card.get_by_role("link", name="Long task").click()

    expect(page.locator("#stream-answer pre")).to_have_text("text")
    expect(page.get_by_role("log", name="answer").filter(visible=True)).to_have_count(1)
    hear(page, lambda: len(reads) == 1, "the page's own read")


def test_a_card_without_what_draws_streams_says_so_in_the_console(
    page: Page, web_address: str, shared_records: Records
):
    page.goto(web_address)
    task_id = start_by_hand(page, web_address, shared_records)
    Writer(shared_records, task_id).write("text")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.route("**/headway-streams.js", lambda route: route.abort())

    card = card_of(page, web_address, task_id, "element")

    expect(card).to_have_attribute("data-phase", "running")
    hear(page, lambda: any("cannot be shown here" in one for one in said), str(said))
    write(shared_records, task_id, 420)
    expect(card.locator("progress")).to_have_js_property("value", 42)
