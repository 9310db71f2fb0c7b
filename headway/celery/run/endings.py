"""Confines whatever a task's body raises to a failure of that one task.

Celery and its pools take a BaseException for the end of a process: the task is run again or, in a
thread, never ends. They take a MemoryError for the end of the whole worker, although most are one
allocation that was too large.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

from billiard.common import EX_SOFTWARE, terminate_handler_fired
from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from celery.exceptions import (
    SoftTimeLimitExceeded,
    Terminated,
    TimeLimitExceeded,
    WorkerLostError,
    WorkerShutdown,
    WorkerTerminate,
)

from headway.celery.error_text import error_of


class BodyFailure(Exception):
    """What a body raised, as an exception that ends only the task.

    Each is of a subclass with the original's name.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return failure, (type(self).__name__, *self.args)


def failure(name: str, message: str) -> BodyFailure:
    """Return an ordinary exception whose type has this name."""
    return _class(name)(message)


def end_of(error: BaseException, time_limit: float | None) -> BaseException:
    """Return what Celery gets instead of what a body raised: `error` itself, or a failure.

    `time_limit` is the task's, in seconds, None for none.
    """
    # The process was told to end: what is raised meanwhile is no outcome.
    if terminate_handler_fired():
        return error if isinstance(error, SystemExit) else SystemExit(EX_SOFTWARE)
    if isinstance(error, Exception | WorkerShutdown | WorkerTerminate) or is_kill(error):
        return error
    if _is_green("Timeout", error) and time_limit:
        exceeded: BaseException = TimeLimitExceeded(time_limit)
        return exceeded
    return failure(type(error).__name__, _words_of(error))


def is_broken_off(error: BaseException) -> bool:
    """Whether a body was ended by its soft time limit, or with its process."""
    return isinstance(error, SoftTimeLimitExceeded) or terminate_handler_fired()


def is_kill(error: BaseException) -> bool:
    """Whether this exception ends a greenlet from outside."""
    return _is_green("GreenletExit", error)


def is_loss(info: ExceptionInfo) -> bool:
    """Whether a pool reports that the process of a run is gone."""
    return isinstance(
        _reported(info), WorkerLostError | Terminated | SystemExit | KeyboardInterrupt
    )


def contain(info: ExceptionInfo) -> None:
    """Turn a MemoryError that a pool reports into a failure like any other."""
    error = _reported(info)
    if isinstance(error, MemoryError):
        info.exception = failure(
            type(error).__name__, str(error) or "The process is out of memory."
        )


def _reported(info: ExceptionInfo) -> BaseException:
    error: BaseException = info.exception
    return error.exc if isinstance(error, ExceptionWithTraceback) else error


@cache
def _class(name: str) -> type[BodyFailure]:
    return type(name, (BodyFailure,), {"__module__": __name__})


def _is_green(name: str, error: BaseException) -> bool:
    gevent = sys.modules.get("gevent")
    return gevent is not None and isinstance(error, getattr(gevent, name))


def _words_of(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        code = "" if error.code is None else repr(error.code)
        return f"The task called sys.exit({code})."
    name = type(error).__name__
    words = error_of(error)["message"]
    return f"The task raised {name}." if words == name else words
