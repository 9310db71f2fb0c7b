"""Tools to test a project's own tasks, with or without services. See `docs/testing.md`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headway.testing.task_run import NotEnded, TaskRun

__all__ = ["NotEnded", "TaskRun"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use: pytest imports this package in every run."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from headway.testing import task_run

    return getattr(task_run, name)
