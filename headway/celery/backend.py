"""Celery's result backend on Headway's records; every change of every task passes through it.

An existing Celery project becomes live with one setting:

    Celery(..., backend="headway+redis://localhost:6379/0")
"""

from __future__ import annotations

import logging
from contextlib import suppress
from itertools import chain
from typing import Any

from celery import signals, states
from celery.app.task import Context
from celery.exceptions import (
    ImproperlyConfigured,
    TaskRevokedError,
    TimeLimitExceeded,
    WorkerLostError,
)
from kombu.transport import TRANSPORT_ALIASES

from headway import masking, settings
from headway.celery.context import as_context
from headway.celery.key_prefixes import keys_of
from headway.celery.messages.broker_url import unacked_keys, visibility_days
from headway.celery.messages.captured import name_bad_times
from headway.celery.messages.sends import identify_messages
from headway.celery.redis_setting import redis_setting
from headway.celery.storing.attempts import attempts_of, retry_delay
from headway.celery.storing.claims import RunClaims
from headway.celery.storing.lean_backend import LeanBackend
from headway.celery.storing.notifier import DependentNotifier
from headway.celery.storing.outbox import MessageOutbox
from headway.celery.storing.publishing import Recorder, record_sends
from headway.celery.storing.result_consumer import PollingResultConsumer
from headway.celery.storing.run_store import RunStore
from headway.celery.storing.state_store import StateStore
from headway.exceptions import ConfigError
from headway.store.connection import connect
from headway.store.model import NotifiedBy, Outcome
from headway.store.records import Records
from headway.store.redis_url import BadURL, normalize
from headway.tokens import secrets_of
from headway.weak_secrets import is_secret

logger = logging.getLogger(__name__)

BROKER_SETTINGS = ("broker_url", "broker_read_url", "broker_write_url")
MAINTENANCE = "headway.celery.worker.maintenance:Maintenance"  # by name: it imports this file
# By name: it imports this file.
TRANSPORT_ALIASES.update(
    redis="headway.celery.transport:Transport", rediss="headway.celery.transport:Transport"
)


@signals.worker_ready.connect
def name_what_is_not_live(sender: Any = None, **_: Any) -> None:
    """Log an error for tasks that are not live although they should be.

    Their backend was made after their worker, or a live task class is used with another backend.
    """
    app = getattr(sender, "app", None)
    if app is None:
        return
    names = ", ".join(sorted(name for name in app.tasks if not name.startswith("celery.")))
    if isinstance(app.backend, LiveBackend):
        if not any(step.name == MAINTENANCE.replace(":", ".") for step in sender.controller.steps):
            logger.error(
                "These tasks are not live, because their result backend was made after "
                "their worker. "
                "Start the worker by Celery's command line, or use app.backend before: %s",
                names,
            )
    elif hasattr(app.Task, "run_live"):
        logger.error(
            "These tasks are not live, because their results go to %s: set result_backend to "
            "headway+redis://..., and unset CELERY_RESULT_BACKEND, which overrides it: %s",
            type(app.backend).__name__,
            names,
        )


