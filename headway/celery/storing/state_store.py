"""Stores Celery's states as changes of records."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from celery import states
from celery.app.task import Context
from celery.exceptions import Retry

from headway.celery.error_text import error_of
from headway.celery.storing.attempts import retry_delay
from headway.celery.storing.fencing import FENCE, delivery_of
from headway.celery.storing.persistence import until_stored
from headway.celery.storing.writes import WriteBuilder
from headway.snapshot import Phase, phase_by_hand, phase_of
from headway.store.connection import FunctionPipeline
from headway.store.errors import RedisUnavailable
from headway.store.model import UNCLAIMED, NotifiedBy, Outcome, StateWrite
from headway.store.records import Records
from headway.throttled import ThrottledLogger

logger = logging.getLogger(__name__)
throttled = ThrottledLogger(logger)


class StateStore:
    """Stores the states of tasks: a report once, any other until Redis has it."""

    def __init__(self, backend: Any, records: Records) -> None:
        self._backend = backend
        self._records = records
        self.writes = WriteBuilder(backend)

    def store(
        self,
        task_id: str,
        value: Any,
        state: str,
        traceback: str | None,
        request: Context | None,
        notified_by: NotifiedBy = "maintenance",
        *,
        by_hand: bool = False,
    ) -> Outcome:
        """Store a state; return what `RunRecords.write` does, or UNSTORED."""
        if (
            request is not None
            and request.is_eager
            and not self._backend.app.conf.task_store_eager_result
        ):
            return Outcome.WRITTEN  # as Celery's own: an eager run leaves no trace
        phase = phase_by_hand(state, begun=False) if by_hand else phase_of(state)
        write = self.writes.write_of(task_id, value, state, traceback, request, phase)
        if write.phase == Phase.RUNNING:
            return self.begin(write)()
        write = write._replace(notified_by=notified_by)
        return until_stored(lambda: self._records.runs.write(write))

    def store_end(
        self,
        task_id: str,
        exc: BaseException | None,
        state: str,
        traceback: str | None,
        request: Context | None,
        notified_by: NotifiedBy,
    ) -> Outcome:
        """Store how a run ended, or only its error message if the rest cannot be stored.

        Returns what `RunRecords.write` does, or UNSTORED. Never raises: Celery calls this from its
        consumer too, and an exception there would end the worker.
        """
        try:
            return self.store(task_id, exc, state, traceback, request, notified_by)
        except Exception:
            logger.exception("%s of task %s cannot be stored as it is", state, task_id)
        said = error_of(exc)
        plain = {"exc_type": said["type"], "exc_message": [said["message"]], "exc_module": None}
        delivery = {
            FENCE: getattr(request, FENCE, UNCLAIMED),
            "retries": getattr(request, "retries", 0),
        }
        nesting = getattr(request, "replaced_task_nesting", 0)
        bare = Context(
            delivery, id=task_id, replaced_task_nesting=nesting, delivery_info={}, task=None
        )
        try:
            return self.store(task_id, plain, state, None, bare if request else None, notified_by)
        except Exception as error:
            logger.error("%s of task %s is not stored: %s", state, task_id, error)
            return Outcome.UNSTORED

    def begin(
        self, write: StateWrite, pipeline: FunctionPipeline | None = None
    ) -> Callable[[], Outcome]:
        """Send a report, in a pipeline if one is given; return a function that awaits its outcome.

        A report that Redis does not take is UNSTORED and not sent again: the next one repeats it.
        """

        def unstored(error: RedisUnavailable) -> Outcome:
            throttled.warning("A progress report of %s was not stored: %s", write.task_id, error)
            return Outcome.UNSTORED

        try:
            reply = self._records.runs.begin_write(write, (), pipeline)
        except RedisUnavailable as error:
            return partial(unstored, error)

        def outcome() -> Outcome:
            try:
                return reply()
            except RedisUnavailable as error:
                return unstored(error)

        return outcome

    def mark_lost(self, task_id: str, request: Context | None) -> Outcome:
        return until_stored(lambda: self._records.runs.mark_lost(task_id, delivery_of(request)))

    def leave_to_successor(self, task_id: str, exc: BaseException, request: Context | None) -> bool:
        """Store a run that exceeded its time limit as a retry, if it had asked for one.

        Returns whether it is one: the run had asked, and an attempt is left.
        """
        due = until_stored(lambda: self._records.outbox.successor_due(task_id))
        if due is None:
            return False
        try:
            raise Retry(exc=exc, when=due)
        except Retry as retry:  # as when Celery stores one, it is being handled
            outcome = self.store_end(task_id, exc, states.RETRY, None, request, "maintenance")
            if outcome == Outcome.WRITTEN and not retry_delay(retry, self._backend.app):
                self._backend.outbox.send_due(task_id)
        return outcome != Outcome.EXHAUSTED
