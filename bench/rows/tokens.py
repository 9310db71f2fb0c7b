"""How long a word takes from a task's stream to its viewer, and to the page, as a model's come."""

from __future__ import annotations

import json
import statistics
import threading
import time

import websocket
from playwright.sync_api import sync_playwright

from bench.candidates import Headway
from bench.measure import Bench
from bench.rows.drawing import chromium
from bench.table import Comparison, Row

RATE = 30.0  # words a second
MAX_MS = 60.0
CONNECT_SECONDS = 10.0
# Notes the last word that is drawn, and when, in seconds of the browser's clock.
OBSERVE = """() => {
  window.drawn = [];
  const note = () => {
    const text = document.querySelector('#stream-words [data-part="stream-text"]')?.textContent;
    const word = Number(text?.trimEnd().split(" ").at(-1) ?? 0);
    if (word > (window.drawn.at(-1)?.[0] ?? 0)) {
      window.drawn.push([word, (performance.timeOrigin + performance.now()) / 1000]);
    }
  };
  new MutationObserver(note).observe(document.body,
    { subtree: true, childList: true, characterData: true });
}"""


class Reader(threading.Thread):
    """A viewer of one task, who notes how long ago each word was written that comes."""

    def __init__(self, port: int, cookie: str, task_id: str) -> None:
        super().__init__(daemon=True)
        self.took: list[float] = []
        address = f"ws://127.0.0.1:{port}/socket.io/?EIO=4&transport=websocket"
        cookie = cookie.partition(": ")[2].strip()
        self._socket = websocket.create_connection(address, CONNECT_SECONDS, cookie=cookie)
        self._read_until("0")
        self._socket.send("40")
        self._read_until("40")
        self._socket.send('420["watch",' + json.dumps({"task_ids": [task_id]}) + "]")
        self._read_until("430")

    def run(self) -> None:
        """Read until the stream has ended."""
        is_closed = False
        while not is_closed:
            name, event = json.loads(self._read_until("42")[2:])
            now = time.monotonic()
            if name == "stream":
                self.took += [now - float(word) for word in event["text"].split()]
                is_closed = event["closed"]
        self._socket.close()

    def _read_until(self, begin: str) -> str:
        while not (message := str(self._socket.recv())).startswith(begin):
            if message == "2":
                self._socket.send("3")
        return message


def tokens(bench: Bench) -> Row:
    headway = bench.candidate(Headway)
    [task_id] = headway.rooms(1)
    reader = Reader(headway.web.port, headway.cookie, task_id)
    reader.start()
    headway.reporter.call("tokens", task_id=task_id, rate=RATE, seconds=_seconds(bench))
    reader.join(CONNECT_SECONDS)
    return _row("the client", reader.took)


def tokens_drawn(bench: Bench) -> Row:
    """The same to the task's page in a browser, until the word is in the document."""
    headway = bench.candidate(Headway)
    [task_id] = headway.rooms(1)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page()
        page.context.add_cookies(
            [
                {"name": name, "value": value or "", "url": headway.web.address}
                for name, value in headway.visitor.cookies.items()
            ]
        )
        page.goto(f"{headway.web.address}/tasks/{task_id}")
        page.locator('[data-part="connection"][data-state="live"]').wait_for()
        page.evaluate(OBSERVE)
        asked = {"task_id": task_id, "rate": RATE, "seconds": _seconds(bench)}
        words = headway.reporter.call("tokens", **asked)
        page.wait_for_function("last => window.drawn.at(-1)?.[0] >= last", arg=words[-1])
        drawn = page.evaluate("window.drawn")
        browser.close()
    return _row("the drawn page", drawn_after(words, drawn, time.time() - time.monotonic()))


def drawn_after(words: list[float], drawn: list[list[float]], ahead: float) -> list[float]:
    """Return the seconds from the writing of each word until it, or a later one, was drawn.

    `ahead` is how far the clock of what is drawn is ahead of that of the words.
    """
    found = []
    for word in words:
        at = next(at for last, at in drawn if last >= word)
        found.append(at - ahead - word)
    return found


def _seconds(bench: Bench) -> float:
    return bench.plan.seconds * bench.plan.rounds


def _row(where: str, seconds: list[float]) -> Row:
    took = sorted(1000 * each for each in seconds)
    *_, p95 = statistics.quantiles(took, n=20)
    return Row(
        f"from a write to progress.stream() to {where}, {RATE:.0f} words/s",
        [
            Comparison("p95", p95, "ms", "what it may take", MAX_MS, 1.0),
            Comparison("p50", statistics.median(took), "ms", "what it may take", MAX_MS),
        ],
        [f"{len(took)} words"],
    )
