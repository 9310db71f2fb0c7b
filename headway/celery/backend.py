"""Celery's result backend on Headway's records: the one place through which every change of every task passes.

An existing Celery project becomes live with one setting:

    Celery(..., backend="headway+redis://localhost:6379/0")
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import date
from functools import cached_property, lru_cache, partial
from math import inf
from typing import Any, Literal, TypeVar
from uuid import uuid4

from celery import Task, signals, states
from celery._state import get_current_worker_task
from celery.app.task import Context, get_actual_ignore_result
from celery.backends.redis import RedisBackend, ResultConsumer
from celery.exceptions import (
    Ignore,
    ImproperlyConfigured,
    Reject,
    Retry,
    SecurityError,
    TaskRevokedError,
    TimeLimitExceeded,
    WorkerLostError,
)
from kombu.message import Message
from kombu.transport import TRANSPORT_ALIASES

from headway import masking
from headway.celery import dependents, encoded, endings, programs, runs
from headway.celery.context import as_context, whole_number
from headway.celery.encoded import SERIALIZER
from headway.celery.error_text import error_of, original_of
from headway.celery.messages import OutboxProducer, due_time, is_for_another_broker, moment, request_of, without_times
from headway.celery.publishing import Recorder, record_sends
from headway.celery.results import RESULT_MAX_BYTES, Packed, pack
from headway.celery.runs import Run, Stopped
from headway.celery.sends import RECORDED, SEND, recorded, send_of
from headway.snapshot import FINAL, Phase, cancelled_status, phase_by_hand, phase_of, progress_fields, success_fields
from headway.store.connection import Line, Unavailable, connect
from headway.store.model import MAX_CALL_BYTES, NO_SOURCE, STORED, UNCLAIMED, Delivery, Source, Teller, Write
from headway.store.records import CANCEL_GRACE_SECONDS, LEASE_SECONDS, Records
from headway.store.redis_url import BadURL, is_same_database, normalize
from headway.throttled import ThrottledLogger
from headway.values import as_json

logger = logging.getLogger(__name__)
throttled = ThrottledLogger(logger)

# Of a Retry: what its call allows, inf for as many as it takes.
MAX_ATTEMPTS = "headway_max_attempts"
KEEPER = "headway.celery.maintenance:Keeper"  # by name: that file is made from this one
# The request's key for the token that its run has claimed the record with.
CLAIMED = "headway_claimed"
FENCE = "headway_fence"  # the request's key for the token of its delivery
ENDED = "headway_ended"  # the request's key for whether its run has stored an end by `update_state`
OWN_KEYS = {FENCE, CLAIMED, SERIALIZER}  # never sent on with a message
REPLACEMENT = 1_000_000  # a replaced task counts its retries anew, so one replacement outweighs them all
DEFAULT_ATTEMPTS = 4
# How long a claim waits, at most, for a sweep that looks at a Redis that was away.
EARLY_SECONDS = 10.0
EARLY_PAUSE_SECONDS = 0.1
UNSTORED = ""  # the verdict of a report that did not reach Redis
OFTEN_SECONDS = 0.05  # a report that comes so soon after another does not wait for its reply
LONG_SECONDS = 0.2
READ_AGAIN_SECONDS = 1.0  # who waits for a result
PAUSE_SECONDS = (0.1, 1.0)  # between the tries of a write that must not be lost: at first, at most

# By name: that file is made from this one.
TRANSPORT_ALIASES.update(redis="headway.celery.transport:Transport", rediss="headway.celery.transport:Transport")

T = TypeVar("T")


class Updates:
    """What a run says by `update_state`. One that says much waits for no reply: it is heeded after its next word."""

    def __init__(self) -> None:
        self._said_at = -inf
        self._line: Line | None = None
        self._unheard: deque[Callable[[], str]] = deque()  # two at most
        self._saying = threading.Lock()  # of a run's threads, one at a time

    def say(self, backend: LiveBackend, request: Context, state: str | None, meta: Any) -> None:
        """Send a report. Raises Stopped when the run has to end."""
        with self._saying:
            self._say(backend, request, state, meta)

    def _say(self, backend: LiveBackend, request: Context, state: str | None, meta: Any) -> None:
        began = time.monotonic()
        line = self._line = self._line or backend.records.client.line()
        if not line.has_reply:
            self._heed()
            if time.monotonic() - began > LONG_SECONDS:
                return  # Redis hangs, and a report may not hold up its task for long; the next one says it anew
        self._unheard.append(backend.begin_report(request, state, meta, line))
        self._heed(all_but=1 if began - self._said_at <= OFTEN_SECONDS else 0)
        self._said_at = time.monotonic()

    def close(self) -> None:
        """Hear what Redis has said, which is of no use any more."""
        with self._saying:
            while self._unheard:
                self._unheard.popleft()()

    def _heed(self, all_but: int = 0) -> None:
        while len(self._unheard) > all_but:
            verdict = self._unheard.popleft()()
            if verdict not in ("written", UNSTORED):
                raise Stopped(verdict)


@signals.worker_ready.connect
def name_what_is_not_live(sender: Any = None, **_: Any) -> None:
    """Log an error where a live task class is used without a live backend, or a backend was made too late."""
    app = getattr(sender, "app", None)
    if app is None:
        return
    names = ", ".join(sorted(name for name in app.tasks if not name.startswith("celery.")))
    if isinstance(app.backend, LiveBackend):
        if not any(step.name == KEEPER.replace(":", ".") for step in sender.controller.steps):
            logger.error(
                "These tasks are not live, because their result backend was made after their worker. "
                "Start the worker by Celery's command line, or use app.backend before: %s",
                names,
            )
    elif issubclass(app.Task, LiveTask):
        logger.error(
            "These tasks are not live, because their results go to %s: set result_backend to "
            "headway+redis://..., and unset CELERY_RESULT_BACKEND, which overrides it: %s",
            type(app.backend).__name__,
            names,
        )


@signals.task_received.connect
def mark_delivery(request: Any, **_: Any) -> None:
    """Give each delivery a token in the worker's parent, so that what the parent writes (time limits, lost workers,
    revokes) carries the same one as what the child writes."""
    request.request_dict[FENCE] = uuid4().hex
    request.request_dict[SERIALIZER] = encoded.serializer_of(request.content_type)


def delivery_of(request: Context | None) -> Delivery:
    """Return which delivery a request is; none at all without a request."""
    if request is None:
        return Delivery()
    return Delivery(getattr(request, FENCE, UNCLAIMED), _order(request.replaced_task_nesting, request.retries))


def _run_of(task_id: str | None) -> Context | None:
    """Return the request of the present run, if it is one of this task."""
    task = get_current_worker_task()
    if task is None or task.request.is_eager or task.request.id != task_id:
        return None
    return task.request


def signature_of(task: Task, request: Context) -> dict[str, Any]:
    """Return the Celery signature that sends a request's message again, as it came.

    It says that its task has a record.
    """
    signature: dict[str, Any] = task.signature_from_request(request, retries=request.retries)
    headers = signature["options"].get("headers") or {}
    signature["options"]["headers"] = {key: value for key, value in headers.items() if key not in OWN_KEYS}
    # What a sender has put in their place may be there to hide them.
    shown = {name: getattr(request, name, None) for name in ("argsrepr", "kwargsrepr")}
    signature["options"] |= {name: text for name, text in shown.items() if text is not None}
    if (serializer := getattr(request, SERIALIZER, "json")) != _default_serializer(task):
        signature["options"]["serializer"] = serializer
    return recorded(signature, request.id)


class Unattended(Exception):
    """No worker is there that sees to what waits in Redis."""


class LiveTask(Task):
    """A task whose runs are claimed (of two deliveries of one task, one runs) and which waits in Redis for its time."""

    abstract = True
    # By name: that file is made from this one.
    Request = "headway.celery.delivery:LiveRequest"
    Strategy = "headway.celery.delivery:receive"
    run_class = Run

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Claim the record, as `claim` does."""
        self.claim(task_id)
        super().before_start(task_id, args, kwargs)

    def claim(self, task_id: str) -> None:
        """Claim the record, once for each run.

        Raises Ignore (Celery then drops the delivery) when it is not this delivery's turn.
        """
        request = self.request
        if not self.has_record or getattr(request, CLAIMED, "") == getattr(request, FENCE, None):
            return
        verdict = self.backend.claim(task_id, self)
        if verdict != "claimed":
            raise Ignore(f"{self.name}[{task_id}] is {verdict}: this delivery is dropped")
        setattr(request, CLAIMED, getattr(request, FENCE))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the body, as `run_live` does."""
        return self.run_live(super().__call__, args, kwargs)

    def run_live(self, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call a run's body; what it said last is sent also when it fails."""
        if self.request.is_eager:
            with runs.outside():
                return call(*args, **kwargs)
        around = runs.present()
        if not self.has_record or (around is not None and around.task_id == self.request.id):
            # Called as a function: what it says, the run around it says.
            return call(*args, **kwargs)
        run = self.run_class(self, self.request)
        run.updates = Updates()
        with runs.within(run), programs.marked(getattr(self.request, FENCE, "")) as run.origin:
            return self._run_body(run, partial(call, *args, **kwargs))

    def _run_body(self, run: Run, body: Callable[[], Any]) -> Any:
        try:
            try:
                return self._call_body(run, body)
            finally:
                run.check_told()
        except Stopped as stopped:
            programs.end(run.origin)
            if stopped.verdict == "cancelling":
                self.backend.mark_as_revoked(self.request.id, "Cancelled", self.request)
            raise Ignore(f"{self.name}[{self.request.id}] is {stopped.verdict}: this run ends") from None
        except (Ignore, Reject):
            self.backend.drop(self.request)
            if run.successor:
                self.backend.release(self.request.id)
            raise
        except Retry as retry:
            if self._keeps_errors_to_itself:  # Celery then stores no retry either
                self.backend.mark_as_retry(self.request.id, retry.exc, request=self.request)
            raise
        finally:
            run.updates.close()
            if run.report is not None:
                run.report.close()
            run.end()

    def _call_body(self, run: Run, body: Callable[[], Any]) -> Any:
        """Run the body. One that has handed its task over ends as that, whatever it does then."""
        try:
            result = body()
        except (Retry, Stopped):
            raise
        except BaseException as error:
            if endings.is_broken_off(error):
                programs.end(run.origin)
            end = endings.end_of(error, self._time_limit)
            if end is run.successor:
                raise
            if run.successor is None or not isinstance(end, Exception):
                if end is error:
                    raise
                raise end from error
            if isinstance(run.successor, Retry) and not isinstance(end, Ignore | Reject):
                run.successor.exc = end
            raise run.successor from end
        if run.successor is not None:
            raise run.successor
        return result

    def update_state(
        self, task_id: str | None = None, state: str | None = None, meta: Any = None, **kwargs: Any
    ) -> None:
        """Store a state, as Celery's own does. Raises Stopped when this run has to end."""
        run = runs.present()
        if run is not None and task_id in (None, run.task_id):
            run.check()
            try:
                run.updates.say(run.task.backend, run.request, state, meta)
            except Stopped as stopped:
                run.stop(stopped.verdict)  # for its other threads too
                run.check()
        elif self.has_record and task_id in (None, self.request.id):
            Updates().say(self.backend, self.request, state, meta)
        elif task_id in (None, self.request.id) or not isinstance(self.backend, LiveBackend):
            super().update_state(task_id, state, meta, **kwargs)
        elif not runs.speaks_late(task_id):
            # Another task's: this one's delivery says nothing of that.
            self.backend.store_result(task_id, meta, state or "PROGRESS", **kwargs)

    def apply_async(self, args: Any = None, kwargs: Any = None, task_id: str | None = None, **options: Any) -> Any:
        """Send the task; with a `countdown` or an `eta` it waits in Redis and for Redis's clock.

        So does what takes over this run's id, a retry or a replacement, so that it cannot be lost.
        Raises ValueError or TypeError for an invalid time.
        """
        send = super().apply_async
        if self.app.conf.task_always_eager or not isinstance(self.backend, LiveBackend):
            return send(args, kwargs, task_id, **options)
        when = due_time(options.get("countdown"), options.get("eta"), self.app)
        if when or _run_of(task_id) is not None:
            if not is_for_another_broker(options, self.app):
                return self.backend.park(self, send, args, kwargs, task_id or str(uuid4()), when, options)
        else:
            options = without_times(options)  # it is not for later
        return send(args, kwargs, task_id, **options)

    def retry(
        self,
        args: Any = None,
        kwargs: Any = None,
        exc: BaseException | None = None,
        throw: bool = True,
        eta: Any = None,
        countdown: Any = None,
        max_retries: int | None = None,
        **options: Any,
    ) -> Retry:
        """Ask for the next attempt, which follows this run however it then ends.

        Raises ValueError or TypeError for an invalid time, and what making the message raises.
        """
        times = {"eta": eta, "countdown": countdown}
        if not self.has_record:
            return super().retry(args, kwargs, exc, throw, max_retries=max_retries, **times, **options)
        due_time(countdown, eta, self.app)
        try:
            asked: Retry = super().retry(args, kwargs, exc, False, max_retries=max_retries, **times, **options)
        except Reject as reject:  # Celery drops a task whose message it cannot make
            if isinstance(reject.reason, Exception):
                raise reject.reason from None
            raise
        # Celery leaves the call's limit on the task, where the next run of any other finds it.
        limit = self.max_retries if max_retries is None else max_retries
        setattr(asked, MAX_ATTEMPTS, inf if limit is None else limit + 1)
        self._hand_over(asked)
        if throw:
            raise asked
        return asked

    def on_replace(self, sig: Any) -> Any:
        """Hand over to another task under this one's id, as Celery's own does."""
        try:
            return super().on_replace(sig)
        except Ignore as replaced:
            if self.has_record:
                self._hand_over(replaced)
            raise

    def _hand_over(self, end: Retry | Ignore) -> None:
        """Note how the present run has to end, since another one takes over its task."""
        run = runs.present()
        if run is not None and run.task_id == self.request.id:
            run.successor = end

    @property
    def _keeps_errors_to_itself(self) -> bool:
        ignores = get_actual_ignore_result(self, self.request)
        return bool(ignores) and not self.store_errors_even_if_ignored

    @property
    def _time_limit(self) -> float | None:
        """The hard time limit of this run, in seconds."""
        hard, _ = self.request.timelimit or (None, None)
        limit: float | None = hard or self.time_limit or self.app.conf.task_time_limit
        return limit

    @property
    def has_record(self) -> bool:
        """Whether this is a run whose record is kept."""
        request = self.request
        return not (request.is_eager or request.called_directly) and isinstance(self.backend, LiveBackend)


