"""Shows the bars of `rich.progress`, in any library that has them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import wraps
from types import ModuleType
from typing import Any

from headway.capture.bars import Bar, new_bar
from headway.capture.captured import captured
from headway.capture.streams import muted
from headway.celery.run.reporting import find

BARS = "headway_bars"  # the attribute of a Progress: the Bars of its tasks, None for one not shown


def patch(module: ModuleType) -> None:
    """Have the bars of this module, `rich.progress`, be shown where runs are captured."""
    for name, wrap in WRAPPERS.items():
        setattr(module.Progress, name, wrap(getattr(module.Progress, name)))
    module.Live.refresh = _quiet(module.Live.refresh)


def _add_task(original: Callable[..., int]) -> Callable[..., int]:
    @wraps(original)
    def add_task(self: Any, *args: Any, **kwargs: Any) -> int:
        task_id = original(self, *args, **kwargs)
        if captured() is not None and not self.disable:
            self.__dict__.setdefault(BARS, {})[task_id] = None
            _show(self, task_id)
        return task_id

    return add_task


def _changing(original: Callable[..., None]) -> Callable[..., None]:
    @wraps(original)
    def change(self: Any, task_id: int, *args: Any, **kwargs: Any) -> None:
        original(self, task_id, *args, **kwargs)
        _show(self, task_id)

    return change


def _track(original: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    @wraps(original)
    def track(self: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        # The loop itself is to end where its run has to: rich counts it in a thread.
        for item in original(self, *args, **kwargs):
            yield item
            if captured() is not None:
                find()

    return track


def _stop(original: Callable[..., None]) -> Callable[..., None]:
    @wraps(original)
    def stop(self: Any) -> None:
        with muted():
            original(self)
        bars = _bars(self)
        for task_id, bar in bars.items():
            bars[task_id] = None
            if bar is not None:
                bar.close()

    return stop


def _quiet(original: Callable[..., None]) -> Callable[..., None]:
    @wraps(original)
    def refresh(self: Any) -> None:
        with muted(self.console.is_terminal):
            original(self)

    return refresh


WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "add_task": _add_task,
    "update": _changing,
    "advance": _changing,
    "reset": _changing,
    "remove_task": _changing,
    "track": _track,
    "stop": _stop,
}


def _bars(progress: Any) -> dict[int, Bar | None]:
    found: dict[int, Bar | None] = progress.__dict__.get(BARS, {})
    return found


def _show(progress: Any, task_id: int) -> None:
    """Show a task of rich's as it is now; one that is finished, hidden or removed is no bar."""
    bars = _bars(progress)
    if task_id not in bars:
        return
    task: Any = next((each for each in progress.tasks if each.id == task_id), None)
    bar = bars[task_id]
    is_open = task is not None and task.visible and not task.finished
    if bar is not None and task is not None:
        bar.show(_name(task), task.completed, task.total)
    if bar is not None and not is_open:
        bars[task_id] = None
        bar.close()
    elif bar is None and is_open:
        bars[task_id] = new_bar(_name(task), task.completed, task.total)
    elif bar is not None:
        bar.check()


def _name(task: Any) -> str:
    """Return a task's description without its markup."""
    text = str(task.description)
    try:
        return str(sys.modules["rich.text"].Text.from_markup(text).plain)
    except Exception:  # no markup, but a bracket
        return text
