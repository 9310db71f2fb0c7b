"""Kills runs, and pools, that do not end by themselves."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from celery.worker import state

from headway.celery.backend import LiveBackend
from headway.celery.worker.delivery import LiveRequest
from headway.celery.worker.stopping import can_end_runs
from headway.store.model import Outcome

logger = logging.getLogger(__name__)

END_AFTER = 6  # rounds after which a pool that was told to end is killed
CANNOT_END = (
    "This worker cannot stop a task that runs: it ends at its next report, or when it is done."
)


class RunKiller:
    """Kills the processes of one worker."""

    def __init__(self, worker: Any, backend: LiveBackend) -> None:
        self._worker = worker
        self._backend = backend
        # Cancelled runs that this worker has reported it cannot end.
        self._unending: WeakSet[Any] = WeakSet()
        self._ending = 0  # rounds since its pool was told to end

    def end(self, overdue: set[str], complain: Callable[[str, Exception], None]) -> None:
        """Kill the processes of cancelled runs that have not ended by themselves."""
        for request in list(state.active_requests):
            if request.id in overdue and request.worker_pid:
                try:
                    self._end_run(request)
                except Exception as error:
                    complain(request.id, error)

    def end_pool(self) -> None:
        """Kill the processes of a pool that does not end.

        Celery ends it inside a signal handler. If that interrupts the reading of a result, the rest
        is never read, and the pool would wait for it as long as its processes live.
        """
        pool = self._worker.pool
        if not state.should_terminate or not pool.uses_semaphore or not pool.active:
            return
        self._ending += 1
        if self._ending == END_AFTER:
            for pid in pool.info["processes"]:
                pool.terminate_job(pid, signal.SIGKILL)

    def _end_run(self, request: Any) -> None:
        pool = self._worker.pool
        if can_end_runs(pool):
            if isinstance(request, LiveRequest):
                request.end_programs()
            pool.terminate_job(request.worker_pid, signal.SIGKILL)
            if pool.is_green:  # a killed greenlet reports that it is done
                self._backend.mark_as_revoked(request.id, "Cancelled", request)
        elif request not in self._unending:
            self._say_it_goes_on(request)

    def _say_it_goes_on(self, request: Any) -> None:
        if (
            self._backend.runs.report(request._context, "PROGRESS", {"status": CANNOT_END})
            == Outcome.UNSTORED
        ):
            return  # in the next round
        self._unending.add(request)
        logger.warning("Task %s was cancelled. %s", request.id, CANNOT_END)
