"""Claims the records of tasks for the runs that a worker begins."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import uuid4

from celery.app.task import Context
from celery.exceptions import WorkerLostError

from headway.celery.messages.priorities import step_of
from headway.celery.storing.attempts import attempts_of
from headway.celery.storing.fencing import FENCE, delivery_of, signature_of, without_expiry
from headway.celery.storing.persistence import until_stored
from headway.message_headers import RECORDED, SEND
from headway.store.model import Outcome, Source
from headway.store.records import Records

logger = logging.getLogger(__name__)

# How long a claim waits, at most, for the first sweep after Redis was away.
EARLY_SECONDS = 10.0
EARLY_PAUSE_SECONDS = 0.1


class RunClaims:
    """Claims records for runs, and handles deliveries whose claim is refused."""

    def __init__(self, backend: Any, records: Records) -> None:
        self._backend = backend
        self._records = records

    def claim(self, task_id: str, task: Any) -> Outcome:
        """Claim a record for the running delivery of `task`; see `RunRecords.claim`.

        A process can die before its worker knows that it has started; the pool then hands the
        delivery to another process.
        """
        request = task.request
        if not hasattr(request, FENCE):
            setattr(request, FENCE, uuid4().hex)
        message = signature_of(task, request)
        outcome = _until_swept(
            partial(
                self._records.runs.claim,
                task_id,
                delivery_of(request),
                uuid4().hex,
                message=self._backend.outbox.as_stored(without_expiry(message), task),
                unbegun=self._backend.outbox.as_stored(message, task),
                max_attempts=attempts_of(task, request),
                hostname=request.hostname or "",
                source=self.source_of(request),
                priority=step_of(message["options"].get("priority"), task.app.conf),
            )
        )
        if outcome == Outcome.EXPIRED:
            logger.warning(
                "Task %s came again after its record had expired, and is not run", task_id
            )
        if outcome in (Outcome.FINAL, Outcome.CANCELLED):
            self._backend.dependents.notify_by_request(request)
        if outcome == Outcome.LOST:
            self._backend.mark_as_failure(
                task_id, WorkerLostError("Worker exited prematurely."), request=request
            )
        return outcome

    def source_of(self, request: Context) -> Source:
        """Return where a request's message comes from."""
        tag = (request.properties or {}).get("delivery_tag")
        held = (
            f"{self._backend.unacked} {tag}"
            if self._backend.unacked and isinstance(tag, str)
            else ""
        )
        # In protocol 1 a message's headers are separate from Celery's own fields of the task.
        apart = request.headers if isinstance(request.headers, Mapping) else {}
        recorded_id = getattr(request, RECORDED, "") or apart.get(RECORDED, "")
        return Source(getattr(request, SEND, ""), recorded_id == request.id, held)


def _until_swept(claim: Callable[..., Outcome]) -> Outcome:
    """Claim; repeat that while no sweep has seen Redis since it was away."""
    began = time.monotonic()
    while True:
        patient = time.monotonic() - began < EARLY_SECONDS
        outcome = until_stored(partial(claim, patient=patient))
        if outcome != Outcome.EARLY:
            return outcome
        time.sleep(EARLY_PAUSE_SECONDS)
