"""How soon a worker's report is drawn in a browser.

A report's version is Redis's clock in microseconds, and the browser is on the same machine: drawn
minus version is the whole way from the record to the screen.
"""

from __future__ import annotations

import shutil
import statistics
from contextlib import ExitStack
from typing import Any

from playwright.sync_api import Page, sync_playwright

from bench.candidates import Headway
from bench.measure import Bench
from bench.processes import Failed
from bench.table import Comparison, Row
from tests.browser import Visitor
from tests.processes import running, worker

TASKS = 3
STEP_SECONDS = 0.1
BUDGET_MS = 100.0
SHARE = 0.95
OBSERVE = """() => {
  window.drawn = [];
  const note = (element) => window.drawn.push([
    element.getAttribute("task-id"), Number(element.dataset.version),
    (performance.timeOrigin + performance.now()) * 1000]);
  new MutationObserver((records) => records.forEach((record) => note(record.target)))
    .observe(document.body, { subtree: true, attributes: true, attributeFilter: ["data-version"] });
}"""


def chromium() -> str:
    """Return the path of the browser. Raises Failed."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise Failed("No Chromium: install Debian's package chromium.")


def drawn(bench: Bench) -> Row:
    steps = bench.plan.drawn_steps
    found = sorted(_delays(bench, steps))
    within = sum(delay <= BUDGET_MS for delay in found) / len(found)
    return Row(
        "from a worker's report to the drawn page",
        [Comparison("p95", found[int(len(found) * SHARE)], "ms", "allowed", BUDGET_MS, 1.0)],
        [
            f"{within:.1%} of {len(found)} within {BUDGET_MS:g} ms; p50 "
            f"{statistics.median(found):.1f} ms"
        ],
    )


def _delays(bench: Bench, steps: int) -> list[float]:
    with ExitStack() as started:
        # a worker would run what other rows have left in theirs
        candidate = Headway(bench.folder / "drawn", started)
        candidate.wait()
        env = {
            **candidate.env,
            "LONG_TASK_STEPS": str(steps),
            "LONG_TASK_STEP_SECONDS": str(STEP_SECONDS),
        }
        started.enter_context(running(worker(bench.folder, env)))
        playwright = started.enter_context(sync_playwright())
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        started.callback(browser.close)
        visitor = Visitor(candidate.web.address).connect()
        started.callback(visitor.close)
        return _draw(browser.new_page(), visitor, steps)


def _draw(page: Page, visitor: Visitor, steps: int) -> list[float]:
    page.context.add_cookies(
        [
            {"name": name, "value": value or "", "url": visitor.address}
            for name, value in visitor.http.cookies.items()
        ]
    )
    page.goto(visitor.address)
    page.get_by_text("Live", exact=True).wait_for()
    page.evaluate(OBSERVE)
    visitor.call("watch_mine", {})
    tasks = [visitor.start() for _ in range(TASKS)]
    for task_id in tasks:
        visitor.wait_for_end(task_id, steps * STEP_SECONDS * 3 + 10)
        page.locator(f'task-progress[task-id="{task_id}"][data-phase="succeeded"]').wait_for()
    drawn = [(task, version, at) for task, version, at in page.evaluate("window.drawn")]
    return delays(
        [snapshot for snapshot in visitor.snapshots if snapshot["phase"] == "running"], drawn
    )


def delays(pushes: list[dict[str, Any]], drawn: list[tuple[str, int, float]]) -> list[float]:
    """Return for each push, in ms, how long after its report it, or a newer one, was drawn."""
    found = []
    for push in pushes:
        moments = [
            at
            for task, version, at in drawn
            if task == push["task_id"] and version >= push["version"]
        ]
        found.append((min(moments) - push["version"]) / 1000 if moments else float("inf"))
    return found
