"""Headway's state in a Flask app, under one key of its `extensions`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from celery import Celery
from flask import Flask, current_app, has_request_context, request

from headway.display.languages import Sentence
from headway.limits import LimitReached, Limits, QueueFull
from headway.push.manager import RoomManager
from headway.registry import TASK_TYPES
from headway.system import System
from headway.web.requests.origins import Origin

if TYPE_CHECKING:
    from headway.webpush.keys import PushKey

KEY = "headway"
WAIT_SECONDS = 30.0  # before a start that finds too many tasks is worth another attempt


_apps: WeakKeyDictionary[Celery, ref[Flask]] = WeakKeyDictionary()


@dataclass(frozen=True)
class State(System):
    """A system, with what a web process has besides."""

    manager: RoomManager
    allowed_origins: frozenset[Origin]
    frame_ancestors: frozenset[Origin]
    limits: Limits
    push_key: PushKey | None

    def admit(
        self, name: str, queue: str, owner: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        """Refuse a visitor's start that exceeds a limit. Raises LimitReached, RedisUnavailable."""
        limits = self.limits
        if not limits.are_on or not has_request_context():
            return
        limits.count("starts", owner, request.remote_addr or "")
        kind = TASK_TYPES.get(name)
        if kind is not None and kind.admit is not None:
            kind.admit(*args, **kwargs)
        queues = self.records.queries.overview()["queues"]
        waiting = queues[queue]["queued"] if queue in queues else 0
        if waiting >= limits.max_queue_length:
            raise QueueFull(Sentence("Too many tasks are waiting."), WAIT_SECONDS)
        if owner and self.records.lists.count_open(owner) >= limits.max_open_tasks:
            raise LimitReached(
                Sentence(
                    "You have 1 task that has not ended.",
                    "You have {count} tasks that have not ended.",
                    count=limits.max_open_tasks,
                ),
                WAIT_SECONDS,
            )

    def fair_lines(self, queue: str, owner: str) -> str:
        """Return the lines in which a visitor's start waits, so that others' go between."""
        limits = self.limits
        if not limits.are_on or not has_request_context():
            return ""
        return limits.fair_lines(queue, owner, request.remote_addr or "")


def state_of(app: Flask) -> State:
    """Return Headway's state in an app."""
    state: State = app.extensions[KEY]
    return state


def state() -> State:
    """Return Headway's state in the current app."""
    return state_of(current_app)


def remember_app(celery: Celery, app: Flask) -> None:
    """Note that an app is that of a Celery app."""
    _apps[celery] = ref(app)


def app_of(celery: Celery) -> Flask | None:
    """Return the Flask app that last took this Celery app; None if none did."""
    found = _apps.get(celery)
    return found() if found else None
