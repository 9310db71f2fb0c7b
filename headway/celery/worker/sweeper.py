"""Sweeps, and acts on what a sweep finds: due and exhausted tasks, ends that have dependents.

The sweep itself, in sweep.lua, requeues lost tasks: see `requeue_lost` in transition.lua.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from math import inf
from typing import Any

from kombu.exceptions import OperationalError

from headway import settings
from headway.celery.backend import LiveBackend
from headway.celery.messages import broker
from headway.shapes import TaskMessage
from headway.store.errors import RedisUnavailable
from headway.store.restored import Memory

logger = logging.getLogger(__name__)

# What one task, or one duty, may raise without stopping the rest. Receivers of signals and error
# callbacks of the project run here: `sys.exit()` in one would silently end the thread.
FAULTS = (Exception, SystemExit)
BATCH = 100
LOG_PAUSED_SECONDS = 60.0  # between two warnings that everything is paused
MAX_KEYS_LOGGED = 5
SET_ASIDE = (
    "%d keys in Redis held another type than Headway gave them. They start empty; what they held "
    "is kept for a week under headway:damaged: (%s)"
)


class Sweeper:
    """Sweeps for one worker: its cancelled runs and, while it is the leader, all tasks."""

    def __init__(
        self, backend: LiveBackend, worker_id: str, end_runs: Callable[[set[str]], None]
    ) -> None:
        """`end_runs` ends those of this worker's runs whose cancelled tasks have these ids."""
        self._backend = backend
        self._id = worker_id
        self._end_runs = end_runs
        self._memory = Memory(settings.DATA_DIR.read(backend.app.conf))
        self._paused_logged_at = -inf
        self._missing: set[str] = set()
        self._logged: deque[str] = deque(maxlen=1000)  # ids of tasks whose errors were logged

    def sweep(self, stop: threading.Event) -> None:
        """Sweep until nothing is left to do now, or `stop` is set."""
        if not self._memory.seen.epoch:
            self._memory.recall(self._backend.records.maintenance.epoch())
        has_more = True
        while has_more and not stop.is_set():
            sweep = self._backend.records.maintenance.sweep(self._id, BATCH, self._memory.seen)
            self._memory.note(sweep.seen)
            self._log_paused(sweep.paused)
            for task_id, why in sweep.broken.items():
                logger.error(
                    "The record of task %s cannot be handled and is left: %s", task_id, why
                )
            if sweep.set_aside:
                logger.error(SET_ASIDE, len(sweep.set_aside), sweep.set_aside[:MAX_KEYS_LOGGED])
            # Due tasks come last: a broker that is away must not hold up the rest of the sweep.
            self._for_each(self._backend.runs.give_up, sweep.exhausted)
            self._for_each(self._backend.dependents.notify_dependents, sweep.ended)
            self._end_runs(sweep.overdue)
            self._for_each(self._send, sweep.due)
            has_more = sweep.has_more

    def remember(self) -> None:
        """Save the state of Redis that was seen last, to notice a restored backup."""
        self._memory.save()

    def check_missing(self) -> None:
        """Publish each message again that two checks in a row have not found: it is lost.

        Its age does not matter. If it turns up after all, its delivery is refused at the claim.
        One left unacknowledged by a worker that was killed before starting it is withdrawn.
        """
        missed: set[str] = set()

        def collect(queue: str, task_ids: list[str]) -> None:
            missed.update(broker.missing(self._backend.app, queue, task_ids))

        self._for_each(collect, self._backend.records.maintenance.unconfirmed().items())
        if lost := missed & self._missing:
            logger.warning("The messages of %d tasks are lost and are sent again", len(lost))
            self.republish(lost)
        self._missing = missed - lost

    def republish(self, task_ids: Collection[str]) -> None:
        """Publish messages again, and withdraw those that a worker holds unacknowledged."""
        self._backend.records.maintenance.republish(task_ids)
        broker.withdraw(self._backend.app, task_ids)

    def log_once(self, task_id: str, error: BaseException) -> None:
        """Log an error of a task, once for each task."""
        if task_id not in self._logged:
            self._logged.append(task_id)
            logger.error("Maintenance cannot handle %s: %s", task_id, error, exc_info=error)

    def _log_paused(self, is_paused: bool) -> None:
        """Log now and then that everything is paused, and what to do."""
        if not is_paused or time.monotonic() - self._paused_logged_at < LOG_PAUSED_SECONDS:
            return
        paused = self._backend.records.maintenance.paused()
        waiting = len(self._backend.records.maintenance.unended())
        self._paused_logged_at = time.monotonic()
        if paused is not None:
            logger.warning(
                "Redis holds the data of %s, and later data was seen: it was restored from "
                "a backup. Nothing runs until `headway resume`; %d tasks would run, perhaps again: "
                "`headway paused` lists them.",
                paused.data_of,
                waiting,
            )

    def _for_each(self, duty: Callable[..., None], tasks: Iterable[tuple[Any, ...]]) -> None:
        """Do a duty for each `(task_id, ...)`, or `(queue, ...)`.

        An error with one of them is logged, and does not stop the others. Raises RedisUnavailable,
        and the broker's error if it comes twice in a row: then the broker is at fault, not a task.
        """
        refused = 0
        for task_id, *rest in tasks:
            try:
                duty(task_id, *rest)
                refused = 0
            except RedisUnavailable:
                raise
            except OperationalError as error:
                refused += 1
                if refused > 1:
                    raise
                self.log_once(task_id, error)
            except FAULTS as error:
                self.log_once(task_id, error)

    def _send(self, task_id: str, message: TaskMessage) -> None:
        try:
            self._backend.outbox.send(task_id, message)
        except (RedisUnavailable, OperationalError):
            raise
        except FAULTS as error:  # its code has changed since: it can never be sent
            logger.exception("Task %s cannot be sent", task_id)
            self._backend.mark_as_failure(task_id, error)
        self._backend.records.outbox.mark_published(task_id)
