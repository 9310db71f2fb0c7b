"""Which tasks are registered in a process of tests: those of one file are no other file's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import _state

from headway.display.labels import LABELS
from headway.registry import TASK_TYPES
from headway.schedules import SCHEDULES


@contextmanager
def forgotten_after() -> Iterator[None]:
    """Forget the tasks that are registered within: by Headway, and as shared ones by Celery."""
    registries: tuple[dict[str, Any], ...] = (TASK_TYPES, SCHEDULES, LABELS)
    before = [dict(one) for one in registries]
    shared = set(_state._on_app_finalizers)
    try:
        yield
    finally:
        for one, earlier in zip(registries, before, strict=True):
            one.clear()
            one.update(earlier)
        _state._on_app_finalizers = shared


def share_no_apps_own_tasks() -> None:
    """Let Celery share no tasks that belong to an app, as it does unless it is told not to.

    Each app makes all shared tasks of its process, and those of the tests' apps take it five times
    as long as all others.
    """
    _state._on_app_finalizers = {
        one for one in _state._on_app_finalizers if not one.__qualname__.startswith("Celery.task.")
    }
