"""Fencing tokens: each delivery of a task's message gets one, and a generation."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from celery import Task, signals
from celery._state import get_current_worker_task
from celery.app.task import Context

from headway.celery.context import whole_number
from headway.celery.messages import encoded
from headway.celery.messages.encoded import SERIALIZER
from headway.celery.messages.sends import BODY_ENDED
from headway.message_headers import recorded
from headway.shapes import TaskMessage
from headway.store.model import UNCLAIMED, Delivery

# The request's key for the token that its run has claimed the record with.
CLAIMED = "headway_claimed"
FENCE = "headway_fence"  # the request's key for the token of its delivery
ENDED = "headway_ended"  # the request's key: whether its run stored an end by `update_state`
OWN_KEYS = {FENCE, CLAIMED, SERIALIZER, BODY_ENDED}  # not sent on with a message
# A replaced task counts its retries from zero, so one replacement outweighs them all.
REPLACEMENT = 1_000_000


@signals.task_received.connect
def mark_delivery(request: Any, **_: Any) -> None:
    """Give a delivery its token, in the worker's parent process.

    So what the parent writes (time limits, lost workers, revokes) carries the same token as what
    the child writes.
    """
    request.request_dict[FENCE] = uuid4().hex
    request.request_dict[SERIALIZER] = encoded.serializer_of(request.content_type)


def delivery_of(request: Context | None) -> Delivery:
    """Return a request's delivery; an unfenced one without a request."""
    if request is None:
        return Delivery()
    return Delivery(
        getattr(request, FENCE, UNCLAIMED),
        generation_of(request.replaced_task_nesting, request.retries),
    )


def signature_of(task: Task, request: Context) -> TaskMessage:
    """Return the Celery signature that sends a request's message again as it came.

    Its headers say that its task has a record.
    """
    signature = task.signature_from_request(request, retries=request.retries)
    headers = signature["options"].get("headers") or {}
    signature["options"]["headers"] = {
        key: value for key, value in headers.items() if key not in OWN_KEYS
    }
    # A sender may have set these to hide the arguments.
    shown = {name: getattr(request, name, None) for name in ("argsrepr", "kwargsrepr")}
    signature["options"] |= {name: text for name, text in shown.items() if text is not None}
    if (serializer := getattr(request, SERIALIZER, "json")) != default_serializer(task):
        signature["options"]["serializer"] = serializer
    return recorded(signature, request.id)


def without_expiry(signature: TaskMessage) -> TaskMessage:
    """Return a signature that never expires: its task has begun in time, and goes on."""
    options = {key: each for key, each in signature["options"].items() if key != "expires"}
    return {**signature, "options": options}


def default_serializer(task: Any) -> str:
    return str(getattr(task, "serializer", None) or task.app.conf.task_serializer)


def generation_of(nesting: Any, retries: Any) -> int:
    return whole_number(nesting) * REPLACEMENT + whole_number(retries)


def present_request_of(task_id: str | None) -> Context | None:
    """Return the request of the current run if that is one of this task, else None."""
    task = get_current_worker_task()
    if task is None or task.request.is_eager or task.request.id != task_id:
        return None
    return task.request
