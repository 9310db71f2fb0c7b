"""A task's own page: who sees what of it, and what it shows in a browser."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from headway.questions import Asked
from headway.snapshot import Phase
from headway.store.model import StateWrite
from headway.store.records import Records
from headway.tokens import token
from tests.browser import Visitor
from tests.by_hand import HERE, hand_task, save_text, write
from tests.page import expect_fits, expect_nothing_of_axe
from tests.processes import wait_for

SECRET = "a secret for the tests"
UNKNOWN = "7f3a1c52-9b1e-4c7d-8a55-0d2f6f1b9e01"
HTML = {"Accept": "text/html"}


@pytest.fixture
def visitor(web_address: str) -> Visitor:
    return Visitor(web_address)


@pytest.fixture
def context(browser: Browser, visitor: Visitor) -> Iterator[BrowserContext]:
    """A browser that is the visitor's."""
    context = browser.new_context(reduced_motion="reduce")  # axe finds no colour on its way
    context.add_cookies(
        [
            {"name": cookie.name, "value": cookie.value or "", "url": visitor.address}
            for cookie in visitor.http.cookies
        ]
    )
    yield context
    context.close()


def say(records: Records, task_id: str, *texts: str, level: str = "INFO") -> None:
    lines = [(level, text) for text in texts]
    assert records.output.log(task_id, HERE, lines)


def give_out(records: Records, task_id: str, name: str) -> None:
    noted, _ = records.files.note(task_id, HERE, name, 1500, "text/csv", "0" * 32)
    assert noted == "written"


def fail(records: Records, task_id: str) -> None:
    fields = {"error": {"type": "ValueError", "message": "no such column"}}
    meta = '{"status": "FAILURE", "result": {}, "traceback": "Traceback: line 7 in import_rows"}'
    write = StateWrite(task_id, HERE, Phase.FAILED, fields, meta, "long_task", 4)
    assert records.runs.write(write) == "written"


def shown(visitor: Visitor, path: str, **options: Any) -> requests.Response:
    return visitor.http.get(f"{visitor.address}{path}", headers=HTML, timeout=10, **options)


def test_the_owner_sees_the_whole(visitor: Visitor, shared_records: Records):
    task_id = hand_task(shared_records, visitor)
    say(shared_records, task_id, "reading <rows>")
    for current in (100, 200):
        shared_records.client.hset(shared_records.keys.record(task_id), "point_due", "0")
        write(shared_records, task_id, current)
    fail(shared_records, task_id)

    answer = shown(visitor, f"/tasks/{task_id}")

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    for words in (
        "Requested by you",
        "Scheduled</strong> for <time",
        "Attempt 1 started on test",
        "ValueError: no such column",
    ):
        assert words in answer.text
    assert "line 7 in import_rows" in answer.text
    assert "reading &lt;rows&gt;" in answer.text
    assert 'data-part="progress" d="M0 200L' in answer.text  # the plot, before any script


def test_its_timeline_is_in_the_pages_language(visitor: Visitor, shared_records: Records):
    task_id = hand_task(shared_records, visitor)
    fields = {"status": "12 imported, 3 rejected", "current": 15, "total": 15}
    done = StateWrite(task_id, HERE, Phase.SUCCEEDED, fields, "{}", "long_task", 4)
    assert shared_records.runs.write(done) == "written"

    page = shown(visitor, f"/tasks/{task_id}?lang=zh-Hans").text
    timeline = page[page.index('id="timeline"') :]

    assert "导入 12 条, 拒绝 3 条" in timeline
    assert "imported" not in timeline


def test_a_client_that_asks_for_json_gets_the_snapshot(visitor: Visitor, shared_records: Records):
    task_id = hand_task(shared_records, visitor)

    answer = visitor.http.get(
        f"{visitor.address}/tasks/{task_id}", headers={"Accept": "application/json"}, timeout=10
    )

    assert answer.json()["task_id"] == task_id
    assert answer.json()["phase"] == "running"


