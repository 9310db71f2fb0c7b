"""Describes an error by its type and one line of text, whatever a task or Celery passes as one.

Pure. It takes time in proportion to the text at most: a task may raise megabytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from celery.exceptions import Reject, Retry
from celery.utils.serialization import UnpickleableExceptionWrapper

from headway.masking import mask
from headway.shapes import TaskError
from headway.snapshot import one_line

ERRORS = {
    # Celery's class: (type, message); no message keeps the exception's own.
    "WorkerLostError": ("WorkerLost", ""),
    "SoftTimeLimitExceeded": ("TimeLimitExceeded", "The task ran over its time limit."),
    "TimeLimitExceeded": ("TimeLimitExceeded", "The task ran over its time limit and was ended."),
}
# What an `async def` returns, which Celery takes for the task's result.
NO_RESULT = "Object of type coroutine is not JSON serializable"
ASYNC = "Celery does not run an async function: call asyncio.run in a plain one."
UNNAMED = "Failure"  # the type of a failure that a task stored and that is no exception
WORDS = ("status", "message", "error", "detail")  # keys of such a failure that may hold its message
MAX_GROUPED = 5  # exceptions of a group that the message names


def error_of(error: Any) -> TaskError:
    """Return `{"type", "message"}` of an error: one line for people, no traceback, no secret.

    `error` is an exception, Celery's own form of one (`{"exc_type", "exc_message", ...}`), or
    anything that a task has stored as its failure by hand. Never raises.
    """
    try:
        name, words = _read(error)
    except Exception:  # a class of the task's own may raise in any of its methods
        name = type(error).__name__
        words = ""
    known, sentence = ERRORS.get(name, (one_line(name), ASYNC if words == NO_RESULT else ""))
    return {"type": known, "message": sentence or one_line(mask(words)) or known}


def original_of(error: Any, handled: BaseException | None) -> Any:
    """Return the exception that a task raised, if `error` is what Celery has made of it.

    Celery wraps what cannot be pickled or replaces it by a base class, and passes None for a retry
    without a cause. `handled` is the exception being handled (`sys.exc_info()`): the original, or
    the Retry that was raised because of it.
    """
    if isinstance(handled, Retry):
        if error is None:
            says_why = handled.message or handled.excs or handled.__context__ is None
            return handled if says_why else handled.__context__
        handled = handled.__context__
    try:
        return handled if _is_made_of(error, handled) else error
    except Exception:  # the exception's arguments may not be comparable
        return error


def _is_made_of(error: Any, handled: BaseException | None) -> bool:
    if handled is None or not isinstance(error, BaseException):
        return False
    if isinstance(error, UnpickleableExceptionWrapper):
        return bool(type(handled).__name__ == error.exc_cls_name)
    return isinstance(handled, type(error)) and bool(handled.args == error.args)


def _read(error: Any) -> tuple[str, str]:
    if isinstance(error, BaseException):
        name, words = _read_exception(error)
    elif isinstance(error, Mapping) and "exc_type" in error:
        name = _text_of(error["exc_type"]).rpartition(".")[2]
        words = _join(name, _as_args(error.get("exc_message", "")))
    elif isinstance(error, Mapping):
        found = next((error[key] for key in WORDS if error.get(key)), error)
        name = UNNAMED
        words = _text_of(found)
    else:
        name = UNNAMED
        words = "" if error is None else _text_of(error)
    words = words.strip()
    if words and not any(char.isalpha() for char in words):  # a bare number says nothing
        words = f"{name}: {words}"
    return name, words


def _read_exception(error: BaseException) -> tuple[str, str]:
    name = type(error).__name__
    if isinstance(error, UnpickleableExceptionWrapper):
        name = _text_of(error.exc_cls_name)
        words = _join(name, _as_args(error.exc_args))
    elif isinstance(error, Retry):
        words = _text_of(error.message or error.excs or "The task asked to run again.")
    elif isinstance(error, Reject):  # its other argument is whether to queue the message again
        words = _text_of(error.reason or "The task rejected its message.")
    elif isinstance(error, BaseExceptionGroup):
        words = f"{error.message}: {'; '.join(map(_in_group, error.exceptions[:MAX_GROUPED]))}"
    elif type(error).__str__ in (BaseException.__str__, KeyError.__str__):
        words = _join(name, error.args)
    else:
        words = _text_of(error) or _join(name, error.args)
    return name, words


def _in_group(error: BaseException) -> str:
    name, words = _read(error)
    if not words:
        return name
    return words if words.startswith(name) else f"{name}: {words}"


def _join(name: str, args: Sequence[Any]) -> str:
    if name == "KeyError" and len(args) == 1:
        return f"KeyError: {args[0]!r}"  # the key alone says nothing
    return ", ".join(filter(None, map(_text_of, args)))


def _as_args(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else (value,)


def _text_of(value: Any) -> str:
    try:
        return str(value)
    except Exception:
        return ""
