"""Sends of unique tasks by project code, with how these stand to the owner's others."""

from __future__ import annotations

from typing import Any

from headway.celery.backend import LiveBackend
from headway.celery.messages.captured import OutboxProducer, due_time
from headway.message_headers import TURN
from headway.turns import Existing


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
    turn = self.unique.turn(self.name, args or (), kwargs or {})
    options["headers"] = {**(options.get("headers") or {}), TURN: turn}
    is_captured = isinstance(options.get("producer"), OutboxProducer)
    is_eager = self.app.conf.task_always_eager
    try:
        if turn.line and not is_captured and not is_eager and isinstance(self.backend, LiveBackend):
            when = due_time(options.get("countdown"), options.get("eta"), self.app)
            when = when or self.unique.when
            return self.backend.outbox.defer(self, send, args, kwargs, None, when, options)
        return send(args, kwargs, **options)
    except Existing as existing:
        return self.AsyncResult(existing.task_id)
