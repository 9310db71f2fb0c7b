"""Headway's pages in a real browser: the one that lists a visitor's tasks, and a task's own.

All pages of a system are open in one browser, each as if it had it for itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tests.faults.invariants import FINAL
from tests.faults.stories import STREAM
from tests.faults.viewers import MISSING, Visitor
from tests.processes import ROOT, wait_for

ROUND_SECONDS = 0.1
PATIENCE_SECONDS = 30.0
AGAIN_SECONDS = 0.3
FULL = 50  # tasks that have ended, on a page: it shows the newest of them only
OBSERVE = """() => {
  window.drawn = [];
  const note = (card) => window.drawn.push([
    card.getAttribute("task-id"), Number(card.dataset.version),
    card.dataset.phase, card.querySelector("progress").value]);
  const cards = (records) =>
    records.map(({ target }) => target).filter((target) => target.matches("task-progress"));
  new MutationObserver((records) => new Set(cards(records)).forEach(note))
    .observe(document.body, {
      subtree: true, attributes: true, attributeFilter: ["data-version", "data-phase"],
    });
}"""
READ = """() => ({
  chip: document.querySelector("#connection").dataset.state,
  cards: [...document.querySelectorAll("task-progress[task-id]")].map((card) =>
    [card.getAttribute("task-id"), card.dataset.phase, Number(card.dataset.version)]),
  drawn: window.drawn.splice(0),
})"""
# Of a long text a page that is opened shows the end, and offers the whole as a file.
TEXT = f"""async () => {{
  const section = document.querySelector("#stream-{STREAM}");
  const drawn = section?.querySelector("pre").textContent ?? "";
  const note = section?.querySelector('[data-part="stream-cut"]');
  if (!note || note.hidden) return drawn;
  const whole = await (await fetch(section.querySelector("a").href)).text();
  return drawn && whole.endsWith(drawn) ? whole : drawn;
}}"""


class Browser:
    """A browser, in a process of its own (`tests.faults.browser`): its start costs more than a page
    does, so that it is kept from one trial to the next.
    """

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.faults.browser"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        self._asking = threading.Lock()

    @property
    def is_there(self) -> bool:
        return self._process.poll() is None

    def ask(self, **asked: Any) -> dict[str, Any]:
        """Have something done; returns the answer. Raises RuntimeError when the browser is gone."""
        with self._asking:
            try:
                self._process.stdin.write(json.dumps(asked) + "\n")
                self._process.stdin.flush()
                return dict(json.loads(self._process.stdout.readline()))
            except (OSError, ValueError) as error:
                raise RuntimeError("the browser is gone") from error

    def close(self) -> None:
        """End the browser, which ends with its input."""
        with self._process, suppress(OSError):  # it may have died
            self._process.stdin.close()


class Tab:
    """A page that is open as a visitor's; what goes wrong in it is noted as a breach."""

    def __init__(self, browser: Browser, visitor: Visitor, name: str) -> None:
        self._browser = browser
        self._history = visitor.history
        self._name = name
        opened = browser.ask(open=visitor.cookies, address=visitor.address)
        self._number = opened["value"]

    def load(self, url: str) -> None:
        """Open an address, as a person does who tries again while no server answers."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._ask(goto=url):
            assert time.monotonic() < deadline, f"{url} does not open"
            time.sleep(AGAIN_SECONDS)

    def evaluate(self, script: str) -> Any:
        return self._ask(evaluate=script)

    def close(self) -> None:
        with suppress(RuntimeError):
            self._ask(close=True)

    def _ask(self, **asked: Any) -> Any:
        told = self._browser.ask(page=self._number, **asked)
        for error in told["errors"]:
            self._history.object_to(f"{self._name}: {error}")
        return told["value"]


class VisitorPage:
    """The page with a visitor's tasks; every change that it draws goes into the history."""

    def __init__(self, browser: Browser, visitor: Visitor) -> None:
        self.owner = visitor.owner
        self.chip = ""  # what it says: live, reconnecting, polling, offline
        self._history = visitor.history
        self._shown: Mapping[str, int] = {}
        self._phases: Mapping[str, str] = {}
        self._stopping = threading.Event()
        self._tab = Tab(browser, visitor, "the page")
        self._tab.load(visitor.address)
        self._tab.evaluate(OBSERVE)
        self._thread = threading.Thread(target=self._watch, name="page", daemon=True)
        self._thread.start()
        try:
            wait_for(self.live, PATIENCE_SECONDS, "the page does not become Live")
        except AssertionError:
            self.close()
            raise

    def version(self, task_id: str) -> int | None:
        return self._shown.get(task_id)

    def ended(self, task_id: str) -> bool:
        return self._phases.get(task_id) in FINAL

    def live(self) -> bool:
        return self.chip == "live"

    def is_full(self) -> bool:
        return sum(phase in FINAL for phase in self._phases.values()) >= FULL

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._tab.close()

    def _watch(self) -> None:
        try:
            while not self._stopping.wait(ROUND_SECONDS):
                self._take(self._tab.evaluate(READ))
        finally:
            self.chip = ""  # also where the browser has died: a page that is gone is not right

    def _take(self, told: dict[str, Any]) -> None:
        for card, version, phase, value in told["drawn"]:
            self._history.draw(card, version, phase, value)
        cards = told["cards"]
        self._shown = {
            card: MISSING if phase == "missing" else version for card, phase, version in cards
        }
        self._phases = {card: phase for card, phase, _ in cards}
        self.chip = told["chip"]


class TaskPage:
    """A task's page, as one of its readers."""

    def __init__(self, browser: Browser, visitor: Visitor, task_id: str) -> None:
        self._url = f"{visitor.address}/tasks/{task_id}"
        self._tab = Tab(browser, visitor, "the task's page")
        self.reload()

    def text(self) -> str:
        return str(self._tab.evaluate(TEXT))

    def reload(self) -> None:
        self._tab.load(self._url)

    def close(self) -> None:
        self._tab.close()
