"""Notifies a task's dependents of its end, whichever process stores that."""

from __future__ import annotations

from typing import Any

from celery import states
from celery.app.task import Context
from celery.exceptions import SecurityError

from headway.celery.error_text import error_of
from headway.celery.storing.dependents import concern, notify, request_of
from headway.celery.storing.persistence import until_stored
from headway.shapes import TaskMessage
from headway.store.model import STORED, Outcome
from headway.store.records import Records


class DependentNotifier:
    """Notifies the dependents of a task, or leaves that to maintenance."""

    def __init__(self, backend: Any, records: Records) -> None:
        self._backend = backend
        self._records = records

    def notify_dependents(self, task_id: str, message: TaskMessage) -> None:
        """Notify the dependents that an ended task's kept message names."""
        self._notify_late(request_of(task_id, self._backend.outbox.signature_from(message)))

    def notify_by_request(self, request: Context) -> None:
        """Notify those that a later delivery names, unless that is done or being done."""
        if concern(request, states.FAILURE) and until_stored(
            lambda: self._records.maintenance.may_notify(request.id)
        ):
            self._notify_late(request)

    def notify(
        self,
        outcome: Outcome,
        request: Context | None,
        state: str,
        result: Any,
        *rest: Any,
        **how: Any,
    ) -> None:
        """Notify a task's dependents of an end that was stored here, or stored without them.

        The next task that waits for its turn behind this one is sent, too.
        """
        if outcome in STORED:
            self._backend.outbox.send_next(request)
        if not concern(request, state):
            return
        if outcome == Outcome.FINAL:
            self.notify_by_request(request)
        elif (
            outcome in STORED
            and notify(self._backend, request, state, result, *rest, **how)
            and not request.is_eager
        ):
            until_stored(lambda: self._records.maintenance.mark_notified(request.id))

    def _notify_late(self, request: Context) -> None:
        state, result = self._end_of(request.id)
        ended = state in self._backend.READY_STATES and concern(request, state)
        if not ended or notify(self._backend, request, state, result):
            until_stored(lambda: self._records.maintenance.mark_notified(request.id))

    def _end_of(self, task_id: str) -> tuple[str, Any]:
        """Return the Celery state in which a task has ended, and its result or exception."""
        meta = self._backend.decode(self._backend.get(self._backend.get_key_for_task(task_id))) or {
            "status": states.PENDING,
            "result": None,
        }
        state = meta["status"]
        result = meta["result"]
        if state not in self._backend.EXCEPTION_STATES:
            return state, result
        try:
            return state, self._backend.exception_to_python(result)
        except (TypeError, ValueError, SecurityError):  # a program has stored it by hand
            return state, RuntimeError(error_of(result)["message"])
