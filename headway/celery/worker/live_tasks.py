"""Makes all tasks of an app live in its workers, whatever their base class overrides.

A task's own `base=` leaves out the app's task class, and one that overrides `__call__` or
`before_start` need not call what it overrides. So each such task gets a class that comes before its
own.
"""

from __future__ import annotations

import logging
from typing import Any

from celery import Celery, Task, current_app, signals
from celery.app.trace import build_tracer
from celery.utils.imports import symbol_by_name
from celery.worker.request import Request

from headway.celery.backend import LiveBackend
from headway.celery.task import LiveTask
from headway.celery.weakening import acknowledges_early, weakened
from headway.celery.worker.delivery import LiveRequest

logger = logging.getLogger(__name__)


class Outermost:
    """Wraps what a task's class does into the claim and the end of a run."""

    def before_start(self: Any, task_id: str, args: Any, kwargs: Any) -> None:
        self.claim(task_id)
        super().before_start(task_id, args, kwargs)  # type: ignore[misc]  # of the task's class

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self.run_live(super().__call__, args, kwargs)  # type: ignore[misc]


def make_all_live(app: Celery) -> list[Task]:
    """Make each task of an app live; returns those that were not."""
    return [
        task
        for task in app.tasks.values()
        if isinstance(task.backend, LiveBackend) and _make_live(task)
    ]


@signals.worker_process_init.connect
def make_process_live(sender: Any = None, **_: Any) -> None:
    """Make the tasks of a pool's process live that it has not inherited as such from its worker.

    One that is spawned instead of forked, as on macOS, inherits none and has made all of its own.
    """
    for task in make_all_live(current_app):
        # Celery has built their tracers already, by the classes that they had.
        task.__trace__ = build_tracer(task.name, task, task.app.loader, sender, app=task.app)


def log_what_is_live(app: Celery) -> None:
    """Log which of an app's tasks are live, which cannot be, and what weakens the promise."""
    live, others = live_and_not(app)
    logger.info(
        "%s tasks are live: claimed by one worker at a time, leased, pushed and recovered%s",
        len(live),
        " from their claim on, as task_acks_late is off" if acknowledges_early(app) else "",
    )
    for sentence in weakened(app):
        logger.warning("%s", sentence)
    if others:
        logger.warning(
            "These tasks are not live, since they have a result backend of their own; "
            "remove it: %s",
            ", ".join(others),
        )


def live_and_not(app: Celery) -> tuple[list[str], list[str]]:
    """Return the names of an app's tasks, without Celery's own: the live ones, and the others."""
    own = {name: task for name, task in sorted(app.tasks.items()) if not name.startswith("celery.")}
    live = [name for name, task in own.items() if isinstance(task.backend, LiveBackend)]
    return live, [name for name in own if name not in live]


def _make_live(task: Task) -> bool:
    kind = type(task)
    if isinstance(task, Outermost) or _is_live(kind):
        return False
    bases = (Outermost, kind) if isinstance(task, LiveTask) else (Outermost, LiveTask, kind)
    names: dict[str, Any] = {"__module__": kind.__module__, "__doc__": kind.__doc__}
    names |= {
        "Request": _request_class(symbol_by_name(kind.Request)),
        "Strategy": LiveTask.Strategy,
    }
    task.__class__ = type(kind.__name__, bases, names)
    return True


def _is_live(kind: type[Task]) -> bool:
    names = ("__call__", "before_start", "Request", "Strategy")
    return all(getattr(kind, name) is getattr(LiveTask, name) for name in names)


def _request_class(own: type[Request]) -> type[Request]:
    """Return the request class of a live task whose class has `own`, which may be Celery's."""
    if issubclass(own, LiveRequest) or own is Request:
        return LiveRequest if own is Request else own
    return type(own.__name__, (LiveRequest, own), {})
