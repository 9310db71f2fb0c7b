"""Notifies what depends on a task's end: its chord, the rest of its chain, its error callbacks.

Celery notifies them in the process that stores an end. A task may also end where its message is not
at hand: a person cancels it in a web process, its worker is lost, a program stores its end by hand.
The record says whether they have yet to be notified, and maintenance does that.
"""

from __future__ import annotations

import logging
from typing import Any, TypeGuard

from celery import states
from celery.app.task import Context

from headway.celery.context import whole_number
from headway.celery.releases import fail_chain
from headway.shapes import TaskMessage

logger = logging.getLogger(__name__)

ALWAYS = "always"  # there is a chord, which counts each end
ON_FAILURE = "failure"  # there is a chain or an error callback


def ends_to_notify(chord: Any, chain: Any, errbacks: Any) -> str:
    """Return which ends of a task have dependents to notify: ALWAYS, ON_FAILURE or ""."""
    if chord:
        return ALWAYS
    return ON_FAILURE if chain or errbacks else ""


def marked(message: TaskMessage) -> TaskMessage:
    """Return a Celery signature whose first key says which ends have dependents to notify."""
    options = message["options"]
    ends = ends_to_notify(options.get("chord"), options.get("chain"), options.get("link_error"))
    # The record's scripts read it as the first key.
    return {"dependents": ends, **message} if ends else message


def concern(request: Context | None, state: str) -> TypeGuard[Context]:
    """Whether a request's task has dependents to notify of its end in this Celery state."""
    if request is None:
        return False
    ends = ends_to_notify(request.chord, request.chain, request.errbacks)
    return ends == ALWAYS or (ends == ON_FAILURE and state in states.PROPAGATE_STATES)


def request_of(task_id: str, message: TaskMessage, **more: Any) -> Context:
    """Return the request of a task's kept message, a Celery signature."""
    options = message.get("options") or {}
    return Context(
        id=task_id,
        task=message.get("task"),
        args=message.get("args"),
        kwargs=message.get("kwargs"),
        retries=whole_number(options.get("retries")),
        replaced_task_nesting=whole_number(options.get("replaced_task_nesting")),
        group=options.get("group_id"),
        group_index=options.get("group_index"),
        root_id=options.get("root_id"),
        parent_id=options.get("parent_id"),
        chord=options.get("chord"),
        chain=options.get("chain"),
        errbacks=options.get("link_error"),
        delivery_info={},
        **more,
    )


def notify(
    backend: Any,
    request: Context,
    state: str,
    result: Any,
    traceback: str | None = None,
    *,
    store_result: bool = True,
    call_errbacks: bool = True,
) -> bool:
    """Notify a task's dependents of its end in a Celery state; return whether that worked.

    Doing so twice is harmless: a chord counts each part once, and a chain's tasks end once. As in
    Celery, error callbacks are called only for a failure.
    """
    try:
        if request.chord:
            backend.on_chord_part_return(request, state, result)
        if state in states.PROPAGATE_STATES:
            fail_chain(
                backend, request.chain, result, traceback, store_result=store_result, state=state
            )
        if state == states.FAILURE and call_errbacks and request.errbacks:
            backend._call_task_errbacks(request, result, traceback)
    except Exception:
        logger.exception(
            "The chord, chain or error callbacks of task %s cannot be notified of its end",
            request.id,
        )
        return False
    return True
