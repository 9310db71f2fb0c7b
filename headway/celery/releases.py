"""What Celery 5.6 lacks of 5.7, as far as Headway rests on it.

Each is asked for by the name of a part that 5.7 has and 5.6 has not. One more stands where it is
used: `compression` of a backend, in `headway/celery/storing/lean_backend.py`.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from celery import signals
from celery.app.task import Context
from celery.backends.base import Backend
from celery.exceptions import Reject, Terminated, WorkerLostError
from celery.utils.serialization import get_pickled_exception
from celery.worker import request
from kombu.utils.encoding import safe_repr


class Request(request.Request):
    """A request whose failures end a task as those of 5.7 do, also in 5.6."""

    def on_failure(
        self, exc_info: ExceptionInfo, send_failed_event: bool = True, return_ok: bool = False
    ) -> None:
        """Record that a run failed, also one that 5.6 would leave as running for ever."""
        if not hasattr(self, "_worker_lost_info"):
            exc_info = self._complete(exc_info, send_failed_event)
        super().on_failure(exc_info, send_failed_event, return_ok)

    def _complete(self, exc_info: ExceptionInfo, send_failed_event: bool) -> ExceptionInfo:
        """Store what 5.6 would not; return what it takes for a lost process where there is one."""
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        if isinstance(error, SystemExit | KeyboardInterrupt):
            return _loss(error, Terminated if self._has_ended else WorkerLostError)
        if isinstance(error, Reject) and not error.requeue:
            self._fail_rejected(error, exc_info, send_failed_event)
        return exc_info

    @property
    def _has_ended(self) -> bool:
        """Whether the worker has cancelled or revoked it: what its process did then is no loss."""
        return bool(self._already_cancelled or self._already_revoked)

    def _fail_rejected(self, error: Reject, exc_info: ExceptionInfo, send_event: bool) -> None:
        """Store the end of a task whose message goes back to no queue."""
        self.task.backend.mark_as_failure(
            self.id, error, request=self._context, store_result=self.store_errors
        )
        signals.task_failure.send(
            sender=self.task,
            task_id=self.id,
            exception=error,
            args=self.args,
            kwargs=self.kwargs,
            traceback=exc_info.traceback,
            einfo=exc_info,
        )
        if send_event:
            shown = safe_repr(get_pickled_exception(exc_info.exception))
            self.send_event("task-failed", exception=shown, traceback=exc_info.traceback)


def _loss(error: BaseException, kind: type[Exception]) -> ExceptionInfo:
    """Return what a pool reports of a process that is gone."""
    try:
        raise kind(f"Worker exited prematurely: {error!r}.") from error
    except kind:
        return ExceptionInfo()


def fail_chain(
    backend: Any, chain: Any, error: Any, traceback: str | None, *, store_result: bool, state: str
) -> None:
    """Store a failure for the tasks after a failed one in its chain; `state` is Celery's."""
    if hasattr(Backend, "_fail_chain"):
        backend._fail_chain(chain, error, traceback, store_result=store_result, state=state)
        return
    steps = deque(chain if isinstance(chain, list | tuple) else ())
    while steps:
        step = _step_of(steps.popleft())
        if store_result and step.id is not None:
            backend.store_result(step.id, error, state, traceback=traceback, request=step)
        if "chord" in step.options:
            backend.on_chord_part_return(step, state, error)
        if getattr(step, "subtask_type", None) == "chord":
            steps.append(step.kwargs["body"])  # what follows waits for it


def _step_of(signature: Any) -> Context:
    """Return as much of a request as a backend needs of a task that has not been sent."""
    step = Context(signature)
    step.update(step.options)
    step.id = step.options.get("task_id")
    step.group = step.options.get("group_id")
    return step
