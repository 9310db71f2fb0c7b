"""Makes the pictures of docs/running.md from a running system: `make screenshots`."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

from playwright.sync_api import (
    Browser,
    FilePayload,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)

from bench.rows.drawing import chromium
from headway.message_headers import PARENT
from headway.shapes import Changes, TaskMessage
from headway.snapshot import Phase
from headway.store.connection import connect
from headway.store.model import Delivery, StateWrite
from headway.store.records import Records
from tests.browser import Visitor
from tests.processes import ROOT, System

DESK = ViewportSize(width=1000, height=1080)
HERE = Delivery("here", 0)
PHONE = ViewportSize(width=390, height=820)
STILL_MS = 600  # until colours and bars have moved
AWAY_MS = 20_000  # until the page knows that Redis does not answer
TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/imports.py", line 7, in import_rows
    raise ValueError(f"Row {number:,} has no price")
ValueError: Row 1,205 has no price"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        system = System(Path(folder), LONG_TASK_STEPS="24", LONG_TASK_STEP_SECONDS="0.5")
        try:
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            visit(browser, system)
            browser.close()
        finally:
            system.stop()


def visit(browser: Browser, system: System) -> None:
    """Take one visitor through all that is pictured, in the order in which it comes about."""
    page = browser.new_page(viewport=DESK, device_scale_factor=2)
    visitor = Visitor(system.address)
    cookies = [(cookie.name, str(cookie.value)) for cookie in visitor.http.cookies]
    page.context.add_cookies(
        [{"name": name, "value": value, "url": system.address} for name, value in cookies]
    )
    page.goto(system.address)
    expect(page.locator("#connection")).to_have_text(re.compile("Live"))
    picture(page, "page-empty")
    failed = fail_task(system, visitor)
    start_tasks(page)
    picture(page, "page-light")
    page.emulate_media(color_scheme="dark")
    picture(page, "page-dark")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(PHONE)
    picture(page, "page-phone")
    page.set_viewport_size(DESK)
    page.locator('task-progress[data-phase="running"] a').first.click()
    expect(page.locator("#plot")).to_be_visible()
    picture(page, "task-running")
    page.goto(f"{system.address}/tasks/{failed}")
    picture(page, "task-failed")
    page.goto(f"{system.address}/start/long_task")
    picture(page, "page-form")
    start_mailing(page, system)
    picture(page, "task-mailing")
    page.locator("#question").get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#outcome table")).to_be_visible()
    page.reload()
    page.locator("#outcome").scroll_into_view_if_needed()
    picture(page, "task-table")
    page.goto(f"{system.address}/tasks/{with_parts(system, visitor)}")
    picture(page, "task-parts")
    page.goto(system.address)
    expect(page.locator("#connection")).to_have_text(re.compile("Live"))
    system.valkey.freeze()
    try:
        expect(page.get_by_text("these are the tasks as of")).to_be_visible(timeout=AWAY_MS)
        picture(page, "page-away")
    finally:
        system.valkey.thaw()


def start_tasks(page: Page) -> None:
    page.locator("#email").fill("ada@example.com")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator('task-progress[data-phase="succeeded"]')).to_have_count(1)
    page.locator("#email").fill("grace@example.com")
    page.get_by_role("button", name="Send in 1 minute").click()
    for pause in (3500, 2500):
        page.get_by_role("button", name="Start long task").click()
        page.wait_for_timeout(pause)
    page.locator("#start").click()  # no button has the focus or the pointer


def start_mailing(page: Page, system: System) -> None:
    """Start a mailing, up to its question."""
    rows = "Name,Email\nAda,ada@example.com\nBob,bob\nGrace,grace@example.com\n"
    people = FilePayload(name="people.csv", mimeType="text/csv", buffer=rows.encode())
    page.goto(f"{system.address}/start/send_mailing")
    page.get_by_label("Source").set_input_files(people)
    expect(page.get_by_role("checkbox", name="people.csv")).to_be_checked()
    page.get_by_label("Subject").fill("Hello {name}")
    page.get_by_label("Body").fill("Dear {name},\nthe new lamps are here.")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#question")).to_be_visible()


def with_parts(system: System, visitor: Visitor) -> str:
    """Return the id of a task of the visitor's with parts, in a worker that is played here."""
    body: dict[str, str | int] = {"name": "long_task", "countdown": 3600}
    task_id = str(visitor.http.post(f"{system.address}/tasks", json=body).json()["task_id"])
    client = connect(system.valkey.url)
    records = Records(client, ttl_days=7)
    claim(records, task_id)
    [stored] = records.read([task_id])
    assert stored is not None
    options = {"queue": "celery", "headers": {PARENT: task_id}}
    message: TaskMessage = {"task": "long_task", "args": [], "kwargs": {}, "options": options}
    regions: tuple[tuple[str, Phase, Changes], ...] = (
        ("North", Phase.SUCCEEDED, {}),
        ("East", Phase.FAILED, {"error": {"type": "OSError", "message": "east.csv is empty"}}),
        ("South", Phase.RUNNING, {"current": 64, "total": 100}),
        ("West", Phase.RUNNING, {"current": 21, "total": 100}),
    )
    for region, phase, fields in regions:
        part = records.starts.create(
            owner=stored.owner, message=message, title=f"Sales of the {region}", max_attempts=1
        ).task_id
        claim(records, part)
        records.runs.write(StateWrite(part, HERE, phase, fields, "{}", "long_task", 1))
    client.close()
    return task_id


def fail_task(system: System, visitor: Visitor) -> str:
    """Return the id of a task of the visitor's that failed in a worker that is played here.

    None of the application's own tasks fails by itself.
    """
    body: dict[str, str | int] = {"name": "long_task", "countdown": 3600}
    task_id = str(visitor.http.post(f"{system.address}/tasks", json=body).json()["task_id"])
    client = connect(system.valkey.url)
    records = Records(client, ttl_days=7)
    claim(records, task_id)
    lines = [("INFO", "1,204 rows read"), ("WARNING", "Row 1,205 is incomplete")]
    records.output.log(task_id, HERE, lines)
    fields: Changes = {"error": {"type": "ValueError", "message": "Row 1,205 has no price"}}
    meta = json.dumps({"status": "FAILURE", "result": {}, "traceback": TRACEBACK})
    records.runs.write(StateWrite(task_id, HERE, Phase.FAILED, fields, meta, "long_task", 1))
    client.close()
    return task_id


def claim(records: Records, task_id: str) -> None:
    message: TaskMessage = {"task": "long_task", "args": [], "kwargs": {}, "options": {}}
    records.runs.claim(task_id, HERE, "run", message=message, max_attempts=1, hostname="worker-1")


def picture(page: Page, name: str) -> None:
    page.wait_for_timeout(STILL_MS)
    page.screenshot(path=ROOT / "docs" / f"{name}.png")


if __name__ == "__main__":
    main()
