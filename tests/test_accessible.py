"""Every page, light or dark, on a desk or a phone, at 200 %: axe finds nothing, nothing is cut."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Page, expect

from app import create_app
from headway.questions import Asked
from headway.snapshot import Phase
from headway.store.model import StateWrite
from headway.store.records import Records
from tests.by_hand import HERE, start_part
from tests.overlaps import WIDTHS, overlaps
from tests.page import cards, chip, expect_accessible, expect_uncut, open_live, start_by_hand
from tests.processes import Valkey

LONG = "a long name " * 12 + "x" * 90
TRACEBACK = "Traceback (most recent call last):\n" + "  File deep/in/the/shop.py, line 7\n" * 20
ROWS = [{"product": f"Lamp {n}", "in stock": n, "where": LONG} for n in range(40)]


class Pages:
    """A visitor's page, and how it comes to show each thing that there is."""

    def __init__(self, page: Page, address: str, records: Records) -> None:
        self.page = page
        self.address = address
        self.records = records

    def start(self) -> str:
        return start_by_hand(self.page, self.address, self.records)

    def end(self, task_id: str, phase: Phase, meta: dict[str, Any], **fields: Any) -> None:
        write = StateWrite(task_id, HERE, phase, fields, json.dumps(meta), "long_task", 4)  # type: ignore[arg-type]
        assert self.records.runs.write(write) == "written"

    def open(self, task_id: str, phase: str) -> None:
        self.page.goto(f"{self.address}/tasks/{task_id}")
        expect(self.page.locator("headway-task")).to_have_attribute("data-phase", phase)

    def choosing(self) -> None:
        self.end(self.start(), Phase.SUCCEEDED, {"status": "SUCCESS"}, result=LONG)
        self.start()
        open_live(self.page, self.address)
        expect(cards(self.page, "running")).to_have_count(1)
        self.page.get_by_label("All on this page").check()
        expect(self.page.get_by_text("2 chosen")).to_be_visible()

    def running(self) -> None:
        task_id = self.start()
        output = self.records.output
        for current in (100, 200, 300):
            self.records.client.hset(self.records.keys.record(task_id), "point_due", "0")
            self.end(task_id, Phase.RUNNING, {}, current=current, total=1000, status=LONG)
        output.log(task_id, HERE, [("INFO", LONG), ("WARNING", "slow"), ("ERROR", "\x1b[31mred")])
        output.write_stream(
            task_id, HERE, "answer", 0, b"\x1b[32mgreen", closes=False, max_bytes=1000
        )
        self.records.files.note(task_id, HERE, LONG[:200], 1500, "text/csv", "0" * 32)
        self.open(task_id, "running")
        expect(self.page.locator("#plot")).to_be_visible()

    def failed(self) -> None:
        task_id = self.start()
        error = {"type": "ValueError", "message": LONG}
        meta = {"status": "FAILURE", "result": {}, "traceback": TRACEBACK}
        self.end(task_id, Phase.FAILED, meta, error=error)
        self.open(task_id, "failed")

    def asking(self, choices: list[Any] | None = None) -> None:
        task_id = self.start()
        schema: Any = (
            None if choices else {"type": "object", "properties": {"n": {"type": "integer"}}}
        )
        message, _ = self.records.outbox.message(task_id) or ({}, "")
        question = Asked("q", "q", LONG, choices, schema, 3600.0)
        assert self.records.runs.ask(task_id, HERE, question, message) == "waiting"
        self.open(task_id, "waiting")

    def choices(self) -> None:
        self.asking(["Yes", LONG])

    def table(self) -> None:
        task_id = self.start()
        self.end(task_id, Phase.SUCCEEDED, {"status": "SUCCESS", "result": ROWS}, result=ROWS)
        self.open(task_id, "succeeded")
        expect(self.page.locator("#outcome table")).to_be_visible()

    def with_parts(self) -> str:
        """Open a task with a part that runs, one that failed, and one with a part of its own."""
        parent = self.start()
        for phase in (Phase.RUNNING, Phase.FAILED, Phase.SUCCEEDED):
            part = start_part(self.records, parent, LONG)
            error = {"error": {"type": "OSError", "message": LONG}}
            self.end(part, phase, {}, **(error if phase == Phase.FAILED else {}))
        start_part(self.records, part, "A part of a part")
        self.open(parent, "running")
        expect(self.page.locator("#parts")).to_contain_text("A part of a part")
        return parent

    def parts(self) -> None:
        parent = self.with_parts()
        self.page.goto(f"{self.address}/tasks/{parent}/parts")
        expect(self.page.get_by_role("heading", name="Parts of Long task")).to_be_visible()

    def several(self) -> None:
        task_id = self.start()
        self.end(task_id, Phase.SUCCEEDED, {"status": "SUCCESS"}, result=None)
        self.page.goto(f"{self.address}/healthz")  # so that the form is of this site
        self.page.set_content(
            f"""<form method=post action="{self.address}/tasks/batch"><button name=action
            value=forget>Go</button><input name=task_id value={task_id}></form>"""
        )
        self.page.get_by_role("button", name="Go").click()
        expect(self.page.get_by_role("heading", name="Forget 1 task?")).to_be_visible()

    def form(self) -> None:
        self.page.goto(f"{self.address}/start/send_async_email")
        self.page.get_by_role("button", name="Start").click()
        expect(self.page.get_by_text("Nothing was started")).to_be_visible()

    def inbox(self) -> None:
        self.page.goto(f"{self.address}/inbox")

    def starts(self) -> None:
        self.page.goto(f"{self.address}/start")

    def tasks(self) -> None:
        """Show the library's own list, of what a token opens."""
        task_id = self.start()
        self.end(task_id, Phase.FAILED, {}, error={"type": "ValueError", "message": LONG})
        shared = self.page.request.post(f"{self.address}/tasks/{task_id}/share").json()
        self.page.goto(f"{self.address}/tasks?token={shared['token']}")
        drawn_by_its_script = self.page.locator("headway-list [part=item]")
        expect(drawn_by_its_script).to_contain_text("a long name")

    def nowhere(self) -> None:
        self.page.goto(f"{self.address}/tasks/nowhere")


