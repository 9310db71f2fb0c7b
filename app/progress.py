"""What a task says while it runs: `from app.progress import progress`.

`progress` is the running task's, as Flask's `request` is the running request's; outside a task its calls do nothing.

    for row in progress.track(rows, "Reading"):
        ...
    with progress.step("Upload", 2, 3):
        progress.set(current=0, total=size)
        progress.update(len(chunk))
    progress.log("uploaded to the archive")
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, TypeVar

from celery import current_task

from app.backend import REPORTS, LiveBackend, delivery_of
from app.records import Unavailable

FLUSH_SECONDS = 0.1

T = TypeVar("T")
UNSAID: Any = object()


class Report:
    """What one run has said so far, and when it was last sent."""

    def __init__(self, task: Any) -> None:
        self._task = task
        self._meta: dict[str, Any] = {"current": 0, "total": None, "status": "", "step": None}
        self._unsent = False
        self._sent_at = float("-inf")

    def say(self, **news: Any) -> None:
        """Note `news`; send all that is known when the last sending was long enough ago."""
        self._meta.update(news)
        self._unsent = True
        if time.monotonic() - self._sent_at >= FLUSH_SECONDS:
            self.flush()

    def advance(self, n: float) -> None:
        self.say(current=self._meta["current"] + n)

    def flush(self) -> None:
        """Send what has not been sent."""
        if self._unsent:
            self._unsent = False
            self._task.update_state(state="PROGRESS", meta=dict(self._meta))
            self._sent_at = time.monotonic()


class Progress:
    """The running task's progress; all numbers are in the task's own unit."""

    def update(self, n: float = 1) -> None:
        """Advance by `n`, as `tqdm.update` does."""
        if report := _report():
            report.advance(n)

    def set(self, current: float = UNSAID, total: float | None = UNSAID, status: str = UNSAID) -> None:
        """Say any of: how far, of how much (None: unknown), and one line of text."""
        news = {"current": current, "total": total, "status": status}
        if report := _report():
            report.say(**{key: value for key, value in news.items() if value is not UNSAID})

    def track(self, iterable: Iterable[T], status: str = "", total: float | None = None) -> Iterator[T]:
        """Yield from `iterable` and count; the total is its length where it has one."""
        if total is None and isinstance(iterable, Sized):
            total = len(iterable)
        self.set(current=0, total=total, status=status)
        for item in iterable:
            yield item
            self.update()
        self.flush()

    @contextmanager
    def step(self, name: str, index: int | None = None, count: int | None = None) -> Iterator[None]:
        """Name the part of the work that the block does: "step 3/7 Tokenising"."""
        report = _report()
        if report:
            report.say(step={"index": index, "count": count, "name": name})
            report.flush()
        yield
        if report:
            report.say(step=None)

    def log(self, text: str, level: str = "INFO") -> None:
        """Add a line to the task's log, which its viewers see grow. A line is lost when Redis is away."""
        task = current_task
        if not task or task.request.is_eager or not isinstance(task.backend, LiveBackend):
            return
        try:
            task.backend.records.log(task.request.id, delivery_of(task.request), [(level, str(text))])
        except Unavailable:
            return

    def flush(self) -> None:
        """Send now what has not been sent."""
        if report := _report():
            report.flush()


def _report() -> Report | None:
    """Return the running task's report. It lies on the request: a task object is one for all runs of a process."""
    if not current_task or current_task.request.called_directly or current_task.request.is_eager:
        return None
    reports: list[Report] = current_task.request.__dict__.setdefault(REPORTS, [])
    if not reports:
        reports.append(Report(current_task._get_current_object()))
    return reports[0]


progress = Progress()
