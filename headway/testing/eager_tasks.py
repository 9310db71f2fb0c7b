"""A project's tasks while they run in the test's own process."""

from __future__ import annotations

from typing import Any

from celery import Celery, Task
from celery._state import get_current_worker_task
from celery.result import EagerResult

from headway.celery.backend import LiveBackend
from headway.celery.run.runs import Run
from headway.celery.worker.live_tasks import make_all_live

MAX_FLUSHES = 1000  # of one run
ONLY_OF_APPLY = ("logfile", "loglevel")  # options that messages lack


class DetailedRun(Run):
    """A run whose every report is sent, up to MAX_FLUSHES; then as often as in a worker."""

    flushes = 0

    def open(self, part: Any) -> None:
        """Leave a part closed, so that each count in it calls `check` first."""

    def check(self) -> None:
        """Send what was reported, and raise Stopped if the run has to end."""
        if self.sender is not None and self.flushes < MAX_FLUSHES:
            self.flushes += 1
            self.sender.flush()
            if self.streams is not None:
                self.streams.flush()
        super().check()


class EagerTask:
    """Mixin of a task's class while its tasks run in the test's own process."""

    run_class = DetailedRun

    def apply(
        self: Any,
        args: Any = None,
        kwargs: Any = None,
        throw: bool | None = None,
        **options: Any,
    ) -> Any:
        """Run the task as a worker does, and return its result.

        Within a run the task has no record, and runs as by Celery's own `apply`.
        """
        if get_current_worker_task() is not None:
            return super().apply(args, kwargs, throw=throw, **options)  # type: ignore[misc]
        options = {name: value for name, value in options.items() if name not in ONLY_OF_APPLY}
        result = self.apply_async(args, kwargs, **options)
        if self.app.conf.task_eager_propagates if throw is None else throw:
            result.get()
        end = result.id, result.result, result.state
        return EagerResult(*end, traceback=result.traceback, name=self.name)


class EagerTasks:
    """The tasks of an app, made live as in a worker until `restore`."""

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._classes: dict[Task, type[Task]] = {}  # each task's own class

    def find(self, name: str) -> Task | None:
        """Return a registered task, even a newly registered one, as a live one; None if unknown."""
        task = self._app.tasks.get(name)
        if task is not None and task not in self._classes:
            self.adopt()
        return task

    def adopt(self) -> None:
        """Make the app's tasks live, and `apply` run them in this process too."""
        tasks = [task for task in self._app.tasks.values() if task not in self._classes]
        self._classes |= {task: type(task) for task in tasks}
        make_all_live(self._app)
        for task in tasks:
            if isinstance(task.backend, LiveBackend):
                kind = type(task)
                names = {"__module__": kind.__module__, "__doc__": kind.__doc__}
                task.__class__ = type(kind.__name__, (EagerTask, kind), names)

    def restore(self) -> None:
        """Restore each task's own class."""
        for task, own in self._classes.items():
            task.__class__ = own
