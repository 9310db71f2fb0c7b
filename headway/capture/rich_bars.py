"""Shows the bars of `rich.progress`, in any library that has them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import wraps
from types import ModuleType
from typing import Any

from headway.capture.bars import Bar, new_bar
from headway.capture.captured import captured
from headway.capture.streams import muted
from headway.celery.run.sections import find

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
        if captured() is not None and not self.disable and not _is_tqdms(self):
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


def _track(original: Callable[..., Generator[Any, None, None]]) -> Callable[..., Iterator[Any]]:
    @wraps(original)
    def track(self: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        # The loop itself is to end where its run has to: rich counts it in a thread.
        before = set(_bars(self))
        own: set[int] | None = None
        items = original(self, *args, **kwargs)
        try:
            for item in items:
                own = set(_bars(self)) - before if own is None else own
                yield item
                if captured() is not None:
                    find()
        finally:
            items.close()
            _close(self, own or ())  # rich goes on drawing that of a loop that is left early

    return track


def _stop(original: Callable[..., None]) -> Callable[..., None]:
    @wraps(original)
    def stop(self: Any) -> None:
        with muted():
            original(self)
        _close(self, _bars(self))

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


def _close(progress: Any, task_ids: Iterable[int]) -> None:
    """End the bars of these tasks."""
    bars = _bars(progress)
    for task_id in task_ids:
        bar = bars[task_id]
        bars[task_id] = None
        if bar is not None:
            bar.close()


def _is_tqdms(progress: Any) -> bool:
    """Whether this draws a bar of `tqdm.rich`, which is shown as tqdm's."""
    return any(type(column).__module__ == "tqdm.rich" for column in progress.columns)


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
