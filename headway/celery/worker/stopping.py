"""Stops a worker in order: its runs may end within a grace period, the rest is given back.

Celery waits out the whole period in a signal handler, where it does not notice the end of a run.
Here its loop goes on meanwhile, and the worker ends as soon as nothing runs: a run that saves where
it is ends at its next save (see `Maintenance`). The period is Celery's own setting,
`worker_soft_shutdown_timeout`.
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

from celery.apps.worker import REMAP_SIGTERM
from celery.concurrency.base import BasePool
from celery.exceptions import WorkerTerminate
from celery.platforms import EX_FAILURE
from celery.worker import state
from kombu.common import ignore_errors

logger = logging.getLogger(__name__)

SIGNALS = ("SIGQUIT", "SIGTERM") if REMAP_SIGTERM == "SIGQUIT" else ("SIGQUIT",)
POLL_SECONDS = 0.05
MAX_WAIT_FOR_LOOP_SECONDS = 0.5  # one that runs a task itself takes no other meanwhile
URGE_AFTER = 1.0  # seconds after which a worker that has not begun to end gets the signal again
LEAVE_AFTER = 2.0  # further seconds after which one that has still not begun is abandoned


class PlannedStop:
    """The planned stop of one worker.

    `ask_to_leave` asks what runs to end at its next save; `give_back` gives back what still runs;
    `abandon` ends a process that nothing else can end.
    """

    def __init__(
        self,
        worker: Any,
        ask_to_leave: Callable[[], None],
        give_back: Callable[[], None],
        abandon: Callable[[], None],
    ) -> None:
        self._worker = worker
        self._ask_to_leave = ask_to_leave
        self._give_back = give_back
        self._abandon = abandon
        self._grace = float(worker.app.conf.worker_soft_shutdown_timeout or 0)
        self._celerys: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._number = signal.SIGTERM
        self._deadline = inf
        self._asked = threading.Event()
        self._may_give_back = threading.Event()
        self._ending = False

    def install(self) -> None:
        """Take over the signals for a stop.

        To be called in the main thread, once Celery's own handlers are in place.
        """
        for name in SIGNALS:
            number = signal.Signals[name]
            self._celerys[number] = signal.getsignal(number)  # type: ignore[assignment]
            signal.signal(number, self._on_signal)
        self._worker.wait_for_soft_shutdown = lambda: None
        threading.Thread(target=self._attend, name="stop", daemon=True).start()

    @property
    def is_begun(self) -> bool:
        """Whether the worker has been told to stop, and is to take no more tasks."""
        return self._deadline < inf or _celery_stops()

    @property
    def may_give_back(self) -> bool:
        """Whether what runs may go back to its queue: this worker would not take it again."""
        return self._may_give_back.is_set() or _celery_stops()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._number = signal.Signals(number)
        if self._deadline == inf and self._grace > 0 and state.active_requests:
            logger.warning("This worker stops: what runs has %g seconds to end", self._grace)
            self._deadline = time.monotonic() + self._grace
            self._asked.set()
        elif can_end_runs(self._worker.pool):
            self._celerys[number](number, frame)
        else:
            state.should_terminate = EX_FAILURE  # in a finalizer Python drops what is raised
            raise WorkerTerminate(EX_FAILURE)

    def _attend(self) -> None:
        self._asked.wait()
        self._stop_taking()
        self._ask_to_leave()
        while state.active_requests and time.monotonic() < self._deadline:
            self._call(self._take_no_more)
            time.sleep(POLL_SECONDS)
        if not can_end_runs(self._worker.pool):
            self._give_back()
        self._call(self._end)
        time.sleep(URGE_AFTER)
        if not self._ending:  # its loop stands still, or its thread runs a task
            os.kill(os.getpid(), self._number)
        time.sleep(LEAVE_AFTER)
        if not self._ending and not can_end_runs(self._worker.pool):
            self._abandon()

    def _stop_taking(self) -> None:
        """Cancel the consumer before anything goes back, lest this worker take it again."""
        taken_last = threading.Event()

        def stop() -> None:
            self._take_no_more()
            taken_last.set()

        self._call(stop)
        taken_last.wait(MAX_WAIT_FOR_LOOP_SECONDS)
        self._may_give_back.set()

    def _end(self) -> None:
        self._ending = True
        if can_end_runs(self._worker.pool):
            self._celerys[self._number](self._number, None)
        else:
            state.should_terminate = EX_FAILURE

    def _take_no_more(self) -> None:
        consumer = self._worker.consumer
        if consumer.task_consumer:
            ignore_errors(consumer, consumer.task_consumer.cancel)

    def _call(self, duty: Callable[[], None]) -> None:
        """Run a duty in the worker's loop, or here where the pool has none (greenlets)."""
        if self._worker.hub is None:
            duty()
        else:
            self._worker.hub.call_soon(duty)


def _celery_stops() -> bool:
    told = state.should_stop, state.should_terminate
    return any(word not in (None, False) for word in told)


def can_end_runs(pool: Any) -> bool:
    """Whether a pool can kill a run: processes and greenlets can be killed, threads cannot."""
    return getattr(pool.terminate_job, "__func__", None) is not BasePool.terminate_job
