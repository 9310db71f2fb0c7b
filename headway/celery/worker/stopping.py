"""Soft shutdown of a worker: its runs have a grace period to end, and the rest are released.

Celery waits out the whole period in a signal handler, where it does not notice the end of a run.
Here its loop keeps running meanwhile, and the worker ends as soon as nothing runs: a run that saves
its place ends at its next save (see `Maintenance`). The period is Celery's own setting,
`worker_soft_shutdown_timeout`. A run is released in release_runs.lua, which queues its task again.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from math import inf
from types import FrameType
from typing import Any

from celery import bootsteps
from celery.apps.worker import REMAP_SIGTERM
from celery.concurrency.base import BasePool
from celery.exceptions import WorkerTerminate
from celery.platforms import EX_FAILURE
from celery.worker import state
from kombu.common import ignore_errors

logger = logging.getLogger(__name__)

SIGNALS = ("SIGQUIT", "SIGTERM") if REMAP_SIGTERM == "SIGQUIT" else ("SIGQUIT",)
POLL_SECONDS = 0.05
MAX_WAIT_FOR_LOOP_SECONDS = 0.5  # a loop that is running a task itself takes no other meanwhile
RESIGNAL_SECONDS = 1.0  # after which a worker that has not begun to end gets the signal again
FORCE_EXIT_SECONDS = 2.0  # after that, until the process of one that has still not begun exits


class PlannedStop:
    """The planned stop of one worker.

    `request_stop` asks runs to end at their next save; `release` gives the tasks of those that
    still run to other workers; `force_exit` ends a process that nothing else can end.
    """

    def __init__(
        self,
        worker: Any,
        request_stop: Callable[[], None],
        release: Callable[[], None],
        force_exit: Callable[[], None],
    ) -> None:
        self._worker = worker
        self._request_stop = request_stop
        self._release = release
        self._force_exit = force_exit
        self._grace = float(worker.app.conf.worker_soft_shutdown_timeout or 0)
        self._celery_handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._number = signal.SIGTERM
        self._deadline = inf
        self._asked = threading.Event()
        self._may_release = threading.Event()
        self._ending = False

    def install(self) -> None:
        """Handle the signals that stop the worker.

        Call it in the main thread, once Celery's own handlers are in place.
        """
        for name in SIGNALS:
            number = signal.Signals[name]
            handler = signal.getsignal(number)
            self._celery_handlers[number] = handler  # type: ignore[assignment]
            signal.signal(number, self._on_signal)
        self._worker.wait_for_soft_shutdown = lambda: None
        threading.Thread(target=self._shut_down, name="stop", daemon=True).start()

    @property
    def is_begun(self) -> bool:
        """Whether the worker has been told to stop, and is to take no more tasks."""
        return (
            self._deadline < inf
            or _is_set(state.should_stop)
            or _is_set(state.should_terminate)
            or self._worker.blueprint.state != bootsteps.RUN  # as after `celery control shutdown`
        )

    @property
    def may_release(self) -> bool:
        """Whether what runs may go back to its queue: this worker would not take it again.

        Not in Celery's warm shutdown, which finishes what runs.
        """
        return self._may_release.is_set() or _is_set(state.should_terminate)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._number = signal.Signals(number)
        if self._deadline == inf and self._grace > 0 and state.active_requests:
            logger.warning("This worker stops: what runs has %g seconds to end", self._grace)
            self._deadline = time.monotonic() + self._grace
            self._asked.set()
        elif can_end_runs(self._worker.pool):
            self._celery_handlers[number](number, frame)
        else:
            state.should_terminate = EX_FAILURE  # in a finalizer Python drops what is raised
            raise WorkerTerminate(EX_FAILURE)

    def _shut_down(self) -> None:
        self._asked.wait()
        self._stop_taking()
        self._request_stop()
        while state.active_requests and time.monotonic() < self._deadline:
            self._call(self._cancel_consumer)
            time.sleep(POLL_SECONDS)
        if not can_end_runs(self._worker.pool):
            self._release()
        self._call(self._end)
        time.sleep(RESIGNAL_SECONDS)
        if not self._ending:  # its loop is stuck, or its thread is running a task
            os.kill(os.getpid(), self._number)
        time.sleep(FORCE_EXIT_SECONDS)
        if not self._ending and not can_end_runs(self._worker.pool):
            self._force_exit()

    def _stop_taking(self) -> None:
        """Cancel the consumer before any run is released, lest this worker take it again."""
        is_cancelled = threading.Event()

        def stop() -> None:
            self._cancel_consumer()
            is_cancelled.set()

        self._call(stop)
        is_cancelled.wait(MAX_WAIT_FOR_LOOP_SECONDS)
        self._may_release.set()

    def _end(self) -> None:
        self._ending = True
        if can_end_runs(self._worker.pool):
            self._celery_handlers[self._number](self._number, None)
        else:
            state.should_terminate = EX_FAILURE

    def _cancel_consumer(self) -> None:
        consumer = self._worker.consumer
        if consumer.task_consumer:
            ignore_errors(consumer, consumer.task_consumer.cancel)

    def _call(self, duty: Callable[[], None]) -> None:
        """Run a duty in the worker's loop, or here where the pool has none (greenlets)."""
        if self._worker.hub is None:
            duty()
        else:
            self._worker.hub.call_soon(duty)


def _is_set(flag: int | bool | None) -> bool:
    """Whether Celery has set one of its flags: to an exit code, of which 0 is one."""
    return flag is not None and flag is not False


def can_end_runs(pool: Any) -> bool:
    """Whether a pool can kill a run: processes and greenlets can be killed, threads cannot."""
    return getattr(pool.terminate_job, "__func__", None) is not BasePool.terminate_job
