"""The system that tasks are started in: a Celery app with Headway's backend, and its records."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from celery import Celery

from headway.celery.backend import LiveBackend
from headway.celery.messages.broker import MessageEncoder, message_encoder
from headway.celery.storing.attempts import DEFAULT_ATTEMPTS
from headway.exceptions import ConfigError
from headway.files.place import file_store
from headway.files.store import FileStore
from headway.store.model import Outcome
from headway.store.records import Records

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class System:
    """A Celery app and its records.

    `encoder` is None if the broker's queues are not in the Redis of the records.
    """

    celery: Celery
    records: Records
    encoder: MessageEncoder | None
    max_attempts: int

    def admit(
        self, name: str, queue: str, owner: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        """Refuse a start by raising an exception; here all are admitted."""

    def fair_lines(self, queue: str, owner: str) -> str:
        """Return the lines in which a start waits besides those of its kind, as `Turn.line`."""
        return ""

    @property
    def files(self) -> FileStore | None:
        """Where the files are that tasks give out; None where this process knows no place."""
        return file_store(self.celery.conf, self.records)

    def forget(self, task_id: str) -> Outcome:
        """Delete what is kept of a task that has ended, as `Records.forget_ended`, and its files.

        So are its uploads that no other task uses.

        Those that this process cannot delete, maintenance deletes.
        """
        uploads = self.records.uploads.of(task_id)
        outcome = self.records.forget_ended(task_id)
        if outcome == Outcome.FORGOTTEN and self.files is not None:
            try:
                self.files.delete_all(task_id)
                self._delete_unused(uploads)
            except OSError as error:
                logger.warning("The files of task %s cannot be deleted here: %s", task_id, error)
        return outcome

    def _delete_unused(self, upload_ids: Sequence[str]) -> None:
        """Delete the files of those uploads that have expired. Raises OSError."""
        store = file_store(self.celery.conf, self.records, "uploads")
        for upload_id in upload_ids:
            if store is not None and self.records.uploads.keep(upload_id) is None:
                store.delete_all(upload_id)


def live_backend(celery: Celery) -> LiveBackend:
    """Return the result backend of a Celery app. Raises ConfigError if it is not Headway's."""
    backend = celery.backend
    if not isinstance(backend, LiveBackend):
        raise ConfigError(
            f"Celery's results do not go through Headway but to {type(backend).__name__}: "
            "set result_backend to "
            "headway+redis://..., and unset CELERY_RESULT_BACKEND, which overrides any setting."
        )
    return backend


def system_of(celery: Celery) -> System:
    """Return the system of a Celery app. Raises ConfigError as `live_backend` does.

    `max_attempts` is a default: a worker that claims a task sets the number of the task itself.
    """
    backend = live_backend(celery)
    return System(celery, backend.records, message_encoder(celery, backend.url), DEFAULT_ATTEMPTS)


def queue_of(celery: Celery, name: str) -> str:
    """Return the queue that a task's messages go to.

    Raises ConfigError if the project routes them to an exchange without a queue.
    """
    task = celery.tasks[name]
    own = getattr(task, "queue", None)
    route = celery.amqp.router.route({"queue": own} if own else {}, name, task_type=task)
    if "queue" not in route:
        raise ConfigError(
            f"{name} is routed to an exchange: name its queue in task_routes to start it "
            "by Headway."
        )
    return str(getattr(route["queue"], "name", route["queue"]))
