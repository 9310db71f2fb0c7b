"""Fails the tasks of messages that no worker can run, and keeps the worker running.

An exception that Celery's consumer does not expect of a message ends the consumer and its worker,
and the message is redelivered to the next one. One that it does expect is only logged.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from celery import signals
from celery.exceptions import InvalidTaskError
from celery.utils.imports import symbol_by_name
from celery.worker import state

from headway.celery.backend import LiveBackend
from headway.celery.messages.captured import id_of, readable_request_of
from headway.celery.worker.live_tasks import make_all_live

logger = logging.getLogger(__name__)

# A loop of greenlets looks whether its worker has to stop between two waits for messages alone, and
# in Celery once more after that.
MAX_WAIT_SECONDS = 0.2


class MessageGuard:
    """Mixin for a worker's consumer: an exception of one message does not stop the others."""

    app: Any
    hub: Any
    connection_errors: tuple[type[Exception], ...]
    channel_errors: tuple[type[Exception], ...]

    def update_strategies(self) -> None:
        """Make tasks live that were registered since the worker was made, and prepare all."""
        make_all_live(self.app)
        super().update_strategies()  # type: ignore[misc]

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        handle: Callable[[Any], Any] = super().create_task_handler(*args, **kwargs)  # type: ignore[misc]

        def on_message(message: Any) -> None:
            try:
                check(message)
                handle(message)
            except (*self.connection_errors, *self.channel_errors):
                raise  # the worker connects again
            except Exception as error:
                self._reject(message, error)

        return on_message

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Acknowledge an undecodable message, as Celery does, and signal its rejection."""
        super().on_decode_error(message, exc)  # type: ignore[misc]
        signals.task_rejected.send(sender=self, message=message, exc=exc)

    def connection_for_read(self, *args: Any, **options: Any) -> Any:
        """Return a connection to the broker; a loop without Celery's hub waits at it in steps."""
        connection = super().connection_for_read(*args, **options)  # type: ignore[misc]
        if self.hub is None:
            connection.drain_events = partial(_drain_briefly, connection.drain_events)
        return connection

    def _reject(self, message: Any, error: Exception) -> None:
        logger.error(
            "A message cannot be run and is rejected (task %s): %s",
            id_of(message),
            error,
            exc_info=error,
        )
        request = state.requests.get(id_of(message))
        if request is not None and request.message is message:
            state.task_ready(request)
        if not message.acknowledged:
            message.reject_log_error(logger, self.connection_errors)
        signals.task_rejected.send(sender=self, message=message, exc=error)


def guarded(consumer_class: Any) -> type:
    """Return a worker's consumer class with the guard mixed in.

    `consumer_class` may be its qualified name.
    """
    return type("GuardedConsumer", (MessageGuard, symbol_by_name(consumer_class)), {})


def _drain_briefly(drain: Callable[..., Any], timeout: float) -> Any:
    return drain(timeout=min(timeout, MAX_WAIT_SECONDS))


def check(message: Any) -> None:
    """Raise InvalidTaskError for a message without what Celery relies on and does not check."""
    headers = message.headers
    if not isinstance(headers, Mapping) or "task" not in headers:
        return  # protocol 1, which Celery reads itself
    if not isinstance(headers["task"], str) or not isinstance(headers.get("id"), str):
        raise InvalidTaskError("The task's name and its id have to be text.")
    _check_body(message.payload)
    limits = headers.get("timelimit")
    if limits and not (
        isinstance(limits, list | tuple) and len(limits) == 2 and all(map(_is_limit, limits))
    ):
        raise InvalidTaskError(f"The time limits {limits!r:.200} are not two numbers of seconds.")
    stamped = headers.get("stamped_headers")
    stamps = headers.get("stamps")
    if stamped and not (isinstance(stamped, list | tuple) and isinstance(stamps, Mapping)):
        raise InvalidTaskError("stamped_headers is not a list, or stamps is not a mapping.")


@signals.task_rejected.connect
def fail_rejected(sender: Any, message: Any, exc: Exception | None, **_: Any) -> None:
    """Fail the task of a message that Celery has rejected, which Celery itself does not store."""
    backend = sender.app.backend
    task_id = id_of(message)
    if task_id is not None and isinstance(backend, LiveBackend):
        error = exc or InvalidTaskError("The message names no task.")
        backend.mark_as_failure(task_id, error, request=readable_request_of(message))


@signals.task_unknown.connect
def notify_dependents(sender: Any, message: Any, **_: Any) -> None:
    """Notify the dependents of a task with an unknown name, which the consumer does not know."""
    backend = sender.app.backend
    task_id = id_of(message)
    if task_id is not None and isinstance(backend, LiveBackend):
        backend.dependents.notify_by_request(readable_request_of(message))


def _check_body(payload: Any) -> None:
    if isinstance(payload, Mapping):
        return  # of protocol 1
    if not isinstance(payload, list | tuple) or len(payload) != 3:
        raise InvalidTaskError("The body is not a list of args, kwargs and embed.")
    _, kwargs, embed = payload
    if not isinstance(kwargs, Mapping):
        raise InvalidTaskError("The keyword arguments are not a mapping.")
    if embed is not None and not isinstance(embed, Mapping):
        raise InvalidTaskError("The body's embed is not a mapping.")


def _is_limit(seconds: Any) -> bool:
    if seconds is None:
        return True
    return (
        isinstance(seconds, int | float)
        and not isinstance(seconds, bool)
        and math.isfinite(seconds)
    )
