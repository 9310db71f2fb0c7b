"""Makes a Celery Context of whatever Celery and its clients pass as a request.

A result backend gets the worker's own requests, contexts, a Bunch of the few names that a consumer
knows of a message it cannot run, or None; values that came in a message may be of any type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery.app.task import Context


def as_context(task_id: str, request: Any) -> Context | None:
    """Return a request of this task as a Context with all names that Celery's code reads.

    None for no request, and for another task's: `update_state(task_id=...)` passes its caller's.
    """
    if request is None:
        return None
    own = getattr(request, "_context", request)  # a worker's Request has one
    known = dict(own) if isinstance(own, Mapping) else dict(getattr(own, "__dict__", {}))
    if known.get("id") is not None and str(known["id"]) != str(task_id):
        return None
    if isinstance(own, Context) and _is_sound(own):
        return own
    name = known.get("task", known.get("name"))
    known.update(id=task_id, task=name if isinstance(name, str) else None)
    known["delivery_info"] = known.get("delivery_info") or {}
    return Context(known)


def whole_number(value: Any) -> int:
    """Return `value` as a whole number, 0 where it is not one."""
    try:
        return int(value or 0)
    except (TypeError, ValueError, OverflowError):
        return 0


def _is_sound(context: Context) -> bool:
    has_names = context.id is not None and isinstance(getattr(context, "task", None), str)
    return has_names and context.delivery_info is not None