@pytest.fixture
def pages(page: Page, web_address: str, shared_records: Records) -> Pages:
    page.request.get(web_address)  # its cookie makes the owner
    return Pages(page, web_address, shared_records)


# Each page that the application has, by its endpoint, and how it comes to be shown.
SHOWN: dict[str, list[Callable[[Pages], object]]] = {
    "pages.index": [Pages.choosing],
    "headway_pages.show": [
        Pages.running,
        Pages.failed,
        Pages.asking,
        Pages.choices,
        Pages.table,
        Pages.with_parts,
        Pages.nowhere,
    ],
    "headway_list.show": [Pages.tasks],
    "headway_parts.listing": [Pages.parts],
    "headway_bulk.change": [Pages.several],
    "headway_start.index": [Pages.starts],
    "headway_start.show": [Pages.form],
    "inbox.index": [Pages.inbox],
    # These two are drawn by an app of their own, below.
    "inbox.show": [],
    "headway_schedules.index": [],
}
# What answers a browser with JSON, text or a file.
NO_PAGES = {
    "static",
    "headway.status",
    "headway.batch_status",
    "headway.result",
    "headway.log",
    "headway_streams.stream",
    "headway_files.listing",
    "headway_files.file",
    "headway_results.result_csv",
    "headway_ops.healthz",
    "headway_ops.readyz",
    "headway_assets.file",
    "headway_assets.words",
    "headway_pages.log_text",
    "headway_tus.show",
    "headway_push.worker",
    "headway_push.about",
    "headway_openapi.show",
    "inbox.index_json",
}


@pytest.mark.parametrize("show", [show for shows in SHOWN.values() for show in shows])
def test_a_page_is_accessible_in_every_dress(pages: Pages, show: Callable[[Pages], object]):
    show(pages)

    expect_accessible(pages.page)


def own_app(valkey: Valkey, folder: Path) -> Flask:
    """Return an app in this process, whose visitor is an operator."""
    app = create_app({"REDIS_URL": valkey.url, "DATA_DIR": str(folder), "SECRET_KEY": "s" * 40})
    app.config["HEADWAY_VISIBLE"] = lambda: True
    return app


def test_each_page_of_the_application_is_looked_at(valkey: Valkey, tmp_path: Path):
    app = own_app(valkey, tmp_path)
    rules = [rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())]

    assert {rule.endpoint for rule in rules} == (set(SHOWN) - {"headway_bulk.change"}) | NO_PAGES
    for rule in rules:
        if rule.endpoint in NO_PAGES and not rule.arguments:
            answer = app.test_client().get(
                rule.rule, headers={"Accept": "text/html"}, buffered=True
            )
            assert answer.mimetype != "text/html" or answer.status_code >= 300, rule.rule


