"""Celery's result backend on Headway's records: the one place through which every change of every task passes.

An existing Celery project becomes live with two settings:

    result_backend = "app.backend.LiveBackend+redis://localhost:6379/0"
    task_cls = "app.backend:LiveTask"
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import uuid4

from celery import Task, signals, states
from celery.app.task import Context
from celery.backends.redis import RedisBackend
from celery.exceptions import Ignore, Retry, TaskRevokedError
from redis.exceptions import RedisError

from app.records import UNCLAIMED, Delivery, Records, connect
from app.snapshot import Phase, error_of, phase_of, progress_fields, success_fields

logger = logging.getLogger(__name__)

FENCE = "headway_fence"  # the request's key for the token of its delivery
REPORT = "headway_report"  # the request's key for what a run has said through app.progress
REPLACEMENT = 1_000_000  # a replaced task counts its retries anew, so one replacement outweighs them all
DEFAULT_ATTEMPTS = 4

T = TypeVar("T")


@signals.task_received.connect
def mark_delivery(request: Any, **_: Any) -> None:
    """Give each delivery a token in the worker's parent, so that what the parent writes (time limits, lost workers,
    revokes) carries the same one as what the child writes."""
    request.request_dict[FENCE] = uuid4().hex


def delivery_of(request: Context | None) -> Delivery:
    """Return which delivery a request is; none at all without a request."""
    if request is None:
        return Delivery()
    order = (request.replaced_task_nesting or 0) * REPLACEMENT + (request.retries or 0)
    return Delivery(getattr(request, FENCE, UNCLAIMED), order)


class LiveTask(Task):
    """A task whose runs are claimed: of two deliveries of one task, one runs."""

    abstract = True
    max_retries = DEFAULT_ATTEMPTS - 1

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Claim the record. Raises Ignore (Celery then drops the delivery) when it is not this delivery's turn."""
        if self.request.is_eager or not isinstance(self.backend, LiveBackend):
            return
        verdict = self.backend.claim(task_id, self)
        if verdict != "claimed":
            raise Ignore(f"{self.name}[{task_id}] is {verdict}: this delivery is dropped")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the body; what it said last is sent also when it fails."""
        try:
            return super().__call__(*args, **kwargs)
        except BaseException:
            report = self.request.__dict__.get(REPORT)
            if report:
                report.flush()
            raise


class LiveBackend(RedisBackend):
    """Stores each state as a write of the task's record.

    A write is refused when the task has ended or a newer delivery has taken over; it then has no effect at all: it
    counts in no chord and calls no error callback.
    """

    def __init__(self, app: Any, url: str | None = None, **kwargs: Any) -> None:
        super().__init__(app=app, url=url, **kwargs)
        timeout = float(app.conf.redis_socket_timeout or 5)
        ttl_days = (self.expires or 7 * 86400) / 86400
        self.records = Records(connect(self.as_uri(include_password=True), timeout), ttl_days)

    def claim(self, task_id: str, task: Any) -> str:
        """Claim a record for the running delivery of `task`; see `Records.claim`."""
        request = task.request
        if not hasattr(request, FENCE):
            setattr(request, FENCE, uuid4().hex)
        return self._until_stored(
            lambda: self.records.claim(
                task_id,
                delivery_of(request),
                name=task.name,
                max_attempts=_attempts_of(task),
                hostname=request.hostname or "",
            )
        )

    def store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Context | None = None,
        **_: Any,
    ) -> Any:
        """Store any state of any task, as Celery's contract says; a refused write changes nothing and is no error."""
        self._store(task_id, result, state, traceback, request)
        return result

    def mark_as_done(
        self,
        task_id: str,
        result: Any,
        request: Context | None = None,
        store_result: bool = True,
        state: str = states.SUCCESS,
    ) -> None:
        keep = store_result and not (request is not None and request.ignore_result)
        stored = self._store(task_id, result if keep else None, state, None, request)
        if stored and request is not None and request.chord:
            self.on_chord_part_return(request, state, result)

    def mark_as_failure(
        self,
        task_id: str,
        exc: BaseException,
        traceback: str | None = None,
        request: Context | None = None,
        store_result: bool = True,
        call_errbacks: bool = True,
        state: str = states.FAILURE,
    ) -> None:
        if not self._store(task_id, exc, state, traceback, request) or request is None:
            return
        if request.chord:
            self.on_chord_part_return(request, state, exc)
        self._fail_chain(getattr(request, "chain", None), exc, traceback, store_result=store_result, state=state)
        if call_errbacks and request.errbacks:
            self._call_task_errbacks(request, exc, traceback)

    def mark_as_revoked(
        self,
        task_id: str,
        reason: str = "",
        request: Context | None = None,
        store_result: bool = True,
        state: str = states.REVOKED,
    ) -> None:
        exc = TaskRevokedError(reason)
        if self._store(task_id, exc, state, None, request) and request is not None and request.chord:
            self.on_chord_part_return(request, state, exc)

    def _forget(self, task_id: str) -> None:
        self.records.forget(task_id)

    def _store(self, task_id: str, value: Any, state: str, traceback: str | None, request: Context | None) -> bool:
        phase = phase_of(state)
        encoded = self.encode_result(value, state)
        meta = self._get_result_meta(encoded, state, traceback, request) | {"task_id": task_id}
        task = self.app.tasks.get(getattr(request, "task", None))
        write_id = uuid4().hex

        def write() -> bool:
            return self.records.write(
                task_id,
                delivery_of(request),
                phase,
                _fields(phase, state, value),
                meta=self.encode(meta),
                name=getattr(request, "task", None) or "unknown",
                max_attempts=_attempts_of(task),
                retry_in=_retry_delay(value),
                write_id=write_id,
            )

        if phase != Phase.RUNNING:
            return self._until_stored(write)
        try:
            return write()
        except RedisError as error:  # the next report says it anew
            logger.warning("A progress report of %s was not stored: %s", task_id, error)
            return False

    def _until_stored(self, write: Callable[[], T]) -> T:
        """Try until Redis answers: a task's start and its outcome must not be lost with one connection."""
        return self.ensure(write, (), max_retries=None)  # type: ignore[no-any-return]  # Celery is untyped


def _fields(phase: Phase, state: str, value: Any) -> dict[str, Any]:
    """Return what a Celery state and its value say, as keys of the snapshot."""
    if phase == Phase.RUNNING:
        return progress_fields(state, value)
    if phase == Phase.SUCCEEDED:
        return success_fields(value) | {"error": None, "step": None}
    if phase == Phase.RETRYING:
        return {"error": error_of(value), "status": "", "current": 0, "total": 1, "step": None}
    if phase == Phase.FAILED:
        error = error_of(value)
        return {"error": error, "status": error["message"]}
    if phase == Phase.CANCELLED:
        return {"status": str(value), "error": None}
    return {}


def _retry_delay(value: Any) -> float:
    """Return in how many seconds the next attempt starts.

    Celery hands only the cause to `mark_as_retry`; the Retry that knows the time is the exception being handled.
    """
    retry = value if isinstance(value, Retry) else sys.exc_info()[1]
    when = getattr(retry, "when", None)
    if isinstance(when, datetime):
        when = (when - datetime.now(when.tzinfo or UTC)).total_seconds()
    return max(0.0, float(when or 0.0))


def _attempts_of(task: Any) -> int:
    retries = getattr(task, "max_retries", None)
    return DEFAULT_ATTEMPTS if retries is None else int(retries) + 1
