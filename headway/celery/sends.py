"""Headers of a message: the id of its send, whether its task has a record, owner and title.

A message may come again in many ways: given back by a worker that stops, after the broker's
visibility timeout, published twice because a reply was lost, sent again by maintenance. The id of
the send distinguishes these from a new send under the same task id, and a header distinguishes a
message whose record has expired from one that never had any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from uuid import NAMESPACE_OID, uuid4, uuid5

from celery import signals
from celery._state import get_current_worker_task

from headway.celery.context import whole_number
from headway.shapes import TaskMessage

SEND = "headway_send"  # the header for the id of the send
# The header for the id of a task that has a record; copied to another task's message it is void.
RECORDED = "headway_recorded"

# The headers for a task's owner and title; a task that a run starts has the run's owner.
OWNER = "headway_owner"
TITLE = "headway_title"

# The header for the task that started this one, of which it is a part.
PARENT = "headway_parent"
# A request's key for whether its run's body has ended: what is sent then follows the run.
BODY_ENDED = "headway_body_ended"

# The header for how many attempts of a task do not count, as they were no fault of its own.
WAITS = "headway_waits"


# The header for a Turn, from `apply_async` to where the record is made: no message carries it.
TURN = "headway_turn"


class Turn(NamedTuple):
    """How a task stands to the others of its owner.

    `unique` is a digest of which one task is open at a time; `line` is "<limit> <digest>" of a line
    of which so many are with the workers at a time; "" for none. With `replaces` the open task of
    `unique` is cancelled. `priority` is the step at which its queue and its line serve it.
    """

    unique: str = ""
    line: str = ""
    replaces: bool = False
    priority: int = 0


NO_TURN = Turn()


class Existing(Exception):
    """A send of a unique task was refused: the owner's task `task_id` is open."""

    def __init__(self, task_id: str) -> None:
        super().__init__(f"Task {task_id} is open already.")
        self.task_id = task_id


def nobody() -> str | None:
    """Return None: without another loader, no task has an owner."""
    return None


_load_owner: Callable[[], str | None] = nobody


def load_owner_by(loader: Callable[[], str | None]) -> None:
    """Set the function that returns the owner of tasks sent outside of runs, None for nobody."""
    global _load_owner
    _load_owner = loader


@signals.before_task_publish.connect
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
        headers.setdefault(PARENT, _parent_in(run))
        headers.setdefault(
            SEND, uuid5(NAMESPACE_OID, f"{run.id} {getattr(run, SEND, '')} {headers['id']}").hex
        )
    else:  # a retry or a replacement
        own = (SEND, TITLE, PARENT)
        headers |= {name: getattr(run, name) for name in own if getattr(run, name, "")}
        if getattr(task, "has_record", False):
            headers[RECORDED] = run.id


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
    return _with_headers(message, headers)


def recorded(message: TaskMessage, task_id: str) -> TaskMessage:
    """Return a Celery signature with the header that its task has a record."""
    return _with_headers(message, {**(message["options"].get("headers") or {}), RECORDED: task_id})


def send_of(message: TaskMessage) -> str:
    """Return the id of a Celery signature's send; "" if it has none."""
    return _header(message, SEND)


def owned(message: TaskMessage, owner: str) -> TaskMessage:
    """Return a Celery signature whose task is `owner`'s."""
    return _with_headers(message, {**(message["options"].get("headers") or {}), OWNER: owner})


def owner_of(message: TaskMessage) -> str:
    """Return the owner that a Celery signature names, "" for none."""
    return _header(message, OWNER)


def parent_of(message: TaskMessage) -> str:
    """Return the task of which a Celery signature's task is a part, "" for none."""
    return _header(message, PARENT)


def title_of(message: TaskMessage) -> str:
    """Return the title that a Celery signature names, "" for none."""
    return _header(message, TITLE)


def waits_of(request: Any) -> int:
    """Return how many attempts of a request's task do not count."""
    return whole_number(getattr(request, WAITS, 0))


def as_asked(message: TaskMessage) -> TaskMessage:
    """Return a Celery signature as its sender asked for it.

    That is without the options that differ each time a task is started.
    """
    options = {
        key: value for key, value in message["options"].items() if key not in ("headers", "expires")
    }
    return {**message, "options": options}


def _header(message: TaskMessage, name: str) -> str:
    found = (message["options"].get("headers") or {}).get(name)
    return found if isinstance(found, str) else ""


def _with_headers(message: TaskMessage, headers: Mapping[str, Any]) -> TaskMessage:
    return {**message, "options": {**message["options"], "headers": dict(headers)}}