def test_a_message_of_the_inbox_is_accessible(pages: Pages, valkey: Valkey, tmp_path: Path):
    folder = tmp_path / "inbox" / "new"
    folder.mkdir(parents=True)
    name = "1700000000.M1P7Q1.host"
    (folder / name).write_text(f"To: ada@example.com\nSubject: {LONG}\n\n{LONG}\n")
    app = own_app(valkey, tmp_path)
    html = app.test_client().get(f"/inbox/{name}", headers={"Accept": "text/html"}).text
    pages.page.route(
        "**/inbox/message", lambda route: route.fulfill(body=html, content_type="text/html")
    )

    pages.page.goto(f"{pages.address}/inbox/message")

    expect(pages.page.get_by_role("heading", name="a long name").first).to_be_visible()
    expect(pages.page.locator("main time")).not_to_contain_text("UTC")  # the reader's own clock
    expect_accessible(pages.page)


def test_the_buttons_of_a_row_lie_over_nothing(pages: Pages):
    # the texts of the second end in a link, which stands where the row's end is
    shown: list[tuple[Phase, dict[str, Any]]] = [
        (Phase.FAILED, {"error": {"type": "ValueError", "message": LONG}}),
        (Phase.SUCCEEDED, {"status": LONG, "result": ROWS}),
        (Phase.CANCELLED, {}),
    ]
    for phase, fields in shown:
        task_id = pages.start()
        pages.records.files.note(task_id, HERE, "a file.csv", 1500, "text/csv", "0" * 32)
        meta = {"status": "SUCCESS", "result": ROWS} if phase == Phase.SUCCEEDED else {}
        pages.end(task_id, phase, meta, **fields)
    open_live(pages.page, pages.address)
    expect(cards(pages.page)).to_have_count(3)
    expect(pages.page.get_by_role("link", name="Show the table")).to_be_visible()

    for card in cards(pages.page).all():
        for width in WIDTHS:
            pages.page.set_viewport_size({"width": width, "height": 800})
            card.hover()
            assert overlaps(pages.page) == []


def test_the_schedules_are_accessible(pages: Pages, valkey: Valkey, tmp_path: Path):
    app = own_app(valkey, tmp_path)
    now = int(time.time() * 1e6)
    for name in ("long_task", "unknown"):
        pages.records.schedules.see(name, title=LONG, rule="0 3 * * *", now=now, following=now)
    html = app.test_client().get("/schedules", headers={"Accept": "text/html"}).text
    pages.page.route(
        "**/schedules", lambda route: route.fulfill(body=html, content_type="text/html")
    )

    pages.page.goto(f"{pages.address}/schedules")

    expect(pages.page.get_by_role("button", name="Run")).to_have_count(2)
    expect_accessible(pages.page)


def test_a_page_whose_tasks_cannot_be_read_is_accessible(pages: Pages, valkey: Valkey):
    valkey.freeze()
    try:
        pages.page.goto(pages.address)
        expect(pages.page.get_by_text("Tasks cannot be shown just now").first).to_be_visible()
        expect_accessible(pages.page)
    finally:
        valkey.thaw()
    expect(chip(pages.page)).to_contain_text("Live")


def test_a_phones_first_screen_shows_three_tasks(pages: Pages):
    for _ in range(3):
        pages.start()
    pages.page.set_viewport_size({"width": 375, "height": 667})
    open_live(pages.page, pages.address)
    expect(cards(pages.page, "running")).to_have_count(3)

    expect(cards(pages.page).nth(2)).to_be_in_viewport(ratio=1)


def test_a_phone_cuts_no_word_of_the_connection_or_of_what_became_of_a_task(pages: Pages):
    for phase in (Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED):
        error = {"error": {"type": "ValueError", "message": "Row 1,205 has no price"}}
        fields = error if phase == Phase.FAILED else {}
        pages.end(pages.start(), phase, {}, **fields, **({"result": LONG} if not fields else {}))
    pages.page.set_viewport_size({"width": 320, "height": 800})
    open_live(pages.page, pages.address)
    expect(cards(pages.page)).to_have_count(3)

    for part in ("headline", "title"):
        for each in pages.page.locator(f"[data-part={part}]").all():
            expect_uncut(each)
    expect_uncut(chip(pages.page))
    pages.page.context.set_offline(True)
    expect(chip(pages.page)).to_contain_text("Offline, showing")
    expect_uncut(chip(pages.page))


def test_the_list_is_there_before_any_script(pages: Pages):
    pages.start()
    pages.page.route("**/*.js*", lambda route: route.abort())
    pages.page.route("**/assets/**", lambda route: route.abort())

    pages.page.goto(pages.address)

    card = cards(pages.page).first
    expect(card).to_be_visible()
    expect(card).to_contain_text("Long task")
    expect(card.locator("progress")).to_be_visible()