class Results(ResultConsumer):
    """Waits for results as Celery's own does, and reads them again each second.

    Celery's own relies on pushes alone once it has subscribed and read. Redis may see that read before the
    subscription, though, since they come over two connections; a result between the two is pushed to nobody.
    """

    def drain_events_until(self, p: Any, timeout: float | None = None, on_interval: Any = None) -> Iterator[None]:
        """Wait until the promise is kept; raises TimeoutError after so many seconds."""
        read_at = time.monotonic()
        for _ in super().drain_events_until(p, timeout, on_interval):
            if time.monotonic() - read_at >= READ_AGAIN_SECONDS:
                self._read()
                read_at = time.monotonic()
            yield

    def _read(self) -> None:
        keys, client = list(self.subscribed_to), self.backend.records.client
        with suppress(Unavailable):
            for meta in client.execute_command("MGET", *keys, NEVER_DECODE=True) if keys else ():
                if meta:
                    self.on_state_change(self._decode_result(meta), None)


class LiveBackend(RedisBackend):
    """Stores each state as a write of the task's record.

    A write is refused when the task has ended or a newer delivery has taken over; it then has no effect at all: it
    counts in no chord and calls no error callback.
    """

    ResultConsumer = Results

    def __init__(self, app: Any, url: str | None = None, **kwargs: Any) -> None:
        try:
            url = normalize(url or "")
        except BadURL as error:
            raise ImproperlyConfigured(f"result_backend {error}") from None
        masking.keep("result_backend", masking.of_url(url))
        if app.conf.redis_backend_use_ssl:
            why = "put its options into the URL of result_backend, which begins with rediss://"
            raise ImproperlyConfigured(f"redis_backend_use_ssl cannot be used with LiveBackend: {why}.")
        if (app.conf.result_backend_transport_options or {}).get("global_keyprefix"):
            why = "give each project a Redis database of its own, as redis://host:6379/1"
            raise ImproperlyConfigured(f"A global_keyprefix of results cannot be used with LiveBackend: {why}.")
        super().__init__(app=app, url=url, **kwargs)
        ttl_days = (self.expires or 7 * 86400) / 86400
        # A record is kept for longer than another Redis may keep a message and give it back.
        if not self._unacked:
            ttl_days = max(ttl_days, self._visibility_days)
        lease_seconds = app.conf.get("headway_lease_seconds", LEASE_SECONDS)
        cancel_grace = app.conf.get("headway_cancel_grace_seconds", CANCEL_GRACE_SECONDS)
        self.records = Records(connect(self.as_uri(include_password=True)), ttl_days, lease_seconds, cancel_grace)
        app.steps["worker"].add(KEEPER)
        self.recorder = Recorder(app, self.records, self.url, self._max_attempts_of)
        record_sends(app, self.recorder)

    def _max_attempts_of(self, name: str) -> int:
        return _attempts_of(self.app._tasks.get(name))  # a send does not finalize its app

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Do nothing: Celery's own subscribes to each task that it sends, and takes a minute where Redis hangs.

        Whoever waits for a result subscribes to it then, and reads it after that.
        """

    def claim(self, task_id: str, task: Any) -> str:
        """Claim a record for the running delivery of `task`; see `RunRecords.claim`.

        A process can be gone before its worker knows that it has begun; then the pool hands the delivery to another.
        """
        request = task.request
        if not hasattr(request, FENCE):
            setattr(request, FENCE, uuid4().hex)
        run, message = uuid4().hex, signature_of(task, request)

        def claim(patient: bool) -> str:
            return self.records.runs.claim(
                task_id,
                delivery_of(request),
                run,
                message=self._kept(message, task),
                max_attempts=_attempts_of(task, request),
                hostname=request.hostname or "",
                source=self.source_of(request),
                patient=patient,
            )

        began, verdict = time.monotonic(), "early"
        while verdict == "early":
            patient = time.monotonic() - began < EARLY_SECONDS
            verdict = self._until_stored(partial(claim, patient))
            if verdict == "early":
                time.sleep(EARLY_PAUSE_SECONDS)
        if verdict == "expired":
            logger.warning("Task %s came again after its record had expired, and is not run", task_id)
        if verdict in ("final", "cancelled"):
            self.tell_by_request(request)
        if verdict == "lost":
            self.mark_as_failure(task_id, WorkerLostError("Worker exited prematurely."), request=request)
        return verdict

    def source_of(self, request: Context) -> Source:
        """Return where a request's message comes from."""
        tag = (request.properties or {}).get("delivery_tag")
        held = f"{self._unacked} {tag}" if self._unacked and isinstance(tag, str) else ""
        # In protocol 1 a message's headers stand apart from what Celery says of the task.
        apart = request.headers if isinstance(request.headers, Mapping) else {}
        recorded_id = getattr(request, RECORDED, "") or apart.get(RECORDED, "")
        return Source(getattr(request, SEND, ""), recorded_id == request.id, held)

    def report(self, request: Context, state: str | None, meta: Any, bar: int | None = None) -> str:
        """Store what a run says of itself; returns the verdict, see `RunRecords.write`, or UNSTORED.

        Within a `bar` it never goes back.
        """
        return self.begin_report(request, state, meta, bar=bar)()

    def begin_report(
        self,
        request: Context,
        state: str | None,
        meta: Any,
        line: Line | None = None,
        *,
        bar: int | None = None,
    ) -> Callable[[], str]:
        """Send what a run says of itself; what is returned waits for what `report` returns, and has to be called."""
        if getattr(request, ENDED, False):
            return lambda: "written"  # the run has stored an end itself and goes on
        state = state or "PROGRESS"
        write = self._write_of(request.id, meta, state, None, request, phase_by_hand(state, begun=True))
        if bar is not None:
            write = write._replace(fields={**write.fields, "bar": bar})
        if write.phase not in FINAL:
            return self._begin(write, line)
        verdict = self._until_stored(lambda: self.records.runs.write(write))
        setattr(request, ENDED, verdict in STORED)
        return lambda: verdict

    def mail(self, request: Context, stage: Literal["prepared", "committing"], seconds: float) -> str:
        """Store how far a run's e-mail is; see `RunRecords.mail`.

        Raises connection.Unavailable after so many seconds.
        """
        return self._until_stored(lambda: self.records.runs.mail(request.id, delivery_of(request), stage), seconds)

    def drop(self, request: Context) -> None:
        """Give up a run that ends without an outcome."""
        self._until_stored(lambda: self.records.runs.drop(request.id, delivery_of(request)))

    def give_back(self, task_id: str, token: str) -> None:
        """Give back a run that its worker ends because it stops; where Redis is away, its lease sees to it."""
        try:
            self.records.maintenance.give_back([(task_id, token)])
        except Unavailable as error:
            logger.warning("Task %s is not given back now: %s", task_id, error)

    def park(
        self,
        task: LiveTask,
        send: Callable[..., Any],
        args: Any,
        kwargs: Any,
        task_id: str,
        when: str,
        options: Mapping[str, Any],
    ) -> Any:
        """Keep the message that `send`, Celery's `apply_async`, makes until it is due.

        `when` is as for `Outbox.park`. A run's own successor is kept whatever Redis does
        meanwhile, and is sent when the run has ended; else raises connection.Unavailable.
        """
        run = _run_of(task_id)
        if run is not None and (serializer := getattr(run, SERIALIZER, "json")) != "json":
            options = {"serializer": serializer, **options}  # it has the same arguments

        def put(made: Message) -> None:
            message = signature_of(task, request_of(made))
            source = Source(send_of(message))
            if run is not None:
                self._until_stored(lambda: self.keep(task_id, message, when, delivery_of(run), source))
                return
            verdict = self.keep(task_id, message, when, Delivery(), source, only_attended=True)
            if verdict == "unattended":
                raise Unattended
            if verdict == "busy":
                raise ValueError(f"Task {task_id} has not ended: it cannot be sent again under this id.")
            if verdict == "due":
                self.release(task_id)

        kept = {"producer": OutboxProducer(put), "publisher": None, "connection": None, "retry": False}
        if run is not None:
            kept["add_to_parent"] = False
        try:
            return send(args, kwargs, task_id, **without_times(options) | kept)
        except Unattended:
            return send(args, kwargs, task_id, **options)

    def keep(
        self,
        task_id: str,
        message: Mapping[str, Any],
        when: str,
        run: Delivery,
        source: Source = NO_SOURCE,
        *,
        only_attended: bool = False,
    ) -> str:
        """Keep a message until `when`; see `Outbox.park`, which says what is returned."""
        task, options = self._tasks.get(message["task"]), message["options"]
        return self.records.outbox.park(
            task_id,
            _order(options.get("replaced_task_nesting"), options.get("retries")),
            message=self._kept(message, task),
            max_attempts=_attempts_of(task),
            when=when,
            run=run,
            source=source,
            only_attended=only_attended,
        )

    def release(self, task_id: str) -> None:
        """Send a kept message that is due now; if that fails, maintenance sends it."""
        try:
            message = self.records.outbox.release(task_id)
            if message is not None:
                self.send(task_id, message)
                self.records.outbox.sent(task_id)
        except Exception as error:
            logger.warning("Task %s is not sent at once, but by maintenance: %s", task_id, error)

    def _kept(self, message: Mapping[str, Any], task: Any) -> dict[str, Any]:
        """Return a Celery signature as its record keeps it."""
        serializer = message["options"].get("serializer") or _default_serializer(task or self.app.Task)
        return encoded.encode(dependents.marked(message), serializer)

    def _signature(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Return the Celery signature that a record has kept."""
        return encoded.decode(message, self.app.conf.accept_content)

    def send(self, task_id: str, message: Mapping[str, Any]) -> None:
        """Hand a message, a Celery signature, to the broker.

        Raises kombu's OperationalError when that does not answer; TypeError or ValueError when the task does not take
        these arguments.
        """
        if not message:
            raise ValueError("Its message cannot be read, so it cannot be sent again.")
        message = self._signature(message)
        options = {**message["options"], "task_id": task_id, "retry": False, "add_to_parent": False}
        if options.get("exchange"):  # this process may not have met it yet
            queues = self.app.amqp.queues.values()
            options["declare"] = [queue for queue in queues if queue.exchange.name == options["exchange"]]
        task = self._tasks.get(message["task"])
        if task is None:
            self.app.send_task(message["task"], message["args"], message["kwargs"], **options)
        else:  # not by its own, which would keep it again
            Task.apply_async(task, message["args"], message["kwargs"], **options)

    def give_up(self, task_id: str, token: str, message: Mapping[str, Any] | None) -> None:
        """Fail a task whose last attempt was lost with its worker; `token` is that attempt's."""
        try:
            known = self._signature(message or {})
        except Exception as error:
            logger.warning("What depends on task %s cannot be told of its end: %s", task_id, error)
            known = dict(message or {})
        request = dependents.request_of(task_id, known, **{FENCE: token})
        self.mark_as_failure(task_id, WorkerLostError("The worker was lost, and no attempt is left."), request=request)

    def store_result(
        self,
        task_id: str,
        result: Any,
        state: str,
        traceback: str | None = None,
        request: Context | None = None,
        **_: Any,
    ) -> Any:
        """Store any state of any task, as Celery's contract says; a refused write changes nothing and is no error."""
        try:
            self._store(task_id, result, state, traceback, as_context(task_id, request), by_hand=True)
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
        """Store the end; see the class."""
        request = as_context(task_id, request)
        keep = store_result and not (request is not None and request.ignore_result)
        stored = self._store(task_id, result if keep else None, state, None, request, teller="1")
        self._tell(stored, request, state, result)

    def mark_as_retry(
        self,
        task_id: str,
        exc: BaseException,
        traceback: str | None = None,
        request: Context | None = None,
        store_result: bool = True,
        state: str = states.RETRY,
    ) -> None:
        """Store that the task waits for its next attempt; attempts that were lost with their workers count too."""
        verdict = self._store_end(task_id, exc, state, traceback, as_context(task_id, request), "")
        if verdict == "exhausted":
            self.mark_as_failure(task_id, exc, traceback, request)
        elif verdict == "written" and not _retry_delay(exc, self.app):
            self.release(task_id)

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
        """Store the failure; a task whose worker was lost is tried again while it has attempts left."""
        # A consumer knows no more of a task than its name, where the task is not registered.
        teller: Teller = "1" if request is None or hasattr(request, "group") else "?"
        request = as_context(task_id, request)
        if isinstance(exc, WorkerLostError) and self._lose(task_id, request) != "exhausted":
            return
        if isinstance(exc, TimeLimitExceeded) and self._leave_to_successor(task_id, exc, request):
            return
        stored = self._store_end(task_id, exc, state, traceback, request, teller)
        self._tell(stored, request, state, exc, traceback, store_result=store_result, call_errbacks=call_errbacks)

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
        teller: Teller = "?" if request is None else "1"  # a revoke command knows only the id
        request = as_context(task_id, request)
        stored = self._store_end(task_id, exc, state, None, request, teller)
        self._tell(stored, request, state, exc)

    def tell_dependents(self, task_id: str, message: Mapping[str, Any]) -> None:
        """Tell a task's dependents, as its kept message names them, that it has ended."""
        self._tell_late(dependents.request_of(task_id, self._signature(message)))

    def tell_by_request(self, request: Context) -> None:
        """Tell them by the request of a later delivery, unless they have been told, or are now."""
        if dependents.concern(request, states.FAILURE) and self._until_stored(
            lambda: self.records.maintenance.may_tell(request.id)
        ):
            self._tell_late(request)

    def _tell_late(self, request: Context) -> None:
        state, result = self._end_of(request.id)
        ended = state in self.READY_STATES and dependents.concern(request, state)
        if not ended or dependents.tell(self, request, state, result):
            self._until_stored(lambda: self.records.maintenance.told(request.id))

    def _tell(self, verdict: str, request: Context | None, state: str, result: Any, *rest: Any, **how: Any) -> None:
        """Tell a task's dependents of an end that was stored here, or stored without them."""
        if not dependents.concern(request, state):
            return
        if verdict == "final":
            self.tell_by_request(request)
        elif verdict in STORED and dependents.tell(self, request, state, result, *rest, **how) and not request.is_eager:
            self._until_stored(lambda: self.records.maintenance.told(request.id))

    def _end_of(self, task_id: str) -> tuple[str, Any]:
        """Return the Celery state in which a task has ended, and its result or exception."""
        meta = self.decode(self.get(self.get_key_for_task(task_id))) or {"status": states.PENDING, "result": None}
        state, result = meta["status"], meta["result"]
        if state not in self.EXCEPTION_STATES:
            return state, result
        try:
            return state, self.exception_to_python(result)
        except (TypeError, ValueError, SecurityError):  # what a program has stored by hand
            return state, RuntimeError(error_of(result)["message"])

    def _forget(self, task_id: str) -> None:
        self.records.forget(task_id)

    def _lose(self, task_id: str, request: Context | None) -> str:
        return self._until_stored(lambda: self.records.runs.lose(task_id, delivery_of(request)))

    def _leave_to_successor(self, task_id: str, exc: BaseException, request: Context | None) -> bool:
        """Store a run that was ended over its time, and had asked for its next attempt before, as a retry.

        Returns whether it is one: it had asked, and an attempt is left.
        """
        due = self._until_stored(lambda: self.records.outbox.successor_due(task_id))
        if due is None:
            return False
        try:
            raise Retry(exc=exc, when=due)
        except Retry as retry:  # which is being handled also where Celery stores one
            verdict = self._store_end(task_id, exc, states.RETRY, None, request, "")
            if verdict == "written" and not _retry_delay(retry, self.app):
                self.release(task_id)
        return verdict != "exhausted"

    def _store_end(
        self,
        task_id: str,
        exc: BaseException | None,
        state: str,
        traceback: str | None,
        request: Context | None,
        teller: Teller,
    ) -> str:
        """Store how a run ended, or its error message alone where the rest cannot be stored.

        Returns the verdict, see `RunRecords.write`, or UNSTORED. Never raises: Celery calls it from
        its consumer too, and an exception there would end the worker.
        """
        try:
            return self._store(task_id, exc, state, traceback, request, teller)
        except Exception:
            logger.exception("%s of task %s cannot be stored as it is", state, task_id)
        said = error_of(exc)
        plain = {"exc_type": said["type"], "exc_message": [said["message"]], "exc_module": None}
        delivery = {FENCE: getattr(request, FENCE, UNCLAIMED), "retries": getattr(request, "retries", 0)}
        nesting = getattr(request, "replaced_task_nesting", 0)
        bare = Context(delivery, id=task_id, replaced_task_nesting=nesting, delivery_info={}, task=None)
        try:
            return self._store(task_id, plain, state, None, bare if request else None, teller)
        except Exception as error:
            logger.error("%s of task %s is not stored: %s", state, task_id, error)
            return UNSTORED

    def _store(
        self,
        task_id: str,
        value: Any,
        state: str,
        traceback: str | None,
        request: Context | None,
        teller: Teller = "",
        *,
        by_hand: bool = False,
    ) -> str:
        if request is not None and request.is_eager and not self.app.conf.task_store_eager_result:
            return "written"  # as Celery's own: an eager run leaves no trace
        phase = phase_by_hand(state, begun=False) if by_hand else phase_of(state)
        write = self._write_of(task_id, value, state, traceback, request, phase)
        if write.phase == Phase.RUNNING:
            return self._begin(write)()
        return self._until_stored(lambda: self.records.runs.write(write._replace(teller=teller)))

    def _write_of(
        self, task_id: str, value: Any, state: str, traceback: str | None, request: Context | None, phase: Phase
    ) -> Write:
        name = getattr(request, "task", None)
        meta = self._get_result_meta(self.encode_result(value, state), state, traceback, request)
        meta["task_id"] = task_id
        fields = _fields(phase, state, value)
        packed = self._pack(phase, meta, fields)
        if masking.is_told(packed.meta) or masking.is_told(packed.whole):
            packed = self._pack(phase, masking.masked(meta), masking.masked(fields))
        task = self._tasks.get(name)
        write = Write(
            task_id,
            delivery_of(request),
            phase,
            packed.fields,
            packed.meta,
            name or "unknown",
            _attempts_of(task, request),
            whole=packed.whole,
        )
        if phase == Phase.RUNNING:
            return write  # a report is not repeated
        most_failures = inf if _retries_for_ever(task) else float(write.max_attempts)
        if phase == Phase.RETRYING:
            most_failures = getattr(_retry_of(value), MAX_ATTEMPTS, most_failures)
        return write._replace(
            max_attempts=write.max_attempts if most_failures == inf else int(most_failures),
            retry_in=_retry_delay(value, self.app),
            most_failures=most_failures,
            write_id=uuid4().hex,
        )

    def _get_result_meta(self, result: Any, state: str, traceback: Any, request: Any, **options: Any) -> dict[str, Any]:
        """Return what Celery's own does; for a report without a search through its settings, which takes longest."""
        if state in self.READY_STATES or self._extended:
            return dict(super()._get_result_meta(result, state, traceback, request, **options))
        of_whom = {"group_id": getattr(request, "group", None), "parent_id": getattr(request, "parent_id", None)}
        return {
            "status": state,
            "result": result,
            "traceback": traceback,
            "children": self.current_task_children(request),
            "date_done": None,
            **{key: value for key, value in of_whom.items() if value},
        }

    def _pack(self, phase: Phase, meta: dict[str, Any], fields: dict[str, Any]) -> Packed:
        """Encode Celery's form.

        A large result is cut in `fields`, a large report or error in Celery's form.
        """
        if phase == Phase.SUCCEEDED:
            return pack(meta, fields, self.encode, self._max_result_bytes)
        encoded = self._encode_report(meta) if phase == Phase.RUNNING else self.encode(meta)
        if phase == Phase.RUNNING and len(encoded) > MAX_CALL_BYTES:
            return Packed(self.encode(_cut_report(meta, fields)), fields)
        if fields.get("error") and len(encoded) > self._max_result_bytes:
            return Packed(self.encode(self._cut_error(meta, fields["error"])), fields)
        return Packed(encoded, fields)

    def _cut_error(self, meta: dict[str, Any], error: dict[str, str]) -> dict[str, Any]:
        """Return Celery's form of an exception whose message is too large."""
        message = RuntimeError(f"{error['type']}: {error['message']}")
        return {**meta, "result": self.encode_result(message, meta["status"]), "traceback": None}

    @cached_property
    def _max_result_bytes(self) -> int:
        return int(self.app.conf.get("headway_result_max_bytes") or RESULT_MAX_BYTES)

    def _encode_report(self, meta: Mapping[str, Any]) -> Any:
        """Return what `encode` does; what cannot be encoded is shown as JSON or left out."""
        try:
            return self.encode(meta)
        except Exception:
            return self.encode({**meta, "result": as_json(meta["result"])})

    def encode(self, data: Any) -> Any:
        """Return what Celery's own does, without Kombu's way to the encoder, which takes longer than to encode."""
        if self.compression:
            return super().encode(data)
        try:
            return self.encoder(data)
        except Exception:
            return super().encode(data)  # that way turns it into an error that Celery knows

    def decode(self, payload: Any) -> Any:
        """Return what Celery's own does, except for the JSON of the record's scripts."""
        if self.serializer != "json" and isinstance(payload, bytes | str):
            text = payload if isinstance(payload, bytes) else payload.encode()
            if text.startswith(b'{"status":"'):
                return json.loads(text)
        return super().decode(payload)

    @cached_property
    def _extended(self) -> bool:
        return bool(self.app.conf.find_value_for_key("extended", "result"))

    @property
    def broker_url(self) -> str:
        """The broker that messages are taken from; of several, the first."""
        url = self.app.conf.broker_read_url or self.app.conf.broker_url or ""
        return str(url[0] if isinstance(url, list | tuple) else url).partition(";")[0]

    @cached_property
    def _unacked(self) -> str:
        """Where the broker holds unacknowledged messages: "<hash> <index>".

        "" where the broker is not in the Redis of the records.
        """
        options = self.app.conf.broker_transport_options
        if not is_same_database(self.broker_url, self.as_uri(include_password=True)):
            return ""
        names = [options.get(f"{name}_key", name) for name in ("unacked", "unacked_index")]
        return " ".join(f"{options.get('global_keyprefix', '')}{name}" for name in names)

    @property
    def _visibility_days(self) -> float:
        """A day more than a broker in Redis waits to redeliver a message; 0 for another broker."""
        seconds = self.app.conf.broker_transport_options.get("visibility_timeout", 3600)
        return seconds / 86400 + 1 if self.broker_url.startswith("redis") else 0.0

    @cached_property
    def _tasks(self) -> Any:
        return self.app.tasks  # which takes a lock at each look

    def _begin(self, write: Write, line: Line | None = None) -> Callable[[], str]:
        """Send a report; one that Redis does not take is not repeated, since the next one says it anew."""

        def unstored(error: Unavailable) -> str:
            throttled.warning("A progress report of %s was not stored: %s", write.task_id, error)
            return UNSTORED

        try:
            reply = self.records.runs.begin_write(write, line)
        except Unavailable as error:
            return partial(unstored, error)

        def verdict() -> str:
            try:
                return reply()
            except Unavailable as error:
                return unstored(error)

        return verdict

    def _until_stored(self, write: Callable[[], T], seconds: float = inf) -> T:
        """Try until Redis takes it: a task's start and its outcome must not be lost with one connection.

        Raises Unavailable after so many seconds.
        """
        pause, longest = PAUSE_SECONDS
        deadline = time.monotonic() + seconds
        while True:
            try:
                return write()
            except Unavailable as error:
                if time.monotonic() > deadline:
                    raise
                throttled.warning("Redis does not take a write, which is tried again: %s", error)
                time.sleep(pause)
                pause = min(2 * pause, longest)


def _cut_report(meta: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """Return Celery's form of a report that is too large: what the snapshot shows of it."""
    _warn_of_cut_reports(meta["task_id"])
    shown = {key: value for key, value in fields.items() if key in ("current", "total", "status")}
    return {**meta, "result": shown, "children": []}


@lru_cache(1000)  # once for each task
def _warn_of_cut_reports(task_id: str) -> None:
    logger.warning("Reports of %s of more than %s bytes are cut to what the page shows", task_id, MAX_CALL_BYTES)


def _fields(phase: Phase, state: str, value: Any) -> dict[str, Any]:
    """Return what a Celery state and its value say, as keys of the snapshot."""
    if phase == Phase.RUNNING:
        return progress_fields(state, value)
    if phase == Phase.SUCCEEDED:
        return success_fields(value) | {"error": None, "step": None}
    if phase == Phase.RETRYING:
        error = error_of(original_of(value, sys.exc_info()[1]))
        return {"error": error, "status": "", "current": 0, "total": 1, "step": None}
    if phase == Phase.FAILED:
        error = error_of(original_of(value, sys.exc_info()[1]))
        return {"error": error, "status": error["message"]}
    if phase == Phase.CANCELLED:
        return {"status": cancelled_status(value), "error": None}
    return {}


def _retry_of(value: Any) -> BaseException | None:
    """Return the Retry of a state RETRY.

    Celery hands only its cause to `mark_as_retry`, while it handles the Retry itself.
    """
    return value if isinstance(value, Retry) else sys.exc_info()[1]


def _retry_delay(value: Any, app: Any) -> float:
    """Return in how many seconds the next attempt starts."""
    when = getattr(_retry_of(value), "when", None)
    if isinstance(when, date | str):
        when = int(moment(when, app)) / 1e6 - time.time()
    return max(0.0, float(when or 0.0))


def _default_serializer(task: Any) -> str:
    return str(getattr(task, "serializer", None) or task.app.conf.task_serializer)


def _order(nesting: Any, retries: Any) -> int:
    return whole_number(nesting) * REPLACEMENT + whole_number(retries)


def _attempts_of(task: Any, request: Context | None = None) -> int:
    """Return how many attempts a task has; one that retries forever has some left after each."""
    retries = getattr(task, "max_retries", None)
    if retries is None:
        return DEFAULT_ATTEMPTS + whole_number(getattr(request, "retries", 0))
    return whole_number(retries) + 1


def _retries_for_ever(task: Any) -> bool:
    return task is not None and getattr(task, "max_retries", None) is None
