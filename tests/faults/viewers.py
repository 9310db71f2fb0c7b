"""Who watches while things break: light visitors that behave as the page does."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Protocol
from uuid import uuid4

import requests

from tests.faults.invariants import FINAL, History
from tests.faults.sockets import DEAD, ROUND_SECONDS, Socket
from tests.processes import wait_for

# As in headway/static/js: reconnecting-socket.js, subscriber.js, poller.js.
RECONNECT_SECONDS = (0.25, 2.0)
PATIENCE_SECONDS = 2.0
POLL_SECONDS = 2.0
POLL_TIMEOUT = 8.0
MAX_IDS = 100

MISSING = -1  # in place of a version


class Watching(Protocol):
    """What a trial asks of whoever watches."""

    owner: str

    def version(self, task_id: str) -> int | None:
        """Return the version that is shown of a task, MISSING where it is said to be gone."""

    def ended(self, task_id: str) -> bool:
        """Whether a final phase is shown of a task."""

    def live(self) -> bool:
        """Whether it says that it is up to date by itself."""

    def is_full(self) -> bool:
        """Whether it shows so many tasks that have ended that older ones have no place."""


class Line(Socket):
    """One websocket connection of a visitor, and what was asked over it."""

    def __init__(self, visitor: Visitor) -> None:
        self.name = uuid4().hex
        self.hears = False  # the server says that it hears Redis
        self.asked: set[str] = set()
        self.asked_for_all = False
        handlers = {
            "server": self._told,
            "snapshot": lambda snapshot: visitor.take("push", snapshot, self.name),
        }
        super().__init__(visitor.address, visitor.cookies, handlers)

    def _told(self, server: dict[str, Any]) -> None:
        if server["live"] and not self.hears:
            self.asked.clear()
            self.asked_for_all = False
        self.hears = bool(server["live"])


class Visitor:
    """A visitor with one page open: starts tasks, hears of them over a websocket, polls while that
    is not live.

    Every snapshot that it meets, at whichever endpoint, goes into `history`.
    """

    def __init__(self, name: str, address: str, history: History) -> None:
        self.owner = name
        self.address = address
        self.history = history
        self.http = requests.Session()
        wait_for(self._enter, 30, f"{name} does not get in")
        self._newest: dict[str, dict[str, Any]] = {}
        self._unfinished: set[str] = set()
        self._gone: set[str] = set()
        self._line = Line(self)
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=each, name=name, daemon=True)
            for each in (self._hear, self._fall_back)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def cookies(self) -> dict[str, str]:
        return {name: value or "" for name, value in self.http.cookies.items()}

    def version(self, task_id: str) -> int | None:
        known = self._newest.get(task_id)
        if task_id in self._gone:
            return MISSING
        return int(known["version"]) if known else None

    def ended(self, task_id: str) -> bool:
        return task_id in self._newest and self._newest[task_id]["phase"] in FINAL

    def live(self) -> bool:
        line = self._line
        return line.open and line.hears and line.asked_for_all

    def is_full(self) -> bool:
        return False

    def take(self, endpoint: str, snapshot: dict[str, Any], line: str = "") -> None:
        """Draw a snapshot, if it is newer than what is drawn."""
        self.history.see(self.owner, endpoint, line, snapshot)
        task_id = snapshot["task_id"]
        known = self._newest.get(task_id)
        if known is None or snapshot["version"] > known["version"]:
            self._newest[task_id] = snapshot
            self._gone.discard(task_id)
            (self._unfinished.discard if snapshot["phase"] in FINAL else self._unfinished.add)(
                task_id
            )

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """Ask as the page does. Raises requests.RequestException, also for what is no 200."""
        return self._ask_over_http("GET", path, params=params)

    def act(self, task_id: str, what: str) -> dict[str, Any]:
        """Press one of a task's buttons, "cancel" or "retry". Raises requests.RequestException."""
        snapshot = self._ask_over_http("POST", f"/tasks/{task_id}/{what}")
        self.take("202", snapshot)
        return snapshot

    def answer(self, task_id: str, question_id: str, value: str) -> int:
        """Answer a task's question; return the status, 0 where nothing came back."""
        body = {"question_id": question_id, "value": value}
        try:
            self.take("202", self._ask_over_http("POST", f"/tasks/{task_id}/answer", json=body))
        except requests.HTTPError as error:
            return int(error.response.status_code)
        except requests.RequestException:
            return 0
        return 202

    def _ask_over_http(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        begun = time.monotonic()
        status = 0
        try:
            response = self.http.request(
                method, self.address + path, timeout=POLL_TIMEOUT, **options
            )
            status = response.status_code
        finally:
            self.history.answer(f"{method} {path}", status, time.monotonic() - begun)
        response.raise_for_status()
        return dict(response.json())

    def close(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._line.close()
        self.http.close()

    def _enter(self) -> bool:
        try:
            return self.http.get(self.address, timeout=10).ok and bool(self.http.cookies)
        except requests.RequestException:
            return False

    # The websocket

    def _hear(self) -> None:
        """Keep a line open, and ask over it."""
        shortest, longest = RECONNECT_SECONDS
        delay = shortest
        while not self._stopping.wait(ROUND_SECONDS):
            if self._line.open:
                delay = shortest
                self._ask(self._line)
            elif not self._stopping.wait(delay * random.uniform(0.5, 1.5)):
                self._line.close()
                self._line = Line(self)
                delay = min(delay * 2, longest)

    def _unasked(self, line: Line) -> list[str]:
        return list(self._unfinished - line.asked - self._gone)[:MAX_IDS]

    def _ask(self, line: Line) -> None:
        """Ask for what is watched and was not asked for over this line.

        What fails is asked for again.
        """
        try:
            if not line.asked_for_all:
                line.asked_for_all = True
                self._take_all("ack", line.call("watch_mine", {})["snapshots"], line=line.name)
            elif ids := self._unasked(line):
                answer = line.call("watch", {"task_ids": ids})
                self._take_all("ack", answer["snapshots"], answer["missing"], line.name)
                line.asked.update(ids)
        except KeyError:  # {"error": ...}
            line.asked_for_all = False
            self._stopping.wait(0.5)
        except DEAD:
            line.close()

    def _take_all(
        self,
        endpoint: str,
        snapshots: Iterable[dict[str, Any]],
        missing: Iterable[str] = (),
        line: str = "",
    ) -> None:
        for snapshot in snapshots:
            self.take(endpoint, snapshot, line)
        self._gone.update(missing)

    # The status endpoint

    def _fall_back(self) -> None:
        """Poll while the line is not live."""
        alone_since = time.monotonic()
        while not self._stopping.wait(ROUND_SECONDS):
            if self.live():
                alone_since = time.monotonic()
            elif time.monotonic() - alone_since > PATIENCE_SECONDS:
                self._poll()
                self._stopping.wait(POLL_SECONDS)

    def _poll(self) -> None:
        unfinished = list(self._unfinished - self._gone)
        with suppress(requests.RequestException, ValueError):
            for first in range(0, len(unfinished), MAX_IDS):
                answer = self.get("/status", task_id=unfinished[first : first + MAX_IDS])
                self._take_all("status", answer["snapshots"], answer["missing"])
            self._take_all("list", self.get("/tasks")["tasks"])
