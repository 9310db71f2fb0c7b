"""Which send a message belongs to, and whether its task had a record by then.

A message may come again in many ways: given back by a worker that stops, after the broker's
visibility timeout, published twice where a reply was lost, sent again by maintenance. The record
tells those apart from a new send under the same id by the id of the send, and a header tells a
message whose record has expired from one that never had any.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

from celery import signals
from celery._state import get_current_worker_task

from headway.celery.context import whole_number

SEND = "headway_send"  # the header for the id of the send
# The header for the id of a task that has a record; a copy of it for another one is void.
RECORDED = "headway_recorded"

# The header for how many attempts of a task were no fault of its own, and count for none.
WAITS = "headway_waits"


@signals.before_task_publish.connect
def identify(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """Give a message the id of its send, above kombu's own attempts to publish it.

    A run that is repeated sends its callbacks again: they have the same id each time.
    """
    if not headers or "id" not in headers:
        return
    task = get_current_worker_task()
    run = task.request if task is not None else None
    if run is None:
        headers.setdefault(SEND, uuid4().hex)
    elif run.id != headers["id"]:
        headers.setdefault(SEND, uuid5(NAMESPACE_OID, f"{run.id} {getattr(run, SEND, '')} {headers['id']}").hex)
    else:  # a retry or a replacement
        if getattr(run, SEND, ""):
            headers[SEND] = getattr(run, SEND)
        if getattr(task, "has_record", False):
            headers[RECORDED] = run.id


def identified(message: Mapping[str, Any], task_id: str) -> dict[str, Any]:
    """Return a Celery signature with the id of its send, as a message has that is published now."""
    headers = {**(message["options"].get("headers") or {}), "id": task_id}
    identify(headers)
    del headers["id"]
    return _with_headers(message, headers)


def recorded(message: Mapping[str, Any], task_id: str) -> dict[str, Any]:
    """Return a Celery signature that says that its task has a record."""
    return _with_headers(message, {**(message["options"].get("headers") or {}), RECORDED: task_id})


def send_of(message: Mapping[str, Any]) -> str:
    """Return the id of the send of a Celery signature, "" where it has none."""
    return str((message["options"].get("headers") or {}).get(SEND, ""))


def waits_of(request: Any) -> int:
    """Return how many attempts of a request's task count for none."""
    return whole_number(getattr(request, WAITS, 0))


def as_asked(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Celery signature as its sender asked for it.

    Without what differs each time that a task is started.
    """
    options = {key: value for key, value in message["options"].items() if key not in ("headers", "expires")}
    return {**message, "options": options}


def _with_headers(message: Mapping[str, Any], headers: Mapping[str, Any]) -> dict[str, Any]:
    return {**message, "options": {**message["options"], "headers": dict(headers)}}
