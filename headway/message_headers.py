"""Headers of a task's message: the id of its send, whether it has a record, owner and title.

A message may come again in many ways: given back by a worker that stops, after the broker's
visibility timeout, published twice because a reply was lost, sent again by maintenance. The id of
the send distinguishes these from a new send under the same task id, and a header distinguishes a
message whose record has expired from one that never had any.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headway.shapes import TaskMessage

PREFIX = "headway_"  # of all of them
SEND = "headway_send"  # the header for the id of the send
# The header for the id of a task that has a record; copied to another task's message it is void.
RECORDED = "headway_recorded"

# The headers for a task's owner and title; a task that a run starts has the run's owner.
OWNER = "headway_owner"
TITLE = "headway_title"

# The header for the task that started this one, of which it is a part.
PARENT = "headway_parent"

# The header for how many attempts of a task do not count, as they were no fault of its own.
WAITS = "headway_waits"

# The header of a task that waits for its turn, or has others wait for it.
HAS_LINES = "headway_has_lines"

# The header for a Turn, from `apply_async` to where the record is made: no message carries it.
TURN = "headway_turn"


def recorded(message: TaskMessage, task_id: str) -> TaskMessage:
    """Return a Celery signature with the header that its task has a record."""
    return with_headers(message, {**(message["options"].get("headers") or {}), RECORDED: task_id})


def send_of(message: TaskMessage) -> str:
    """Return the id of a Celery signature's send; "" if it has none."""
    return _header(message, SEND)


def owned(message: TaskMessage, owner: str) -> TaskMessage:
    """Return a Celery signature whose task is `owner`'s."""
    return with_headers(message, {**(message["options"].get("headers") or {}), OWNER: owner})


def owner_of(message: TaskMessage) -> str:
    """Return the owner that a Celery signature names, "" for none."""
    return _header(message, OWNER)


def parent_of(message: TaskMessage) -> str:
    """Return the task of which a Celery signature's task is a part, "" for none."""
    return _header(message, PARENT)


def title_of(message: TaskMessage) -> str:
    """Return the title that a Celery signature names, "" for none."""
    return _header(message, TITLE)


def as_asked(message: TaskMessage) -> TaskMessage:
    """Return a Celery signature as its sender asked for it.

    That is without the options that differ each time a task is started.
    """
    options = {
        key: value for key, value in message["options"].items() if key not in ("headers", "expires")
    }
    return {**message, "options": options}


def with_headers(message: TaskMessage, headers: Mapping[str, Any]) -> TaskMessage:
    """Return a Celery signature with these headers in the place of its own."""
    return {**message, "options": {**message["options"], "headers": dict(headers)}}


def _header(message: TaskMessage, name: str) -> str:
    found = (message["options"].get("headers") or {}).get(name)
    return found if isinstance(found, str) else ""