def test_a_task_that_is_not_yours_is_as_unknown_as_any(visitor: Visitor, shared_records: Records):
    task_id = hand_task(shared_records, visitor)
    stranger = Visitor(visitor.address)

    foreign = shown(stranger, f"/tasks/{task_id}")
    unknown = shown(stranger, f"/tasks/{UNKNOWN}")
    malformed = shown(stranger, "/tasks/..x")
    log = shown(stranger, f"/tasks/{task_id}/log.txt")
    act = stranger.http.post(
        f"{stranger.address}/tasks/{task_id}", data={"action": "cancel"}, headers=HTML, timeout=10
    )

    answers = [foreign, unknown, malformed, log, act]
    assert {answer.status_code for answer in answers} == {404}
    pages = {re.sub(r'nonce="[^"]*"', "", answer.text) for answer in answers}
    assert len(pages) == 1


def test_a_token_opens_the_page_but_neither_arguments_nor_traceback(
    visitor: Visitor, shared_records: Records
):
    task_id = hand_task(shared_records, visitor)
    fail(shared_records, task_id)
    link = f"/tasks/{task_id}?token={token(task_id, secret_key=SECRET)}"

    answer = shown(Visitor(visitor.address), link)

    assert answer.status_code == 200
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "ValueError: no such column" in answer.text
    assert "line 7" not in answer.text
    assert "Requested by" not in answer.text
    assert " actions" not in answer.text


def test_the_actions_are_plain_forms(visitor: Visitor, shared_records: Records):
    task_id = hand_task(shared_records, visitor)
    address = f"{visitor.address}/tasks/{task_id}"

    cancelled = visitor.http.post(address, data={"action": "cancel"}, headers=HTML, timeout=10)
    fail(shared_records, task_id)
    late = visitor.http.post(address, data={"action": "cancel"}, headers=HTML, timeout=10)
    form = {"action": "again", "idempotency_key": task_id}
    twice = [visitor.http.post(address, data=form, headers=HTML, timeout=10) for _ in range(2)]
    foreign = visitor.http.post(
        address, data=form, headers={"Sec-Fetch-Site": "cross-site"}, timeout=10
    )

    assert "Asked to stop" in cancelled.text
    assert (late.status_code, late.url) == (200, address)
    assert twice[0].url == twice[1].url != address
    assert foreign.status_code == 403


def test_it_is_live_and_each_line_of_the_log_is_there_once(
    page: Page, visitor: Visitor, shared_records: Records
):
    task_id = hand_task(shared_records, visitor)
    say(shared_records, task_id, "one", "two")
    page.goto(f"{visitor.address}/tasks/{task_id}")
    lines = page.locator("[role=log] .words")
    expect(lines).to_have_text(["one", "two"])
    expect(page.locator("headway-task")).to_have_attribute("data-phase", "running")

    say(shared_records, task_id, "three", level="WARNING")
    write(shared_records, task_id, 420)
    expect(page).to_have_title(re.compile(r"\(42"))
    expect(lines).to_have_text(["one", "two", "three"])
    give_out(shared_records, task_id, "report.csv")
    expect(page.locator("#files a")).to_have_text(["report.csv"])
    page.context.set_offline(True)
    say(shared_records, task_id, "four", "five")
    give_out(shared_records, task_id, "missed.csv")
    page.context.set_offline(False)
    expect(lines).to_have_text(["one", "two", "three", "four", "five"])
    expect(page.locator("#files a")).to_have_text(["report.csv", "missed.csv"])
    fail(shared_records, task_id)

    expect(page.locator("#timeline")).to_contain_text("no such column")
    expect(page.get_by_role("region", name="Traceback")).to_contain_text("line 7")
    expect(page).to_have_title(re.compile("Failed"))


@pytest.mark.parametrize("how", ["refused", "lost"])
def test_an_end_that_could_not_be_read_is_read_again(
    page: Page, visitor: Visitor, shared_records: Records, how: str
):
    task_id = hand_task(shared_records, visitor)
    address = f"{visitor.address}/tasks/{task_id}"
    page.goto(address)
    expect(page.locator("headway-task")).to_have_attribute("data-phase", "running")

    def fail_to_answer(route: Route) -> None:
        route.fulfill(status=503) if how == "refused" else route.abort()

    page.route(address, fail_to_answer, times=2)
    fail(shared_records, task_id)

    expect(page.locator("#timeline")).to_contain_text("no such column")


