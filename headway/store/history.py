"""Reads how a task got on: its events, the failures of its attempts, its progress over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from headway import strict_json
from headway.shapes import AttemptFailure, HistoryEvent, TaskMessage
from headway.store import damaged
from headway.store.damaged import unless_damaged
from headway.store.functions import Functions
from headway.store.messages import decoded
from headway.store.model import Point

MAX_TRACEBACKS = 10  # as in history.lua
MAX_POINTS = 240  # as in points.lua


class TaskDetails(NamedTuple):
    """What a record keeps beside its snapshot.

    `history` is oldest first and may lack its beginning; `message` is the Celery signature, {} if
    it cannot be read; `failures` are by attempt; `continues` is a task's id, or "".
    """

    history: list[HistoryEvent]
    message: TaskMessage
    failures: Mapping[int, AttemptFailure]
    continues: str


class TaskHistory:
    """Reads of what a record keeps of the past of its task."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._keys = functions.keys

    def points(self, task_id: str) -> list[Point]:
        """Return how a task got on, oldest first; see points.lua."""
        key = self._keys.points(task_id)
        found = unless_damaged([], self._functions.client.lrange, key, -MAX_POINTS, -1)
        return damaged.points(found)

    def details(self, task_id: str) -> TaskDetails:
        """Return a task's history, message, newest attempts' failures, and what it continues."""
        client: Any = self._functions.client
        names = ("history", "message", "phase", "static", "continues")
        history, message, phase, static, continues = client.hmget(self._keys.record(task_id), names)
        members = damaged.members(static)
        attempt = damaged.count(members.get("attempt"))
        failures = self._failures(task_id, attempt)
        has_failed = phase == '"failed"' or members.get("error") is not None
        if has_failed and attempt not in failures:
            traceback = self._traceback_of(task_id)
            if traceback is not None:
                failures[attempt] = {"traceback": traceback, "environment": ""}
        return TaskDetails(
            damaged.history_events(history.split("\n") if history else ()),
            decoded(str(message or "")),
            failures,
            str(continues or ""),
        )

    def _failures(self, task_id: str, last: int) -> dict[int, AttemptFailure]:
        attempts = range(max(0, last - MAX_TRACEBACKS + 1), last + 1)
        names = [f"traceback:{attempt}" for attempt in attempts]
        client: Any = self._functions.client
        found = client.hmget(self._keys.record(task_id), names)
        each = zip(attempts, found, strict=True)
        read = {attempt: damaged.attempt_failure(text) for attempt, text in each if text}
        return {attempt: failure for attempt, failure in read.items() if failure}

    def _traceback_of(self, task_id: str) -> str | None:
        """Return the traceback in Celery's own form of a result."""
        key = self._keys.celery(task_id)
        meta = unless_damaged(None, self._functions.client.get, key)
        found = strict_json.parse_or_text(meta) if meta else None
        traceback = found.get("traceback") if isinstance(found, dict) else None
        return traceback if isinstance(traceback, str) else None
