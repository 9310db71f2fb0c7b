"""Tests of a project's own tasks, with or without services. See `docs/testing.md`."""

from __future__ import annotations

from headway.testing.task_run import NotEnded, TaskRun

__all__ = ["NotEnded", "TaskRun"]
