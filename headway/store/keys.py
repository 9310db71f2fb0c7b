"""The names of what lies in Redis for a task."""

from __future__ import annotations

from typing import Literal

Room = Literal["task", "owner"]


def room(kind: Room, name: str) -> str:
    """Return the room of a task or of an owner.

    Its channel in Redis carries the message queue's name before it.
    """
    return f"{kind}:{name}"


def record_key(task_id: str) -> str:
    return f"headway:task:{task_id}"


def celery_key(task_id: str) -> str:
    return f"celery-task-meta-{task_id}"


def result_key(task_id: str) -> str:
    return f"headway:result:{task_id}"


def log_key(task_id: str) -> str:
    return f"headway:log:{task_id}"
