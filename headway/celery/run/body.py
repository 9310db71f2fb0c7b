"""Runs a task's body: sends its last report even if it fails, and stores each way it can end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from celery.app.trace import get_actual_ignore_result
from celery.exceptions import Ignore, Reject, Retry

from headway.celery.run import endings, programs
from headway.celery.run.loops import warn_of_renamed
from headway.celery.run.runs import Run, Stopped
from headway.store.model import Outcome


def run_body(run: Run, body: Callable[[], Any]) -> Any:
    """Run a body, and store how it ends where Celery would not."""
    task = run.task
    try:
        try:
            return _call_body(run, body)
        finally:
            run.check_raised()
    except Stopped as stopped:
        programs.end(run.origin)
        _close(run.streams)  # while the record still takes their last words
        if stopped.outcome == Outcome.CANCELLING:
            task.backend.mark_as_revoked(task.request.id, "Cancelled", task.request)
        raise Ignore(
            f"{task.name}[{task.request.id}] is {stopped.outcome}: this run ends"
        ) from None
    except (Ignore, Reject):
        task.backend.runs.abandon(task.request)
        if run.successor:
            task.backend.outbox.send_due(task.request.id)
        raise
    except Retry as retry:
        if _keeps_errors_to_itself(task):  # Celery then stores no retry either
            task.backend.mark_as_retry(task.request.id, retry.exc, request=task.request)
        raise
    finally:
        _end(run)


def _end(run: Run) -> None:
    """Send what the run has left to say and close what it has open, each whatever the others do."""
    with ExitStack() as ends:  # the last one first
        ends.callback(run.end)
        ends.callback(lambda: _close(run.sender))
        ends.callback(lambda: _close(run.relay))
        ends.callback(lambda: _close(run.streams))
        ends.callback(run.report_sender.close)
        warn_of_renamed(run)


def _close(part: Any) -> None:
    if part is not None:
        part.close()


def _call_body(run: Run, body: Callable[[], Any]) -> Any:
    """Run the body; a run with a successor ends as that, whatever its body does then."""
    try:
        result = body()
    except (Retry, Stopped):
        raise
    except BaseException as error:
        if endings.is_broken_off(error):
            programs.end(run.origin)
        end = endings.end_of(error, _time_limit(run.task))
        if end is run.successor:
            raise
        if run.successor is None or not isinstance(end, Exception):
            if end is error:
                raise
            raise end from error
        if isinstance(run.successor, Retry) and not isinstance(end, Ignore | Reject):
            run.successor.exc = end
        raise run.successor from end
    if run.successor is not None:
        raise run.successor
    return result


def _keeps_errors_to_itself(task: Any) -> bool:
    ignores = get_actual_ignore_result(task, task.request)
    return bool(ignores) and not task.store_errors_even_if_ignored


def _time_limit(task: Any) -> float | None:
    """Return the hard time limit of this run, in seconds."""
    hard, _ = task.request.timelimit or (None, None)
    limit: float | None = hard or task.time_limit or task.app.conf.task_time_limit
    return limit
