"""What it costs to open the application's page: requests, and processor time at both ends."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from dataclasses import dataclass

from playwright.sync_api import Browser, CDPSession, expect, sync_playwright

from bench.candidates import Headway
from bench.machine import cpu_seconds
from bench.measure import Bench
from bench.rows.drawing import chromium
from bench.table import Comparison, Row

REQUESTS = 10.0  # the page, its scripts, style sheet and icon, and what it asks for itself
EMPTY = "about:blank"


@dataclass(frozen=True)
class Visit:
    """One page, opened by a browser that has seen nothing of it before, until it is live."""

    requests: int
    browser_ms: float  # processor time, as the next
    web_ms: float


def visit(bench: Bench) -> Row:
    """Open the page again and again, each time as a new visitor."""
    with ExitStack() as started:
        candidate = Headway(bench.folder / "visit", started)
        candidate.wait()
        playwright = started.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        started.callback(browser.close)
        for address in (EMPTY, candidate.web.address):  # the first ones start more than the page
            _visit(browser, candidate, address)
        visits, empty = (
            [_visit(browser, candidate, address) for _ in range(bench.plan.visits)]
            for address in (candidate.web.address, EMPTY)
        )
    browser_ms, empty_ms = (
        statistics.median(each.browser_ms for each in some) for some in (visits, empty)
    )
    web_ms = statistics.median(each.web_ms for each in visits)
    return Row(
        "the application's page, opened by a new visitor",
        [
            Comparison("requests", visits[0].requests, "", "allowed", REQUESTS, 1.0),
            Comparison("browser's CPU", browser_ms, "ms", "an empty page", empty_ms),
        ],
        [f"the web process takes {web_ms:.0f} ms of CPU for it"],
    )


def _visit(browser: Browser, candidate: Headway, address: str) -> Visit:
    session = browser.new_browser_cdp_session()
    browser_before = _browser_seconds(session)
    web_before = cpu_seconds(candidate.web.pid)
    asked: list[str] = []
    context = browser.new_context()
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.goto(address)
    if address != EMPTY:
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
    taken = _browser_seconds(session) - browser_before
    web = cpu_seconds(candidate.web.pid) - web_before
    context.close()
    session.detach()
    return Visit(len(asked), taken * 1000, web * 1000)


def _browser_seconds(session: CDPSession) -> float:
    """Return the CPU time of all of the browser's processes."""
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    return sum(float(each["cpuTime"]) for each in processes)
