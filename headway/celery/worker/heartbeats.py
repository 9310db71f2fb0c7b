"""A worker's heartbeats for Flower and `celery events`, from a thread of their own.

Celery sends them from the worker's loop, which a Redis that hangs would block.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from celery.utils.sysinfo import load_average
from celery.worker import state
from celery.worker.state import SOFTWARE_INFO

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 2.0  # as Celery's own


class Heartbeats:
    """Sends a worker's heartbeats while its events are enabled."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeats", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Send no more, and say last that the worker is offline. A broker that hangs holds this."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        is_online = False
        while not self._stop.wait(INTERVAL_SECONDS):
            dispatcher = getattr(self._worker.consumer, "event_dispatcher", None)
            if dispatcher is None:  # not connected, or the worker stops
                continue
            if not dispatcher.enabled:
                is_online = False
            elif self._try("worker-heartbeat" if is_online else "worker-online"):
                is_online = True
        if is_online:  # else nobody has heard of it, or its events were turned off
            self._try("worker-offline")

    def _try(self, event: str) -> bool:
        """Send an event; returns whether it was sent."""
        try:
            self._send(event)
        except Exception as error:  # the next one may succeed
            logger.debug("A heartbeat is not sent: %s", error)
            return False
        return True

    def _send(self, event: str) -> None:
        with self._worker.app.events.default_dispatcher(
            hostname=self._worker.hostname
        ) as dispatcher:
            dispatcher.send(
                event,
                freq=INTERVAL_SECONDS,
                active=len(state.active_requests),
                processed=state.all_total_count[0],
                loadavg=load_average(),
                **SOFTWARE_INFO,
            )