class LiveBackend(LeanBackend):
    """Stores each state as a write to the task's record.

    A write is refused if the task has ended or a newer delivery has taken over. It then has no
    effect at all: it counts in no chord and calls no error callback.
    """

    ResultConsumer = PollingResultConsumer

    def __init__(self, app: Any, url: str | None = None, **kwargs: Any) -> None:
        super().__init__(app=app, url=_checked_url(app, url), **kwargs)
        _mask_secrets(app)
        ttl_days = (self.expires or 7 * 86400) / 86400
        # A record outlives the time after which a broker in another Redis redelivers a message.
        self.unacked = unacked_keys(app, self.as_uri(include_password=True))
        if not self.unacked:
            ttl_days = max(ttl_days, visibility_days(app))
        lease_seconds = settings.LEASE_SECONDS.read(app.conf)
        cancel_grace = settings.CANCEL_GRACE_SECONDS.read(app.conf)
        client = connect(self.as_uri(include_password=True))
        keys = keys_of(app, self.task_keyprefix)
        self.records = Records(client, ttl_days, lease_seconds, cancel_grace, keys)
        self.states = StateStore(self, self.records)
        self.claims = RunClaims(self, self.records)
        self.runs = RunStore(self, self.records, self.states)
        self.outbox = MessageOutbox(self, self.records)
        self.dependents = DependentNotifier(self, self.records)
        app.steps["worker"].add(MAINTENANCE)
        self.recorder = Recorder(app, self.records, self.url, self._max_attempts_of)
        record_sends(app, self.recorder)
        name_bad_times(app)
        identify_messages()

    def _max_attempts_of(self, name: str) -> int:
        return attempts_of(self.app._tasks.get(name))  # a send does not finalize its app

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Do nothing: Celery's own would subscribe to each task that it sends.

        That takes a minute if Redis hangs. A client that waits for a result subscribes to it then,
        and reads it after that.
        """

    def store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Context | None = None,
        **_: Any,
    ) -> Any:
        """Store any state of any task, as Celery's contract has it.

        A refused write changes nothing and is no error.
        """
        try:
            self.states.store(
                task_id, result, state, traceback, as_context(task_id, request), by_hand=True
            )
        except Exception:
            logger.exception("State %s of task %s cannot be stored", state, task_id)
        return result

    def mark_as_done(
        self,
        task_id: str,
        result: Any,
        request: Context | None = None,
        store_result: bool = True,
        state: str = states.SUCCESS,
    ) -> None:
        """Store the end of a task; see the class."""
        request = as_context(task_id, request)
        keep = store_result and not (request is not None and request.ignore_result)
        stored = self.states.store(
            task_id, result if keep else None, state, None, request, notified_by="writer"
        )
        self.dependents.notify(stored, request, state, result)

    def mark_as_retry(
        self,
        task_id: str,
        exc: BaseException,
        traceback: str | None = None,
        request: Context | None = None,
        store_result: bool = True,
        state: str = states.RETRY,
    ) -> None:
        """Store that the task waits for its next attempt; those lost with their workers count."""
        request = as_context(task_id, request)
        outcome = self.states.store_end(task_id, exc, state, traceback, request, "maintenance")
        if outcome == Outcome.EXHAUSTED:
            self.mark_as_failure(task_id, exc, traceback, request)
        elif outcome == Outcome.WRITTEN and not retry_delay(exc, self.app):
            self.outbox.send_due(task_id)
        elif outcome == Outcome.WRITTEN:
            self.outbox.send_next(request)  # meanwhile it has no turn of its owner's

    def mark_as_failure(
        self,
        task_id: str,
        exc: BaseException,
        traceback: str | None = None,
        request: Context | None = None,
        store_result: bool = True,
        call_errbacks: bool = True,
        state: str = states.FAILURE,
    ) -> None:
        """Store the failure; a task whose worker was lost is requeued while attempts remain."""
        # Of a task that is not registered, the consumer passes little more than its name.
        by: NotifiedBy = "writer" if request is None or hasattr(request, "group") else "receiver"
        request = as_context(task_id, request)
        if (
            isinstance(exc, WorkerLostError)
            and self.states.mark_lost(task_id, request) != Outcome.EXHAUSTED
        ):
            return
        if isinstance(exc, TimeLimitExceeded) and self.states.leave_to_successor(
            task_id, exc, request
        ):
            return
        stored = self.states.store_end(task_id, exc, state, traceback, request, by)
        self.dependents.notify(
            stored,
            request,
            state,
            exc,
            traceback,
            store_result=store_result,
            call_errbacks=call_errbacks,
        )

    def mark_as_revoked(
        self,
        task_id: str,
        reason: str = "",
        request: Context | None = None,
        store_result: bool = True,
        state: str = states.REVOKED,
    ) -> None:
        """Store that the task was cancelled."""
        exc = TaskRevokedError(reason)
        by: NotifiedBy = "receiver" if request is None else "writer"  # a command has only the id
        request = as_context(task_id, request)
        stored = self.states.store_end(task_id, exc, state, None, request, by)
        self.dependents.notify(stored, request, state, exc)

    def _forget(self, task_id: str) -> None:
        self.records.forget(task_id)


def _mask_secrets(app: Any) -> None:
    """Mask the passwords of the broker's URLs, and what signs tokens, from now on."""
    found = [app.conf.get(name) or () for name in BROKER_SETTINGS]  # of each a URL, or several
    urls = chain.from_iterable([each] if isinstance(each, str) else each for each in found)
    passwords = masking.passwords_in(";".join(map(str, urls)))
    masking.set_secrets("broker", filter(is_secret, passwords), app)
    with suppress(ConfigError):  # the project signs no tokens
        keys = secrets_of(app.conf)
        masking.set_secrets(settings.TOKEN_SECRET.name, filter(is_secret, keys), app)


def _checked_url(app: Any, url: str | None) -> str:
    """Return the normalized URL and mask its password from now on.

    Raises ImproperlyConfigured.
    """
    try:
        url = normalize(url or "")
    except BadURL as error:
        raise ImproperlyConfigured(f"{redis_setting(app)} {error}") from None
    masking.set_secrets("result_backend", masking.passwords_in(url), app)
    if app.conf.redis_backend_use_ssl:
        why = f"put its options into the URL of {redis_setting(app)}, which begins with rediss://"
        raise ImproperlyConfigured(f"redis_backend_use_ssl cannot be used with LiveBackend: {why}.")
    return url
