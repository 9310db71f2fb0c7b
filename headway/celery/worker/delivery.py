"""Deliveries in a worker: receiving, deferring, acknowledging and giving back a message."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import datetime
from typing import Any

from billiard.einfo import ExceptionInfo
from celery.worker import strategy

from headway.celery.backend import LiveBackend
from headway.celery.messages.captured import eta_in_micros, request_of
from headway.celery.releases import Request
from headway.celery.run import endings, programs
from headway.celery.run.programs import Origin, clock_at
from headway.celery.storing.fencing import FENCE, signature_of
from headway.celery.task import LiveTask
from headway.store.errors import RedisUnavailable
from headway.store.model import Delivery, Outcome

logger = logging.getLogger(__name__)

SETTLE_AGAIN_SECONDS = 1.0


class LiveRequest(Request):
    """A worker's request; when the worker stops, `cancel` gives its task back."""

    _origin: Origin | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Make the class that Celery derives for each task treat a broken-off run as a failure.

        Pools of threads or greenlets, and solo, report one to `on_success`.
        """
        super().__init_subclass__(**kwargs)
        on_success = cls.on_success

        def on_outcome(self: LiveRequest, outcome: Any, **kwargs: Any) -> Any:
            broke_off = isinstance(outcome, ExceptionInfo)
            return self.on_failure(outcome) if broke_off else on_success(self, outcome, **kwargs)

        cls.on_success = on_outcome

    def on_failure(
        self, exc_info: ExceptionInfo, send_failed_event: bool = True, return_ok: bool = False
    ) -> None:
        """Record that a run failed; a failed run is never a failure of its worker."""
        endings.contain(exc_info)
        if endings.is_loss(exc_info):
            self.end_programs()
            programs.sweep()  # before the task runs again
        super().on_failure(exc_info, send_failed_event, return_ok)

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """Note which process runs it, and since when."""
        token = self.request_dict.get(FENCE, "")
        self._origin = Origin(pid, token, clock_at(time_accepted))
        super().on_accepted(pid, time_accepted)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Record that a run has exceeded its time limit; its process is ended next."""
        if not soft:
            self.end_programs()
        super().on_timeout(soft, timeout)

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """End this run, for Celery's `revoke(terminate=True)`."""
        self.end_programs()
        super().terminate(pool, signal)

    @property
    def is_spent(self) -> bool:
        """Whether the broker will not deliver its message again.

        It has been acknowledged, or it can expire, and a broker drops what has expired.
        """
        return bool(self.acknowledged or self.expires)

    def maybe_expire(self) -> bool:
        """Return whether it comes too late to begin; what has begun in time goes on."""
        return not self._has_begun_in_time() and bool(super().maybe_expire())

    def _has_begun_in_time(self) -> bool:
        is_late = self.expires and datetime.now(self.expires.tzinfo) > self.expires
        if not is_late or not isinstance(self.task.backend, LiveBackend):
            return False
        try:
            kept = self.task.backend.records.outbox.message(self.id)
        except RedisUnavailable as error:
            logger.warning("Nobody knows whether task %s has begun: %s", self.id, error)
            return False
        return kept is not None and kept[0]["options"].get("expires") is None

    def end_programs(self) -> None:
        """End the programs that this run has started once its process has ended."""
        if self._origin is not None and self._origin.pid != os.getpid():
            programs.end_after(self._origin)

    def cancel(self, pool: Any, signal: Any = None, emit_retry: bool = True) -> None:
        """End this run because its worker stops, and give its task back.

        The latter even if the pool cannot end the run.
        """
        self.end_programs()
        try:
            super().cancel(pool, signal, emit_retry)
        except NotImplementedError:
            self._announce_cancelled(emit_retry)

    def _announce_cancelled(self, emit_retry: bool = True) -> None:
        # It is no retry: the same message is redelivered.
        super()._announce_cancelled(emit_retry=False)
        if isinstance(self.task.backend, LiveBackend):
            self.task.backend.runs.release(
                self.id, self.request_dict[FENCE], is_sent_again=self.is_spent
            )


def receive(task: LiveTask, app: Any, consumer: Any) -> Callable[..., Any]:
    """Return Celery's own strategy, with two differences.

    A message for later waits in Redis instead of this worker's memory, and `ack` and `reject` are
    repeated until the broker has taken them.
    """
    take = strategy.default(task, app, consumer)

    def on_message(
        message: Any, body: Any, ack: Any, reject: Any, callbacks: Any, **kwargs: Any
    ) -> None:
        ack = _until_settled(ack, message, consumer)
        reject = _until_settled(reject, message, consumer)
        if (message.headers or {}).get("eta") and keep_until_due(task, message):
            ack(logger, consumer.connection_errors)
        else:
            take(message, body, ack, reject, callbacks, **kwargs)

    return on_message


def _until_settled(settle: Callable[..., Any], message: Any, consumer: Any) -> Callable[..., None]:
    """Return `settle`, Celery's `ack` or `reject`, repeated until the broker takes it.

    Celery makes one attempt. A message that then stays unacknowledged takes up one of the worker's
    prefetch slots (`worker_prefetch_multiplier` a process) for as long as its connection lasts.
    """
    connection = consumer.connection

    def attempt(*args: Any) -> None:
        settle(*args)
        consumer.call_soon(look, args)

    def look(args: Any) -> None:
        if not message.acknowledged:
            consumer.timer.call_after(SETTLE_AGAIN_SECONDS, again, args)

    def again(*args: Any) -> None:
        # A worker that has reconnected holds none of its former messages.
        if not message.acknowledged and consumer.connection is connection:
            attempt(*args)

    return attempt


def keep_until_due(task: LiveTask, message: Any) -> bool:
    """Keep a message with an `eta` in Redis; True if that is done, or it is no longer wanted."""
    if not isinstance(task.backend, LiveBackend):
        return False
    try:
        request = request_of(message)
        kept = signature_of(task, request)
        source = task.backend.claims.source_of(request)
        when = eta_in_micros(request.eta, task.app)
        outcome = task.backend.outbox.store(request.id, kept, when, Delivery(), source)
        if outcome == Outcome.FINAL:  # cancelled before any worker had its message
            task.backend.dependents.notify_by_request(request)
    except (RedisUnavailable, ValueError) as error:  # Celery itself refuses an invalid time
        logger.warning("Task %s is not kept in Redis for its time: %s", request.id, error)
        return False
    return True