def test_a_traceback_is_copied(page: Page, visitor: Visitor, shared_records: Records):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    task_id = hand_task(shared_records, visitor)
    fail(shared_records, task_id)
    address = f"{visitor.address}/tasks/{task_id}"
    asked: list[Route] = []  # for the page, and then for its sections again

    def answer(route: Route) -> None:
        asked.append(route)
        if len(asked) == 1:
            route.continue_()

    page.route(address, answer)
    page.goto(address)
    copy = page.get_by_role("button", name="Copy: Traceback of attempt")

    copy.click()

    expect(copy).to_have_text("Copied")
    wait_for(lambda: page.wait_for_timeout(20) or len(asked) == 2)
    with page.expect_response(address) as renewed:
        asked[1].continue_()
    renewed.value.finished()
    page.evaluate("() => new Promise(requestAnimationFrame)")
    expect(copy).to_have_text("Copied")
    assert "line 7" in page.evaluate("navigator.clipboard.readText()")


def test_a_failed_task_goes_on_by_its_card(page: Page, visitor: Visitor, shared_records: Records):
    task_id = hand_task(shared_records, visitor)
    saved = save_text(1)
    half = {"current": 37, "total": 100}
    run = StateWrite(task_id, HERE, Phase.RUNNING, half, "{}", "long_task", 4, saved=saved)
    assert shared_records.runs.write(run) == "written"
    fail(shared_records, task_id)
    page.goto(f"{visitor.address}/tasks/{task_id}")

    expect(page.get_by_role("button", name="Start over")).to_be_visible()
    page.get_by_role("button", name="Go on at 37 %").press("Enter")

    link = page.get_by_role("link", name="a new task")
    expect(link).to_be_visible()
    new = str(link.get_attribute("href")).rpartition("/")[2]
    assert shared_records.client.hget(shared_records.keys.record(new), "saved") == saved
    continued = page.get_by_role("link", name="Continued as another task →")
    expect(continued.filter(visible=True)).to_have_count(1)
    expect(continued).to_have_attribute("href", re.compile(new))
    page.reload()
    expect(page.locator("headway-task")).to_have_attribute("data-phase", "failed")
    continued.click()
    expect(page).to_have_url(re.compile(f"/tasks/{new}$"))


def test_a_wrong_answer_stays_with_its_reason_while_the_page_is_renewed(
    page: Page, visitor: Visitor, shared_records: Records
):
    task_id = hand_task(shared_records, visitor)
    message, _ = shared_records.outbox.message(task_id) or ({}, "")
    question = Asked("q", "q", "How many rows?", None, {"type": "integer"}, 3600.0)
    assert shared_records.runs.ask(task_id, HERE, question, message) == "waiting"
    page.goto(f"{visitor.address}/tasks/{task_id}")

    page.get_by_label("Your answer").fill("many")
    with page.expect_response(
        lambda response: (
            response.request.resource_type == "fetch"
            and response.url.partition("#")[0] == f"{visitor.address}/tasks/{task_id}"
            and response.request.frame.page.url.endswith("#question")
        )
    ):
        page.get_by_label("Your answer").press("Enter")
    expect(page.get_by_text("Must be a whole number.")).to_be_visible()
    expect(page.get_by_label("Your answer")).to_have_value("many")
    page.get_by_label("Your answer").fill("7")
    page.get_by_label("Your answer").press("Enter")

    expect(page.locator("#timeline")).to_contain_text("Answered “7” by you")
    expect(page.get_by_label("Your answer")).to_have_count(0)


