"""Gives each message that is sent the id of its send, its owner, and its place among the parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

from celery import signals
from celery._state import get_current_worker_task

from headway.celery.context import whole_number
from headway.message_headers import (
    OWNER,
    PARENT,
    PREFIX,
    RECORDED,
    SEND,
    TITLE,
    WAITS,
    with_headers,
)
from headway.shapes import TaskMessage

# A request's key for whether its run's body has ended: what is sent then follows the run.
BODY_ENDED = "headway_body_ended"


def nobody() -> str | None:
    """Return None: without another loader, no task has an owner."""
    return None


_load_owner: Callable[[], str | None] = nobody


def load_owner_by(loader: Callable[[], str | None]) -> None:
    """Set the function that returns the owner of tasks sent outside of runs, None for nobody."""
    global _load_owner
    _load_owner = loader


def identify_messages() -> None:
    """Have each message identified from now on; a process of stock backends alone never does."""
    signals.before_task_publish.connect(identify)


def identify(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """Give a message the id of its send, and its owner.

    It comes before kombu's own attempts to publish, which share the id. A run that is repeated
    sends its callbacks again, with the same id each time.
    """
    if not headers or "id" not in headers:
        return
    task = get_current_worker_task()
    run = task.request if task is not None else None
    if OWNER not in headers and (owner := getattr(run, OWNER, None) if run else _load_owner()):
        headers[OWNER] = owner
    if run is None:
        headers.setdefault(SEND, uuid4().hex)
    elif run.id != headers["id"]:
        _drop_copies(headers, run)
        headers.setdefault(PARENT, _parent_in(run))
        headers.setdefault(
            SEND, uuid5(NAMESPACE_OID, f"{run.id} {getattr(run, SEND, '')} {headers['id']}").hex
        )
    else:  # a retry or a replacement
        own = (SEND, TITLE, PARENT)
        headers |= {name: getattr(run, name) for name in own if getattr(run, name, "")}
        if getattr(task, "has_record", False):
            headers[RECORDED] = run.id


def _drop_copies(headers: dict[str, Any], run: Any) -> None:
    """Drop what was the run's own from headers that are a copy of its request's.

    A task may send on `self.request.headers`, for the sake of the project's headers in them.
    """
    if headers.get(SEND) is None or headers[SEND] != getattr(run, SEND, None):
        return
    for name in [name for name in headers if name.startswith(PREFIX) and name != OWNER]:
        if headers[name] == getattr(run, name, None):
            del headers[name]


def _parent_in(run: Any) -> str:
    """Return the task of which one that is sent now is a part.

    What a run's body starts is the run's. What follows the run, as the rest of its chain or the
    body of its chord, stands beside it: it is its parent's part, too. Without a parent the first
    task of a chain has the rest as its parts; of a chord none is the first.
    """
    if not getattr(run, BODY_ENDED, False):
        return str(run.id)
    return getattr(run, PARENT, None) or ("" if run.chord else str(run.id))


def identified(message: TaskMessage, task_id: str) -> TaskMessage:
    """Return a Celery signature with the headers that `identify` gives a published message."""
    headers = {**(message["options"].get("headers") or {}), "id": task_id}
    identify(headers)
    del headers["id"]
    return with_headers(message, headers)


def waits_of(request: Any) -> int:
    """Return how many attempts of a request's task do not count."""
    return whole_number(getattr(request, WAITS, 0))
