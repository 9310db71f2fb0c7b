"""The priorities of tasks: in words, as numbers of a broker's messages, and as steps of a queue.

On Redis, kombu keeps a list of each queue for each of some steps, and the smallest is served first;
a message without a priority is in the one of 0. Headway's transport has one more before that.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping
from typing import Any

from kombu.transport.redis import PRIORITY_STEPS

from headway.store.model import Priority

HIGH_STEP = -1
STEPS = (HIGH_STEP, *PRIORITY_STEPS)
MAX_PRIORITY = 9
OWN = "headway_priority"  # a task's own; Celery deprecates its attribute `priority`
OWN_LISTS = frozenset({"priority_steps", "sep"})  # options by which a queue's lists are others

ON_REDIS = {Priority.HIGH: HIGH_STEP, Priority.NORMAL: 0, Priority.LOW: MAX_PRIORITY}
# On other brokers the largest number is served first, and a message without a priority last.
ELSEWHERE = {Priority.HIGH: MAX_PRIORITY, Priority.NORMAL: 0, Priority.LOW: 0}


def checked(priority: Any) -> str | int | None:
    """Return a priority as an option of a message, None for the normal one.

    Raises TypeError for what is neither one of the words nor a number of Celery's.
    """
    if priority == Priority.NORMAL:
        return None
    if priority in list(Priority):
        return str(priority)
    if type(priority) is int and 0 <= priority <= MAX_PRIORITY:
        return priority
    words = ", ".join(Priority)
    raise TypeError(f"priority is one of {words}, or a number of Celery's, not {priority!r}.")


def number_of(priority: str | int, conf: Any) -> int:
    """Return the number of a priority, "high", "normal" or "low", on an app's broker.

    Raises TypeError for any other text than these words.
    """
    if isinstance(priority, int):
        return priority
    checked(priority)
    words = ON_REDIS if _is_redis(conf) else ELSEWHERE
    return words[Priority(priority)]


def own_priority(task: Any) -> str | int | None:
    """Return the priority that a Celery task was given as it was made, None for none."""
    own: str | int | None = getattr(task, OWN, None)
    return getattr(task, "priority", None) if own is None else own


def give_number(name: str, options: dict[str, Any], app: Any) -> None:
    """Give the options of a task's message the number of its priority, if it has one.

    Raises TypeError for a text that is no priority.
    """
    priority = options.get("priority")
    if priority is None or priority == app.conf.task_default_priority:
        own = own_priority(app.tasks.get(name))
        priority = priority if own is None else own
    if priority is not None:
        options["priority"] = number_of(priority, app.conf)


def step_of(priority: Any, conf: Any) -> int:
    """Return at which step of its queue a message is served: the smallest first, -1 to 9.

    `priority` is that of the message; one that is no number is as none.
    """
    number = min(MAX_PRIORITY, max(HIGH_STEP, priority)) if type(priority) is int else 0
    own_steps = _options(conf).get("priority_steps")
    if not number and not own_steps:
        return 0
    if not _is_redis(conf):
        return HIGH_STEP if number > 0 else 0
    steps = steps_with_high(own_steps or PRIORITY_STEPS)
    return steps[max(0, bisect(steps, number) - 1)]


def steps_with_high(steps: Any) -> list[int]:
    """Return the steps of a transport, and before them that of a high priority."""
    return [HIGH_STEP, *(step for step in sorted(steps) if step > HIGH_STEP)]


def has_usual_lists(conf: Any) -> bool:
    """Whether the lists of an app's queues have the names that kombu gives them by default."""
    return not OWN_LISTS & _options(conf).keys()


def _options(conf: Any) -> Mapping[str, Any]:
    return conf.broker_transport_options or {}


def _is_redis(conf: Any) -> bool:
    broker = conf.broker_write_url
    first = broker if isinstance(broker, str) else next(iter(broker or ()), "")
    return str(first).startswith(("redis://", "rediss://"))
