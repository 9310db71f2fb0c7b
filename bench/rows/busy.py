"""How busy a browser is with a list of which each task reports as often as a task may."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from playwright.sync_api import Browser, CDPSession, Page, expect, sync_playwright

from bench.candidates import Headway
from bench.measure import Bench
from bench.rows.drawing import chromium
from bench.schedule import evenly
from bench.table import Comparison, Row
from headway.web.assets import BUNDLE, FOLDER

REPORTS_A_SECOND = 10  # of each task: headway/progress.py sends no more
BUSY_PERCENT = 30.0
FRAME_MS = 50.0
SCRIPT_KB = 30.0
ELSEWHERE = """<!doctype html><html lang="en"><title>Tasks</title><link rel="icon" href="data:,">
<headway-list src="/tasks" actions tab></headway-list>
<script src="/assets/headway.js"></script></html>"""
PLACES = (  # and what they say once they hear of each start
    ("Headway's page", "", "Live"),
    ("<headway-list>", ELSEWHERE, "No tasks yet."),
)
# What the browser itself calls a long frame takes 50 ms or more.
OBSERVE = """() => {
  window.longFrames = [];
  const note = (list) => longFrames.push(...list.getEntries().map(({ duration }) => duration));
  new PerformanceObserver(note).observe({ type: "long-animation-frame" });
}"""
# Of Chromium's trace: what a thread does without a break, as a frame or the handling of an event.
TRACED = ["toplevel"]
MAIN_THREAD = "CrRendererMain"
CARDS = "[data-phase=running][data-version]:is(task-progress, headway-task)"


def script(bench: Bench) -> Row:
    """All JavaScript of a page with a list."""
    size = len(gzip.compress((FOLDER / BUNDLE).read_bytes())) / 1000
    return Row(
        "what a page with a list loads",
        [Comparison("JavaScript, gzipped", size, "kB", "allowed", SCRIPT_KB, 1.0)],
    )


@dataclass(frozen=True)
class Frames:
    """The longest frame of a time, and what the main thread did longest without a break, in ms."""

    longest: float
    cpu: float  # a machine that does something else as well makes a frame longer, and not this


def busy(bench: Bench) -> Row:
    """Each place in turn, with tasks that its visitor starts and that all report."""
    count = bench.plan.running
    row = Row(f"a list of {count} running tasks, {REPORTS_A_SECOND} reports a second of each")
    for name, content, ready in PLACES:
        with ExitStack() as started:
            candidate = Headway(bench.folder / f"busy-{len(row.notes)}", started)
            candidate.wait()
            playwright = started.enter_context(sync_playwright())
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            started.callback(browser.close)
            page = _open(browser, candidate, content)
            expect(page.get_by_text(ready, exact=True)).to_be_visible()
            page.evaluate(OBSERVE)
            with _frames(page) as arrival:
                rooms = _arrive(bench, candidate, page)
            with _frames(page) as steady:
                percent, rate = _report(bench, candidate, page, rooms)
        row.comparisons.append(
            Comparison(f"{name}: main thread", percent, "%", "allowed", BUSY_PERCENT, 1.0)
        )
        for when, [frames] in (("arrival", arrival), ("steady", steady)):
            row.comparisons += [
                _allowed(f"{name}, {when}: longest frame", frames.longest),
                _allowed(f"{name}, {when}: CPU of the longest frame", frames.cpu),
            ]
        row.notes.append(f"{name}: {rate:,.0f} reports a second came in")
    return row


def _allowed(label: str, ms: float) -> Comparison:
    return Comparison(label, ms, "ms", "allowed", FRAME_MS, 1.0)


def _open(browser: Browser, candidate: Headway, content: str) -> Page:
    page = browser.new_page()
    cookies = candidate.visitor.cookies.items()
    page.context.add_cookies(
        [{"name": n, "value": str(v), "url": candidate.web.address} for n, v in cookies]
    )
    page.goto(candidate.web.address + ("/start" if content else "/"))
    if content:
        page.set_content(content)
    return page


@contextmanager
def _frames(page: Page) -> Iterator[list[Frames]]:
    """Watch the frames of what is done within; the list has them after that."""
    found: list[Frames] = []
    browser = page.context.browser
    assert browser is not None
    browser.start_tracing(page=page, categories=TRACED)
    page.evaluate("longFrames.length = 0")
    yield found
    cpu = _longest_task(browser.stop_tracing())
    found.append(Frames(max(page.evaluate("longFrames"), default=0.0), cpu))


def _arrive(bench: Bench, candidate: Headway, page: Page) -> list[str]:
    """Start the tasks, and have all of them run and drawn; return their ids."""
    rooms = candidate.rooms(bench.plan.running)
    rate = len(rooms) * REPORTS_A_SECOND
    candidate.reporter.call("report", schedule=evenly(rooms, rate, bench.plan.warm_seconds))
    expect(page.locator(CARDS)).to_have_count(len(rooms), timeout=30_000)
    return rooms


def _report(bench: Bench, candidate: Headway, page: Page, rooms: list[str]) -> tuple[float, float]:
    """Have all tasks report; return the main thread's share, in percent, and reports a second."""
    rate = len(rooms) * REPORTS_A_SECOND
    seconds = bench.plan.seconds
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    before, begun = _busy_seconds(session), time.perf_counter()
    candidate.reporter.ask("report", schedule=evenly(rooms, rate, seconds))
    while not candidate.reporter.answered():
        page.wait_for_timeout(100)
    taken = time.perf_counter() - begun
    percent = (_busy_seconds(session) - before) / taken * 100
    return percent, rate * seconds / max(seconds, candidate.reporter.answer()["seconds"])


def _busy_seconds(session: CDPSession) -> float:
    """Return the CPU time of the page's main thread."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


def _longest_task(trace: bytes) -> float:
    """Return the most CPU time, in ms, that the main thread took without a break."""
    events = json.loads(trace)["traceEvents"]
    names = (each for each in events if each["name"] == "thread_name")
    main = {(each["pid"], each["tid"]) for each in names if each["args"]["name"] == MAIN_THREAD}
    own = (each for each in events if (each["pid"], each["tid"]) in main)
    return max((each.get("tdur", 0) / 1000 for each in own), default=0.0)
