"""Detects and frees a worker's event loop that is stuck."""

from __future__ import annotations

import logging
from typing import Any

from celery import bootsteps

from headway.celery.messages import broker

logger = logging.getLogger(__name__)

STUCK_AFTER = 20  # sweeps in which Redis answered while the worker's loop did not turn


class LoopWatch:
    """Counts the sweeps since a worker's loop last turned."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._missed_sweeps = 0  # sweeps since the worker's loop last turned

    @property
    def is_stuck(self) -> bool:
        return self._missed_sweeps >= STUCK_AFTER

    def check(self) -> None:
        """Free a loop that is stuck, by breaking off the worker's broker connections.

        kombu reads its pub/sub connection without a timeout, even if it is half-open.
        """
        if not self._worker.pool.uses_semaphore or self._worker.blueprint.state != bootsteps.RUN:
            # Only prefork's loop turns while tasks run, and none does while its worker stops.
            return
        missed = self._missed_sweeps + 1
        self._missed_sweeps = missed  # the loop may reset it at any moment
        self._worker.hub.call_soon(self._turned)
        if missed % STUCK_AFTER == 0:
            logger.warning(
                "The worker's loop is stuck; its connections to the broker are broken off"
            )
            broker.break_off(self._worker.consumer.connection)

    def _turned(self) -> None:
        self._missed_sweeps = 0
