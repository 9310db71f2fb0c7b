"""Which tasks are registered in a process of tests: those of one file are no other file's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from celery import _state

from headway.display.labels import LABELS
from headway.registry import TASK_TYPES
from headway.schedules import SCHEDULES

OF_TESTS = ("tests", "bench")


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


def share_only_tasks_of(name: str) -> None:
    """Let Celery share no task of a module of the tests but this one's, and the product's.

    Each app makes all shared tasks of its process, and those of the tests take it five times as
    long as all others.
    """
    _state._on_app_finalizers = {
        one for one in _state._on_app_finalizers if _is_shared_in(name, _module_of(one))
    }


def _is_shared_in(name: str, module: str) -> bool:
    return module == name or module.partition(".")[0] not in OF_TESTS


def _module_of(finalizer: Callable[..., Any]) -> str:
    """Return the module of the function that a finalizer makes a task of."""
    cells = (each.cell_contents for each in finalizer.__closure__ or ())
    functions = (each for each in cells if hasattr(each, "__qualname__"))
    return getattr(next(functions, finalizer), "__module__", "")
