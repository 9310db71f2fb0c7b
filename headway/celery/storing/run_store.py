"""Stores what the runs of tasks report, and how they end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.app.task import Context
from celery.exceptions import WorkerLostError

from headway.celery.storing.dependents import request_of
from headway.celery.storing.fencing import (
    ENDED,
    FENCE,
    delivery_of,
    signature_of,
    without_expiry,
)
from headway.celery.storing.persistence import until_stored
from headway.celery.storing.state_store import StateStore
from headway.questions import Asked
from headway.shapes import TaskMessage
from headway.snapshot import FINAL, phase_by_hand
from headway.store.connection import FunctionPipeline
from headway.store.errors import RedisUnavailable
from headway.store.model import STORED, Outcome, Save
from headway.store.records import Records

logger = logging.getLogger(__name__)

NO_SAVE = Save()


class RunStore:
    """Stores what runs report until they end or are given up."""

    def __init__(self, backend: Any, records: Records, states: StateStore) -> None:
        self._backend = backend
        self._records = records
        self._states = states

    def report(
        self,
        request: Context,
        state: str | None,
        meta: Any,
        bar: int | None = None,
        *,
        save: Save = NO_SAVE,
        may_stop: bool = False,
    ) -> Outcome:
        """Store a run's report, and what it saves with it.

        Within bar number `bar` its numbers never go back. Returns what `RunRecords.write`
        does, or UNSTORED.
        """
        return self.begin_report(request, state, meta, bar=bar, save=save, may_stop=may_stop)()

    def begin_report(
        self,
        request: Context,
        state: str | None,
        meta: Any,
        *,
        bar: int | None = None,
        save: Save = NO_SAVE,
        may_stop: bool = False,
        pipeline: FunctionPipeline | None = None,
    ) -> Callable[[], Outcome]:
        """Send a run's report, in a pipeline if one is given.

        Returns a function that waits for the reply and returns what `report` does; it must be
        called.
        """
        if getattr(request, ENDED, False):
            return lambda: Outcome.WRITTEN  # the run has itself stored an end, and goes on
        state = state or "PROGRESS"
        write = self._states.writes.write_of(
            request.id, meta, state, None, request, phase_by_hand(state, begun=True)
        )
        if bar is not None:
            write = write._replace(fields={**write.fields, "bar": bar})
        write = write._replace(saved=save.text, written=save.written, may_stop=may_stop)
        if write.phase not in FINAL:
            return self._states.begin(write, pipeline)
        outcome = until_stored(lambda: self._records.runs.write(write))
        setattr(request, ENDED, outcome in STORED)
        return lambda: outcome

    def pipeline(self) -> FunctionPipeline:
        """Return a pipeline for the reports of one run."""
        return self._records.client.function_pipeline()

    def read_saved(self, request: Context) -> tuple[Outcome, str, str]:
        """Return what earlier runs of a run's task saved; see `RunRecords.read_saved`."""
        return until_stored(lambda: self._records.runs.read_saved(request.id, delivery_of(request)))

    def ask(self, task: Any, request: Context, question: Asked) -> Outcome:
        """Ask a person, with which a run ends; see `RunRecords.ask`."""
        message = without_expiry(signature_of(task, request))
        stored = self._backend.outbox.as_stored(message, task)
        outcome = until_stored(
            lambda: self._records.runs.ask(request.id, delivery_of(request), question, stored)
        )
        if outcome == Outcome.WAITING:
            self._backend.outbox.send_next(request)  # meanwhile it has no turn of its owner's
        return outcome

    def abandon(self, request: Context) -> None:
        """Give up a run that ends without an outcome."""
        until_stored(lambda: self._records.runs.abandon(request.id, delivery_of(request)))

    def release(self, task_id: str, token: str, *, is_sent_again: bool) -> None:
        """Release the task of a run that its stopping worker has ended.

        `is_sent_again`: the broker has its message no more. If Redis is away, its lease runs out
        instead.
        """
        try:
            self._records.maintenance.release([(task_id, token)], [task_id] * is_sent_again)
        except RedisUnavailable as error:
            logger.warning("Task %s is not given back now: %s", task_id, error)

    def give_up(self, task_id: str, token: str, message: TaskMessage | None) -> None:
        """Fail a task whose last attempt was lost with its worker; `token` is that attempt's."""
        try:
            known = self._backend.outbox.signature_from(message or {})
        except Exception as error:
            logger.warning(
                "The dependents of task %s cannot be notified of its end: %s", task_id, error
            )
            known = dict(message or {})
        request = request_of(task_id, known, **{FENCE: token})
        self._backend.mark_as_failure(
            task_id,
            WorkerLostError("Its worker died and no attempts remain."),
            request=request,
        )
