"""Makes the pictures of docs/running.md from a running system: `make screenshots`."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from playwright.sync_api import (
    Browser,
    FilePayload,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)

from bench.processes import Failed
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
ESTIMATE_MS = 2500  # until a page shows how long a task will take
AWAY_MS = 20_000  # until the page knows that Redis does not answer
TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/imports.py", line 7, in import_rows
    raise ValueError(f"Row {number:,} has no price")
ValueError: Row 1,205 has no price"""
ENVIRONMENT = "worker-1 · Celery 5.6.3 · Python 3.12.3"
PEOPLE = """Name,Email
Ada,ada@example.com
Bob,bob
Grace,grace@example.com
Edsger,edsger@example
Alan,alan@example.com
Grace,grace@example.com
Barbara,
Donald,donald@example.com
"""


def main() -> None:
    """Take all pictures. Raises Failed where a word of a page would be drawn as boxes."""
    fonts = subprocess.run(["fc-list", ":lang=zh"], capture_output=True, text=True, check=True)
    if not fonts.stdout:
        raise Failed("No font has Chinese: install Debian's package fonts-wqy-zenhei.")
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
    page.wait_for_timeout(ESTIMATE_MS)
    picture(page, "task-running")
    page.goto(f"{system.address}/tasks/{failed}")
    picture(page, "task-failed")
    start_mailing(page, system)
    picture(page, "task-mailing")
    page.locator("#question").get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#outcome table")).to_be_visible()
    page.goto(page.url.partition("#")[0])
    expect(page.locator("headway-task-page [data-state=live]")).to_be_visible()
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
    """Start a mailing by its form, up to its question."""
    people = FilePayload(name="people.csv", mimeType="text/csv", buffer=PEOPLE.encode())
    page.goto(f"{system.address}/start/send_mailing")
    page.get_by_label("Source").set_input_files(people)
    expect(page.get_by_role("checkbox", name="people.csv")).to_be_checked()
    page.get_by_label("Subject").fill("Hello {name}")
    page.get_by_label("Body").fill("Dear {name},\nthe new lamps are here.")
    picture(page, "page-form")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#question")).to_be_visible()


def with_parts(system: System, visitor: Visitor) -> str:
    """Return the id of a task of the visitor's with parts, in a worker that is played here."""
    client = connect(system.valkey.url)
    records = Records(client, ttl_days=7)
    owner = owner_of(system, visitor, records)
    task_id = play(records, owner, "Sales of the year", {})
    regions: tuple[tuple[str, Phase, Changes], ...] = (
        ("North", Phase.SUCCEEDED, {}),
        ("East", Phase.FAILED, {"error": {"type": "OSError", "message": "east.csv is empty"}}),
        ("South", Phase.RUNNING, {"current": 64, "total": 100}),
        ("West", Phase.RUNNING, {"current": 21, "total": 100}),
    )
    for region, phase, fields in regions:
        part = play(records, owner, f"Sales of the {region}", {PARENT: task_id})
        records.runs.write(StateWrite(part, HERE, phase, fields, "{}", "sales", 1))
    client.close()
    return task_id


def fail_task(system: System, visitor: Visitor) -> str:
    """Return the id of a task of the visitor's that failed in a worker that is played here.

    None of the application's own tasks fails by itself.
    """
    client = connect(system.valkey.url)
    records = Records(client, ttl_days=7)
    task_id = play(records, owner_of(system, visitor, records), "Import prices.csv", {})
    lines = [("INFO", "1,204 rows read"), ("WARNING", "Row 1,205 is incomplete")]
    records.output.log(task_id, HERE, lines)
    fields: Changes = {
        "error": {"type": "ValueError", "message": "Row 1,205 has no price"},
        "traceback": {"traceback": TRACEBACK, "environment": ENVIRONMENT},
    }
    meta = json.dumps({"status": "FAILURE", "result": {}, "traceback": TRACEBACK})
    records.runs.write(StateWrite(task_id, HERE, Phase.FAILED, fields, meta, "import_prices", 1))
    client.close()
    return task_id


def owner_of(system: System, visitor: Visitor, records: Records) -> str:
    """Return the visitor's name in records."""
    body: dict[str, str | int] = {"name": "long_task", "countdown": 3600}
    task_id = str(visitor.http.post(f"{system.address}/tasks", json=body).json()["task_id"])
    [stored] = records.read([task_id])
    assert stored is not None
    visitor.http.post(f"{system.address}/tasks/{task_id}/cancel")
    visitor.http.post(f"{system.address}/tasks/{task_id}/forget")
    return stored.owner


def play(records: Records, owner: str, title: str, headers: Mapping[str, str]) -> str:
    """Return the id of a new task of that owner, which a worker has begun."""
    options = {"queue": "celery", "headers": dict(headers)}
    message: TaskMessage = {
        "task": "sales",
        "args": [],
        "kwargs": {"year": 2026},
        "options": options,
    }
    task_id = records.starts.create(
        owner=owner, message=message, title=title, max_attempts=1
    ).task_id
    claim(records, task_id)
    return task_id


def claim(records: Records, task_id: str) -> None:
    message: TaskMessage = {"task": "long_task", "args": [], "kwargs": {}, "options": {}}
    records.runs.claim(task_id, HERE, "run", message=message, max_attempts=1, hostname="worker-1")


def picture(page: Page, name: str) -> None:
    page.wait_for_timeout(STILL_MS)
    page.screenshot(path=ROOT / "docs" / f"{name}.png")


if __name__ == "__main__":
    main()
