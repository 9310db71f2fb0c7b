"""How busy a browser is with a list of which each task reports as often as a task may."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from bench.browser import MeasuredPage
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
ROOT = "(document.querySelector('headway-list')?.shadowRoot ?? document.body)"
PLACES = (  # and what they say once they hear of each start
    ("Headway's page", "", "Live"),
    ("<headway-list>", ELSEWHERE, "No tasks yet."),
)
# What the browser itself calls a long frame takes 50 ms or more.
OBSERVE = """
  window.longFrames = [];
  new PerformanceObserver((list) => {
    longFrames.push(...list.getEntries().map(({ duration }) => duration));
  }).observe({ type: "long-animation-frame" });
"""
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
            page = MeasuredPage(chromium(), bench.folder / f"chromium-{len(row.notes)}", started)
            _open(page, candidate, content)
            page.wait_for(f"{ROOT}.textContent.includes({json.dumps(ready)})")
            page.evaluate(OBSERVE)
            with _frames(page) as arrival:
                rooms = _arrive(bench, candidate, page)
            percent, rate = _report(bench, candidate, page, rooms)
            with _frames(page) as steady:  # for itself, since a trace costs some of the main thread
                _report(bench, candidate, page, rooms)
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


def _open(page: MeasuredPage, candidate: Headway, content: str) -> None:
    cookies = {name: str(value) for name, value in candidate.visitor.cookies.items()}
    page.open(candidate.web.address + ("/start" if content else "/"), cookies)
    if content:
        page.evaluate(f"document.write({json.dumps(content)}), document.close()")


@contextmanager
def _frames(page: MeasuredPage) -> Iterator[list[Frames]]:
    """Watch the frames of what is done within; the list has them after that."""
    found: list[Frames] = []
    with page.traced(TRACED) as events:
        page.evaluate("longFrames.length = 0")
        yield found
        longest = max(page.evaluate("longFrames"), default=0.0)
    found.append(Frames(longest, _longest_task(events)))


def _arrive(bench: Bench, candidate: Headway, page: MeasuredPage) -> list[str]:
    """Start the tasks, and have all of them run and drawn; return their ids."""
    rooms = candidate.rooms(bench.plan.running)
    rate = len(rooms) * REPORTS_A_SECOND
    candidate.reporter.call("report", schedule=evenly(rooms, rate, bench.plan.warm_seconds))
    page.wait_for(f"{ROOT}.querySelectorAll({json.dumps(CARDS)}).length === {len(rooms)}")
    return rooms


def _report(
    bench: Bench, candidate: Headway, page: MeasuredPage, rooms: list[str]
) -> tuple[float, float]:
    """Have all tasks report; return the main thread's share, in percent, and reports a second."""
    rate = len(rooms) * REPORTS_A_SECOND
    seconds = bench.plan.seconds
    page.call("Performance.enable", timeDomain="threadTicks")
    before = _busy_seconds(page)
    begun = time.perf_counter()
    took = candidate.reporter.call("report", schedule=evenly(rooms, rate, seconds))["seconds"]
    taken = time.perf_counter() - begun
    percent = (_busy_seconds(page) - before) / taken * 100
    return percent, rate * seconds / max(seconds, took)


def _busy_seconds(page: MeasuredPage) -> float:
    """Return the CPU time of the page's main thread."""
    metrics = page.call("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


def _longest_task(events: list[dict[str, Any]]) -> float:
    """Return the most CPU time, in ms, that the main thread took without a break."""
    names = (each for each in events if each["name"] == "thread_name")
    main = {(each["pid"], each["tid"]) for each in names if each["args"]["name"] == MAIN_THREAD}
    own = (each for each in events if (each["pid"], each["tid"]) in main)
    return max((each.get("tdur", 0) / 1000 for each in own), default=0.0)
