"""Headway's engine in threads: its loop has one, a few others handle calls."""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any

from headway.engine import handover
from headway.engine.handover import take
from headway.engine.thread_queue import ThreadQueue

__all__ = ["connection_of", "make_epoll", "make_queue", "start_thread", "take"]


def make_epoll() -> Any:
    return select.epoll()


def start_thread(engine: Any, run: Callable[[], None]) -> None:
    """Start a thread. Raises RuntimeError."""
    engine.start_background_task(run)


def connection_of(environ: dict[str, Any]) -> Any:
    """Return a request's connection, None where the server gives none that can be taken.

    Nor can one be where a worker of gunicorn's has made greenlets of this process's threads.
    """
    return handover.connection_of(environ) if hasattr(select, "epoll") else None


def make_queue(engine: Any, workers: int) -> ThreadQueue:
    return ThreadQueue(workers, engine.has_work, engine.start_background_task)
