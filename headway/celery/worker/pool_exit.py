"""Ends a process of a pool as soon as the worker has all of its results.

In billiard, a process that ends tells the worker so and sleeps for a second, in which the worker
reads that and kills it. A worker that stops reads nothing more, so each stop would take that
second. The sleep gives the worker time to read results, but the process has waited for that before.

A process that is spawned instead of forked imports this file before its project.
"""

from __future__ import annotations

import os

from billiard.pool import EX_FAILURE, EX_OK
from celery.concurrency.asynpool import AsynPool, Worker

import headway.celery.worker.live_tasks  # noqa: F401  # makes the tasks of a spawned process live


class PoolProcess(Worker):  # type: ignore[misc]
    """A process of the pool, which ends without a sleep once all that it sent has been read."""

    _is_heard = False  # whether the worker has all that this process has sent

    def _ensure_messages_consumed(self, completed: int) -> bool:
        self._is_heard = super()._ensure_messages_consumed(completed)
        return self._is_heard

    def _do_exit(self, pid: int, exitcode: int | None, exc: Exception | None = None) -> None:
        if not self._is_heard:
            super()._do_exit(pid, exitcode, exc)  # it sleeps, and ends the process
        if exitcode is None:
            exitcode = EX_FAILURE if exc else EX_OK
        self.on_exit(pid, exitcode)
        os._exit(exitcode)


def exit_without_sleep() -> None:
    """Have the processes that a worker's pool starts from now on end without a sleep."""
    AsynPool.Worker = PoolProcess
