"""How a worker stops in order: what it runs may end within a grace, the rest is given back.

Celery waits out the whole grace in a signal's handler, where no end of a run is heard of. Here its
loop goes on meanwhile, and the worker ends as soon as nothing runs. Celery's own setting says how
long the grace is.
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
LOOK_SECONDS = 0.2
URGE_AFTER = 1.0  # seconds in which a worker that is to end has not begun to
LEAVE_AFTER = 2.0  # and in which it has not ended then


class PlannedStop:
    """One worker's.

    `give_back` gives back what still runs, `abandon` ends a process that nothing else ends.
    """

    def __init__(
        self, worker: Any, give_back: Callable[[], None], abandon: Callable[[], None]
    ) -> None:
        self._worker = worker
        self._give_back = give_back
        self._abandon = abandon
        self._grace = float(worker.app.conf.worker_soft_shutdown_timeout or 0)
        self._celerys: dict[int, Callable[[int, FrameType | None], Any]] = {}
        self._number = signal.SIGTERM
        self._deadline = inf
        self._asked = threading.Event()
        self._ending = False

    def install(self) -> None:
        """Take the signals for such a stop.

        Only in the main thread, once Celery has its handlers in place.
        """
        for name in SIGNALS:
            number = signal.Signals[name]
            self._celerys[number] = signal.getsignal(number)  # type: ignore[assignment]
            signal.signal(number, self._on_signal)
        self._worker.wait_for_soft_shutdown = lambda: None
        threading.Thread(target=self._attend, name="stop", daemon=True).start()

    @property
    def is_begun(self) -> bool:
        """Whether the worker takes no more tasks."""
        told = state.should_stop, state.should_terminate
        return self._deadline < inf or any(word not in (None, False) for word in told)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._number = signal.Signals(number)
        if self._deadline == inf and self._grace > 0 and state.active_requests:
            logger.warning("This worker stops: what runs has %g seconds to end", self._grace)
            self._deadline = time.monotonic() + self._grace
            self._asked.set()
        elif can_end_runs(self._worker.pool):
            self._celerys[number](number, frame)
        else:
            raise WorkerTerminate(EX_FAILURE)

    def _attend(self) -> None:
        self._asked.wait()
        while state.active_requests and time.monotonic() < self._deadline:
            self._call(self._take_no_more)
            time.sleep(LOOK_SECONDS)
        if not can_end_runs(self._worker.pool):
            self._give_back()
        self._call(self._end)
        time.sleep(URGE_AFTER)
        if not self._ending:  # its loop stands still, or is where a task runs
            os.kill(os.getpid(), self._number)
        time.sleep(LEAVE_AFTER)
        if not self._ending and not can_end_runs(self._worker.pool):
            self._abandon()

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
        """Have the worker's loop do it; a pool of greenlets has no loop, and needs none."""
        if self._worker.hub is None:
            duty()
        else:
            self._worker.hub.call_soon(duty)


def can_end_runs(pool: Any) -> bool:
    """Whether a pool can end a run from outside: processes and greenlets can be, threads cannot."""
    return getattr(pool.terminate_job, "__func__", None) is not BasePool.terminate_job