def test_a_link_that_is_withdrawn_says_so_on_the_open_page(
    browser: Browser, visitor: Visitor, shared_records: Records
):
    task_id = hand_task(shared_records, visitor)
    say(shared_records, task_id, "reading rows")
    path = f"{visitor.address}/tasks/{task_id}"
    made = visitor.http.post(path, data={"action": "share"}, headers=HTML, timeout=10)
    link = re.search(r'readonly value="([^"]*)"', made.text)
    assert link is not None
    with browser.new_context() as stranger:
        page = stranger.new_page()
        page.goto(html.unescape(link[1]))
        expect(page.locator("[data-part=connection]")).to_have_text(re.compile("Live"))
        expect(page.get_by_text("reading rows").filter(visible=True).first).to_be_visible()

        visitor.http.post(path, data={"action": "unshare"}, headers=HTML, timeout=10)

        expect(page.get_by_text("This link has been withdrawn.")).to_be_visible()
        expect(page.locator("headway-task-page")).to_have_count(0)


NOTES = """
window.notes = [];
window.Notification = class {
  static permission = "default";
  static requestPermission = async () => (window.Notification.permission = "granted");
  constructor(title, options) { window.notes.push([title, options.body]); }
};
"""


LIST = """<!doctype html><title>Yours</title><link rel="icon" href="data:,">
<headway-list src="/tasks" tab></headway-list><script src="/assets/headway.js"></script>"""


@pytest.mark.parametrize("place", ["task", "list", "element"])
def test_a_page_out_of_view_tells_of_the_end(
    page: Page, visitor: Visitor, shared_records: Records, place: str
):
    task_id = hand_task(shared_records, visitor)
    page.add_init_script(NOTES)
    page.route("**/yours", lambda route: route.fulfill(body=LIST, content_type="text/html"))
    page.goto(
        visitor.address + {"task": f"/tasks/{task_id}", "list": "", "element": "/yours"}[place]
    )
    icon = page.locator("link[rel=icon]")
    expect(icon).to_have_attribute("href", re.compile(r"^data:image/svg\+xml,.*dasharray"))

    page.get_by_label("Notify me while this page is out of view").check()
    page.evaluate("Object.defineProperty(document, 'hidden', { value: true })")
    fail(shared_records, task_id)

    wait_for(lambda: page.evaluate("notes"))
    assert page.evaluate("notes") == [["✕ Long task", "Failed no such column"]]
    expect(icon).not_to_have_attribute("href", re.compile("dasharray"))
    expect(page).to_have_title(re.compile("Failed" if place == "task" else r"\(✕ 1 failed\)"))


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
def test_it_is_accessible_and_fits_a_phone(
    page: Page, visitor: Visitor, shared_records: Records, scheme: Any, width: int
):
    task_id = hand_task(shared_records, visitor)
    say(shared_records, task_id, "a line " * 20, "x" * 200)
    give_out(shared_records, task_id, "report " * 20 + "x" * 50)
    fail(shared_records, task_id)
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})

    page.goto(f"{visitor.address}/tasks/{task_id}")
    expect(page.locator("headway-task")).to_have_attribute("data-phase", "failed")

    expect_nothing_of_axe(page)
    expect_fits(page, width)


def test_it_works_without_javascript(browser: Browser, visitor: Visitor, shared_records: Records):
    hand_task(shared_records, visitor)
    context = browser.new_context(java_script_enabled=False)
    context.add_cookies(
        [
            {"name": cookie.name, "value": cookie.value or "", "url": visitor.address}
            for cookie in visitor.http.cookies
        ]
    )
    page = context.new_page()
    page.goto(visitor.address)

    page.get_by_role("link", name="Long task", exact=True).click()
    page.get_by_role("button", name="Cancel").click()

    expect(page.locator("#timeline")).to_contain_text("Asked to stop")
    context.close()


def test_the_application_frames_it_and_opens_one_socket(
    page: Page, visitor: Visitor, shared_records: Records
):
    task_id = hand_task(shared_records, visitor)
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))

    page.goto(f"{visitor.address}/tasks/{task_id}")
    expect(page.locator("[data-part=connection]")).to_have_text(re.compile("Live"))

    expect(page.get_by_role("link", name="Tasks", exact=True)).to_be_visible()
    assert len(sockets) == 1
