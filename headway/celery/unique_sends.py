"""Sends of unique tasks by project code: while the owner's is open, they return its result."""

from __future__ import annotations

from typing import Any

from headway.celery.sends import UNIQUE, Existing


def apply_async(
    self: Any, args: Any = None, kwargs: Any = None, task_id: str | None = None, **options: Any
) -> Any:
    """Send a unique task as Celery's own does, or return the result of the one that is open.

    A method of each such task's class. A send under a given id, as each part of a group, a chain
    or a chord has, is not checked: others wait for that id. Raises BadArguments, a ValueError, for
    arguments without the text.
    """
    classes = type(self).__mro__
    own: Any = next(each for each in classes if vars(each).get("apply_async") is apply_async)
    send = super(own, self).apply_async
    if task_id is not None:
        return send(args, kwargs, task_id, **options)
    digest = self.unique.digest(self.name, args or (), kwargs or {})
    headers = {**(options.pop("headers", None) or {}), UNIQUE: digest}
    try:
        return send(args, kwargs, headers=headers, **options)
    except Existing as existing:
        return self.AsyncResult(existing.task_id)
