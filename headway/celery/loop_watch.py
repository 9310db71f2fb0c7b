"""Freeing a worker's loop that stands still."""

from __future__ import annotations

import logging
from typing import Any

from celery import bootsteps

from headway.celery import broker

logger = logging.getLogger(__name__)

STUCK_AFTER = 20  # rounds in which Redis answered, and the worker's own loop did not turn once


class LoopWatch:
    """Counts for how long a worker's loop has not turned."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._still = 0  # rounds since the worker's own loop has turned

    @property
    def is_stuck(self) -> bool:
        return self._still >= STUCK_AFTER

    def check(self) -> None:
        """Free a loop that is stuck: kombu reads its pub/sub connection without a limit, also
        one that is half-open.
        """
        if not self._worker.pool.uses_semaphore or self._worker.blueprint.state != bootsteps.RUN:
            # Only prefork's loop is free while tasks run, and none is while its worker stops.
            return
        self._still = still = self._still + 1  # the loop may set it back at any moment
        self._worker.hub.call_soon(self._turned)
        if still % STUCK_AFTER == 0:
            logger.warning(
                "The worker's loop is stuck; its connections to the broker are broken off"
            )
            broker.break_off(self._worker.consumer.connection)

    def _turned(self) -> None:
        self._still = 0
