"""What a task says while it runs: `from app.progress import progress`.

`progress` is the running task's, as Flask's `request` is the running request's; outside a task its calls do nothing.

    for row in progress.track(rows, "Reading"):
        ...
    with progress.step("Upload", 2, 3):
        progress.set(current=0, total=size)
        progress.update(len(chunk))
    progress.log("uploaded to the archive")

A call only notes what is said. A thread beside the run sends it, at most ten times a second: the first word at once, of
numbers and words the newest, each step and each line. So a run never waits for Redis. Once a task has been cancelled,
or another run of it has taken over, the next call raises `app.backend.Stopped`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, TypeVar

from celery import current_task

from app.backend import REPORT, UNSTORED, LiveTask, Stopped, delivery_of
from app.connection import Unavailable

FLUSH_SECONDS = 0.1
MOST_UNSENT = 1000  # steps, and lines, that wait for Redis; of more the oldest go, and the log says how many lines

T = TypeVar("T")
UNSAID: Any = object()

_present = REPORT.get  # looked up once: in a tight loop of `progress.update` it would be a quarter of the cost


class Report:
    """What one run says. Written by the run, which never waits here; sent by whoever calls `flush`."""

    def __init__(self, task: LiveTask) -> None:
        self.current: float = 0
        self.stopped = ""  # why the run has to end, once it has
        self._total: float | None = None
        self._status = ""
        self._step: dict[str, Any] | None = None
        self._backend = task.backend
        self._request = task.request
        self._due: deque[dict[str, Any]] = deque(maxlen=MOST_UNSENT)  # to be sent even if newer comes at once
        self._lines: deque[tuple[str, str]] = deque()
        self._lines_lost = 0
        self._silent = True
        self._saying = threading.Lock()
        self._sending = threading.Lock()
        self._sent = self._meta()

    def say(self, current: float, total: float | None, status: str) -> None:
        """Note any of these; UNSAID leaves what was said before."""
        with self._saying:  # so that no new number is sent with an old total
            self.current = self.current if current is UNSAID else current
            self._total = self._total if total is UNSAID else total
            self._status = self._status if status is UNSAID else status
            if self._silent:
                self._silent = False
                self._due.append(self._meta())

    def enter(self, step: dict[str, Any] | None) -> None:
        """Note a step, which is sent even if the next one comes at once."""
        with self._saying:
            self._step, self._silent = step, False
            self._due.append(self._meta())

    def log(self, level: str, text: str) -> None:
        """Note a line."""
        with self._saying:
            self._keep([(level, text)])

    def flush(self) -> None:
        """Send what has not been sent; what Redis does not take now is sent the next time."""
        with self._sending:
            while self._send_due():
                pass
            with self._saying:
                meta = self._meta()
            if meta != self._sent:
                self._send(meta)
            self._send_lines()

    def close(self) -> None:
        """Send the last words, before the run's outcome is stored."""
        SENDER.remove(self)
        self.flush()

    def _meta(self) -> dict[str, Any]:
        return {"current": self.current, "total": self._total, "status": self._status, "step": self._step}

    def _send(self, meta: dict[str, Any]) -> bool:
        verdict = self._backend.report(self._request, "PROGRESS", meta)
        if verdict == UNSTORED:
            return False
        self._sent = meta
        if verdict != "written":
            self.stopped = verdict
        return True

    def _send_due(self) -> bool:
        """Send what has to be sent first; whether it was, and more may be due."""
        with self._saying:
            due = self._due[0] if self._due else None
        if due is None or not self._send(due):
            return False
        with self._saying:
            if self._due[0] is due:  # else it has made room for newer ones meanwhile
                self._due.popleft()
        return True

    def _send_lines(self) -> None:
        with self._saying:
            lines, self._lines = list(self._lines), deque()
            lost, self._lines_lost = self._lines_lost, 0
        gap = [("WARNING", f"{lost} lines are missing here: Redis did not take them in time.")] if lost else []
        if not lines:
            return
        try:
            self._backend.records.log(self._request.id, delivery_of(self._request), gap + lines)
        except Unavailable:
            with self._saying:
                newer, self._lines = self._lines, deque(lines)
                self._lines_lost += lost
                self._keep(newer)

    def _keep(self, lines: Iterable[tuple[str, str]]) -> None:
        """Have lines wait; of too many the oldest go."""
        self._lines.extend(lines)
        while len(self._lines) > MOST_UNSENT:
            self._lines.popleft()
            self._lines_lost += 1


class Sender:
    """The thread that sends what this process's runs say. It is made anew where a fork has left it behind."""

    def __init__(self) -> None:
        self._reports: set[Report] = set()
        self._news = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, report: Report) -> None:
        self._reports.add(report)
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
            self._thread.start()
        self._news.set()

    def remove(self, report: Report) -> None:
        self._reports.discard(report)

    def _run(self) -> None:
        while True:
            if not self._reports:
                self._news.wait()
            self._news.clear()
            for report in tuple(self._reports):
                report.flush()
            time.sleep(FLUSH_SECONDS)


SENDER = Sender()


class Progress:
    """The running task's progress; all numbers are in the task's own unit. Its calls raise Stopped, see the module."""

    def update(self, n: float = 1) -> None:
        """Advance by `n`, as `tqdm.update` does."""
        report = _present()
        if report is None:
            report = _begin()
            if report is None:
                return
        if report.stopped:
            raise Stopped(report.stopped)
        report.current += n

    def set(self, current: float = UNSAID, total: float | None = UNSAID, status: str = UNSAID) -> None:
        """Say any of: how far, of how much (None: unknown), and one line of text."""
        if report := _report():
            report.say(current, total, status)

    def track(self, iterable: Iterable[T], status: str = "", total: float | None = None) -> Iterator[T]:
        """Yield from `iterable` and count; the total is its length where it has one."""
        if total is None and isinstance(iterable, Sized):
            total = len(iterable)
        report = _report()
        if report is None:
            yield from iterable
            return
        report.say(0, total, status)
        for item in iterable:
            yield item
            if report.stopped:
                raise Stopped(report.stopped)
            report.current += 1

    @contextmanager
    def step(self, name: str, index: int | None = None, count: int | None = None) -> Iterator[None]:
        """Name the part of the work that the block does: "step 3/7 Tokenising"."""
        report = _report()
        if report:
            report.enter({"index": index, "count": count, "name": name})
        yield
        if report:
            report.enter(None)

    def log(self, text: str, level: str = "INFO") -> None:
        """Add a line to the task's log, which its viewers see grow."""
        if report := _report():
            report.log(level, str(text))

    def flush(self) -> None:
        """Send now what has not been sent."""
        if report := _report():
            report.flush()


def _report() -> Any:
    """Return the run's report, None outside a task. Raises Stopped."""
    report = _present() or _begin()
    if report and report.stopped:
        raise Stopped(report.stopped)
    return report


def _begin() -> Report | None:
    """Make the report of a run at its first word."""
    task = current_task._get_current_object() if current_task else None
    if not isinstance(task, LiveTask) or not task.has_record:
        return None
    report = Report(task)
    REPORT.set(report)
    SENDER.add(report)
    return report


progress = Progress()
