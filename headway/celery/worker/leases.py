"""A worker's leases in Redis: its own, and those of the tasks that it runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from celery.worker import state

from headway.celery.storing.fencing import FENCE
from headway.celery.worker.loop_watch import LoopWatch
from headway.celery.worker.namesakes import Namesakes
from headway.store.records import Records

logger = logging.getLogger(__name__)

RENEWALS = 4  # of a lease, while it lasts


class Renewal:
    """Renews leases in a thread of its own: maintenance may be busy for longer than they last."""

    def __init__(self, renew: Callable[[], None], lease_seconds: float) -> None:
        """`renew` does it once, and raises nothing."""
        self._renew = renew
        self._pause_seconds = lease_seconds / RENEWALS
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)

    def start(self) -> None:
        """Renew them now, and go on with it."""
        self._renew()
        self._thread.start()

    def stop(self) -> None:
        """Renew them no more."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._pause_seconds):
            self._renew()


class WorkerLeases:
    """Renews the leases of one worker, and releases them when it stops."""

    def __init__(self, worker: Any, worker_id: str, records: Records, loop: LoopWatch) -> None:
        """`worker_id` is unique to this process; `loop` watches its event loop."""
        self._worker = worker
        self._id = worker_id
        self._records = records
        self._loop = loop
        self._namesakes = Namesakes(records.lease_seconds)

    def renew(self, *, taking: bool) -> None:
        """Send a heartbeat, which renews all leases; `taking`: whether it takes more tasks."""
        runs = running()
        begun = {task_id for task_id, _ in runs}
        received = {request.id for request in list(state.reserved_requests)}
        consumer = getattr(self._worker, "consumer", None)  # a worker that starts has none yet
        received = (received | limited(consumer)) - begun
        if self._loop.is_stuck:
            received = set()  # it will not start them; others may
        namesakes = self._records.maintenance.heartbeat(
            self._id,
            self._worker.concurrency,
            runs,
            received,
            name=self._worker.hostname,
            queues=sorted(self._worker.app.amqp.queues.consume_from),
            taking=taking,
        )
        if self._namesakes.is_news(namesakes):
            logger.warning(
                "Another worker is named %s too: give each a name with -n", self._worker.hostname
            )

    def request_stop(self) -> None:
        """Ask runs to end at their next save; other workers resume them from there."""
        if runs := running():
            self._records.runs.request_stop(runs)

    def release(self) -> None:
        """Release the tasks that still run: other workers may run them."""
        self._records.maintenance.release(
            running(),
            {each.id for each in list(state.active_requests) if getattr(each, "is_spent", False)},
        )

    def deregister(self) -> None:
        """Release the tasks that still run, and remove this worker."""
        self.release()
        self._records.maintenance.deregister(self._id, self._worker.concurrency)


def limited(consumer: Any) -> set[str]:
    """Return the ids of what waits for its task's rate limit, which Celery has not reserved."""
    buckets = list(getattr(consumer, "task_buckets", {}).values())
    return {request.id for bucket in buckets if bucket for request, _ in list(bucket.contents)}


def running() -> list[tuple[str, str]]:
    """Return `(task_id, token)` of each task that this worker runs."""
    return [
        (request.id, request.request_dict.get(FENCE, "")) for request in list(state.active_requests)
    ]
