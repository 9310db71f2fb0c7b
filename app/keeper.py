"""What each worker does beside its tasks: it sends what the outbox holds, renews its leases, and says that it is there.

A Celery bootstep with a thread of the worker's parent: timers of Celery's event loop stop under `--pool=solo`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from celery import Celery, bootsteps
from celery.worker import state
from kombu.exceptions import OperationalError

from app.backend import FENCE
from app.records import Records, Unavailable
from app.tasks import send

logger = logging.getLogger(__name__)

ROUND_SECONDS = 0.5
GREET_EVERY = 10  # rounds
PRESENT_SECONDS = 15.0


class Keeper(bootsteps.StartStopStep):
    """Starts and stops the keeper's thread with the worker."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **_: Any) -> None:
        self._celery: Celery = worker.app
        self._records: Records = worker.app.backend.records
        self._name: str = worker.hostname
        self._slots: int = worker.concurrency
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self, worker: Any) -> None:
        self._thread.start()

    def stop(self, worker: Any) -> None:
        self._stop.set()
        self._thread.join()

    def terminate(self, worker: Any) -> None:
        self._stop.set()

    def _run(self) -> None:
        rounds = 0
        while not self._stop.wait(ROUND_SECONDS if rounds else 0):
            if rounds % GREET_EVERY == 0:
                self._try(self._renew)
            self._try(self._send_due)
            rounds += 1
        self._try(self._leave)

    def _try(self, duty: Callable[[], None]) -> None:
        """Do one of a round's duties; a failure of one must not keep the others from being done."""
        try:
            duty()
        except (Unavailable, OperationalError) as error:
            logger.warning("The keeper waits for Redis: %s", error)
        except Exception:
            logger.exception("The keeper's round failed")

    def _send_due(self) -> None:
        for task_id, message in self._records.due():
            send(self._celery, task_id, message)
            self._records.sent(task_id)

    def _renew(self) -> None:
        self._records.greet(self._name, self._slots, PRESENT_SECONDS)
        self._records.renew(_held())

    def _leave(self) -> None:
        self._records.greet(self._name, self._slots, 0)
        self._records.release(_held())


def _held() -> list[tuple[str, str]]:
    """Return `(task_id, token)` of what this worker runs."""
    return [(request.id, request.request_dict.get(FENCE, "")) for request in list(state.active_requests)]
