"""Keeps messages in Redis until they are due, and sends them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from celery import Task
from celery.app.task import Context
from kombu.message import Message

from headway.celery.messages import encoded
from headway.celery.messages.captured import OutboxProducer, request_of, without_times
from headway.celery.messages.encoded import SERIALIZER
from headway.celery.messages.priorities import step_of
from headway.celery.storing import dependents
from headway.celery.storing.attempts import attempts_of
from headway.celery.storing.fencing import (
    default_serializer,
    delivery_of,
    generation_of,
    present_request_of,
    signature_of,
)
from headway.celery.storing.persistence import until_stored
from headway.message_headers import HAS_LINES, TURN, send_of
from headway.shapes import TaskMessage
from headway.store.errors import RedisUnavailable
from headway.store.model import NO_SOURCE, Delivery, Outcome, Source
from headway.store.records import Records
from headway.turns import NO_TURN, Turn

logger = logging.getLogger(__name__)


class Unattended(Exception):
    """No worker is there to send what waits in Redis."""


class MessageOutbox:
    """Keeps messages with their records, and hands them to the broker."""

    def __init__(self, backend: Any, records: Records) -> None:
        self._backend = backend
        self._records = records

    def defer(
        self,
        task: Task,
        send: Callable[..., Any],
        args: Any,
        kwargs: Any,
        task_id: str | None,
        when: str,
        options: Mapping[str, Any],
    ) -> Any:
        """Keep the message that `send`, Celery's `apply_async`, makes until it is due.

        `when` is as for `Outbox.defer`. A run's own successor is stored even if Redis is away for a
        while, and is sent when the run has ended. Any other send then raises RedisUnavailable.
        """
        run = present_request_of(task_id)
        if run is not None and (serializer := getattr(run, SERIALIZER, "json")) != "json":
            options = {"serializer": serializer, **options}  # it has the same arguments

        kept = {
            "producer": OutboxProducer(lambda made: self._keep(made, task, when, run)),
            "publisher": None,
            "connection": None,
            "retry": False,
        }
        if run is not None:
            kept["add_to_parent"] = False
        try:
            return send(args, kwargs, task_id, **without_times(options) | kept)
        except Unattended:
            return send(args, kwargs, task_id, **options)

    def _keep(self, made: Message, task: Task, when: str, run: Any) -> None:
        """Keep a message in the place of publishing it; `run` is whose successor it is, or None."""
        turn = made.headers.pop(TURN, NO_TURN)
        request = request_of(made)
        message = signature_of(task, request)
        source = Source(send_of(message))
        if run is not None:
            until_stored(lambda: self.store(request.id, message, when, delivery_of(run), source))
            return
        outcome = self.store(
            request.id, message, when, Delivery(), source, only_attended=True, turn=turn
        )
        if outcome == Outcome.UNATTENDED:
            raise Unattended
        if outcome == Outcome.BUSY:
            raise ValueError(
                f"Task {request.id} has not ended: it cannot be sent again under this id."
            )
        if outcome == Outcome.DUE:
            self.send_due(request.id)

    def store(
        self,
        task_id: str,
        message: TaskMessage,
        when: str,
        run: Delivery,
        source: Source = NO_SOURCE,
        *,
        only_attended: bool = False,
        turn: Turn = NO_TURN,
    ) -> Outcome:
        """Keep a message until `when`; `Outbox.defer` says what is returned."""
        task = self._backend.tasks.get(message["task"])
        options = message["options"]
        priority = step_of(options.get("priority"), self._backend.app.conf)
        return self._records.outbox.defer(
            task_id,
            generation_of(options.get("replaced_task_nesting"), options.get("retries")),
            message=self.as_stored(message, task),
            max_attempts=attempts_of(task),
            when=when,
            run=run,
            source=source,
            only_attended=only_attended,
            turn=turn._replace(priority=priority),
        )

    def send_due(self, task_id: str) -> None:
        """Send a kept message that is due now; if that fails, maintenance sends it."""
        try:
            message = self._records.outbox.take_due(task_id)
            if message is not None:
                self.send(task_id, message)
                self._records.outbox.mark_published(task_id)
        except Exception as error:
            logger.warning("Task %s is not sent at once, but by maintenance: %s", task_id, error)

    def send_next(self, request: Context | None) -> None:
        """Send what has its turn since a task's run has ended; if that fails, maintenance does."""
        if request is None:
            return
        is_unique = getattr(self._backend.tasks.get(request.task), "unique", None) is not None
        if not is_unique and not request.get(HAS_LINES):
            return
        with suppress(RedisUnavailable):
            for waiting in self._records.outbox.passed_turns(request.id):
                self.send_due(waiting)

    def send(self, task_id: str, message: TaskMessage) -> None:
        """Hand a message, a Celery signature, to the broker.

        Raises kombu's OperationalError if the broker does not answer, and TypeError or ValueError
        if the task does not take these arguments.
        """
        if not message:
            raise ValueError("Its message cannot be read, so it cannot be sent again.")
        message = self.signature_from(message)
        options = {**message["options"], "task_id": task_id, "retry": False, "add_to_parent": False}
        if options.get("exchange"):  # this process may not have declared it yet
            queues = self._backend.app.amqp.queues.values()
            options["declare"] = [
                queue for queue in queues if queue.exchange.name == options["exchange"]
            ]
        task = self._backend.tasks.get(message["task"])
        if task is None:
            self._backend.app.send_task(
                message["task"], message["args"], message["kwargs"], **options
            )
        else:  # Celery's own: the task's would keep the message again
            # Without this Celery would count the task's `expires` from now.
            options = {"expires": None, **options}
            Task.apply_async(task, message["args"], message["kwargs"], **options)

    def as_stored(self, message: TaskMessage, task: Any) -> TaskMessage:
        """Return a Celery signature as its record keeps it."""
        serializer = message["options"].get("serializer") or default_serializer(
            task or self._backend.app.Task
        )
        return encoded.encode(dependents.marked(message), serializer)

    def signature_from(self, message: TaskMessage) -> TaskMessage:
        """Return the Celery signature that a record has kept."""
        return encoded.decode(message, self._backend.app.conf.accept_content)
