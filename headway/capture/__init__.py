"""Captures what a run prints and logs, and the bars that it shows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from headway.capture import logs, rich_bars, streams, tqdm_bars
from headway.capture.captured import Captured
from headway.capture.imports import PatchingFinder
from headway.celery.run.runs import Run
from headway.celery.run.sections import find
from headway.settings import CAPTURE

T = TypeVar("T")
PATCHES = {"tqdm.std": tqdm_bars.patch, "rich.progress": rich_bars.patch}


@contextmanager
def capture() -> Iterator[None]:
    """Have what the task prints, logs and shows as a bar go live while the block runs.

    What `print`, `logging` and `warnings` write becomes lines of its log, and the outermost bar of
    tqdm or rich is its bar. Of the task's threads and coroutines too. All of it still goes where it
    went before. A no-op outside a task, inside another such block, and where the setting
    `headway_capture` is False.
    """
    section = find()
    if section is None or section.run.captured is not None or _is_off(section.run):
        yield
        return
    run = section.run
    run.captured = Captured(run)
    _process.begin()
    try:
        yield
    finally:
        _process.end()
        run.captured.close()
        run.captured = None


def capturing(body: Callable[[], T]) -> Callable[[], T]:
    """Return a run's body with all of its output captured."""

    def captured_body() -> T:
        with capture():
            return body()

    return captured_body


def _is_off(run: Run) -> bool:
    return not run.is_child and CAPTURE.read(run.task.app.conf) is False


class _Process:
    """The patches and streams that this process has while one of its runs is captured."""

    def __init__(self) -> None:
        self._runs = 0
        self._lock = threading.Lock()
        self._finder = PatchingFinder(PATCHES)

    def begin(self) -> None:
        with self._lock:
            self._runs += 1
            self._finder.install()
            streams.install()
            logs.install()

    def end(self) -> None:
        with self._lock:
            self._runs -= 1
            if not self._runs:
                logs.remove()
                streams.remove()


_process = _Process()
