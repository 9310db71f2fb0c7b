"""Names the settings of a project that weaken what Headway promises. None is overridden."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from celery import Celery

SHORT_EXPIRY = 3600  # seconds, of result_expires


def weakened(app: Celery) -> Iterator[str]:
    """Yield a sentence for each setting of an app with live tasks that weakens a promise."""
    conf: Any = app.conf
    if conf.task_always_eager:
        yield "task_always_eager is on: tasks run where they are called, and none of them is live"
    if conf.task_ignore_result:
        yield "task_ignore_result is on: tasks end without their results"
    expires = app.backend.expires
    if expires and expires < SHORT_EXPIRY:
        yield (
            f"result_expires is {expires:g} s: a task that ended longer ago is forgotten, also by "
            "who was away meanwhile"
        )
    if not expires:
        yield (
            "result_expires is off: what Celery keeps for ever is kept for a week here once its "
            "task has ended"
        )
    if conf.worker_prefetch_multiplier == 0:
        yield (
            "worker_prefetch_multiplier is 0: one worker takes all that waits, whatever its "
            "priority, and others get none of it"
        )
    if any(task.acks_late and task.reject_on_worker_lost for task in _tasks(app)):
        yield (
            "task_reject_on_worker_lost is on: what a process ran that was killed runs again "
            "only when its lease has ended"
        )
    if any(getattr(task, "retry_on_worker_lost", None) for task in _tasks(app)):
        yield (
            "task_retry_on_worker_lost is on: what a process ran that was killed runs again "
            "only after its task's default_retry_delay"
        )


def acknowledges_early(app: Celery) -> bool:
    """Whether a task's message is acknowledged before it is claimed, as is Celery's default.

    A worker that dies between the two takes the task with it.
    """
    return any(not task.acks_late for task in _tasks(app))


def _tasks(app: Celery) -> list[Any]:
    return [task for name, task in app.tasks.items() if not name.startswith("celery.")]
