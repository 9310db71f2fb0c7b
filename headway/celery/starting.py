"""Makes the messages of the tasks that Headway starts: for a visitor, or by a schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

from celery import Celery

from headway.celery.messages.captured import expiry_of
from headway.celery.messages.priorities import give_number, step_of
from headway.celery.messages.sends import identified
from headway.celery.storing.dependents import marked
from headway.message_headers import owned, recorded
from headway.shapes import TaskMessage
from headway.turns import NO_TURN, Turn
from headway.unique import unique_of


class Prepared(NamedTuple):
    """A task that is about to be started; `when` is the earliest time of its begin, "" now."""

    task_id: str
    message: TaskMessage
    turn: Turn
    when: str


def prepare(
    celery: Celery,
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    queue: str,
    owner: str,
    priority: str | int | None = None,
    rest: Mapping[str, Any] | None = None,
) -> Prepared:
    """Prepare a task that has no record yet; `rest` are the options for what follows it.

    Raises TypeError for a bad priority.
    """
    task_id = str(uuid4())
    task = celery.tasks.get(name)
    options: dict[str, Any] = {**expiry_of(task, celery), **(rest or {})}
    if priority is not None:
        options["priority"] = priority
    give_number(name, options, celery)
    plain = celery.signature(name, args=args, kwargs=kwargs, queue=queue, **options)
    message: Any = marked(recorded(identified(owned(plain, owner), task_id), task_id))
    unique = unique_of(task)
    turn = unique.turn(name, args, kwargs) if unique else NO_TURN
    step = step_of(options.get("priority"), celery.conf)
    return Prepared(task_id, message, turn._replace(priority=step), unique.when if unique else "")
