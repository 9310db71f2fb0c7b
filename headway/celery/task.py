"""The class of live tasks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any

from celery import Task
from celery.exceptions import Ignore, Reject, Retry

from headway.capture import capturing
from headway.celery.backend import LiveBackend
from headway.celery.messages.captured import due_time, is_for_another_broker, without_times
from headway.celery.messages.sends import BODY_ENDED
from headway.celery.run import programs, runs
from headway.celery.run.body import run_body
from headway.celery.run.report_sender import ReportSender
from headway.celery.run.runs import Run, Stopped
from headway.celery.storing.attempts import MAX_ATTEMPTS
from headway.celery.storing.fencing import CLAIMED, FENCE, present_request_of
from headway.settings import CAPTURE
from headway.store.model import Outcome


class LiveTask(Task):
    """A task whose runs claim its record, and whose ETA messages wait in Redis.

    So if its message is delivered twice, only one delivery runs: the other's claim is refused.
    """

    abstract = True
    # By name: that file imports this one.
    Request = "headway.celery.worker.delivery:LiveRequest"
    Strategy = "headway.celery.worker.delivery:receive"
    run_class = Run

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Claim the record; see `claim`."""
        self.claim(task_id)
        super().before_start(task_id, args, kwargs)

    def claim(self, task_id: str) -> None:
        """Claim the record, once for each run.

        Raises Ignore, for which Celery drops the delivery, if the claim is refused.
        """
        request = self.request
        if not self.has_record or getattr(request, CLAIMED, "") == getattr(request, FENCE, None):
            return
        outcome = self.backend.claims.claim(task_id, self)
        if outcome != Outcome.CLAIMED:
            raise Ignore(f"{self.name}[{task_id}] is {outcome}: this delivery is dropped")
        setattr(request, CLAIMED, getattr(request, FENCE))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the body; see `run_live`."""
        return self.run_live(super().__call__, args, kwargs)

    def run_live(self, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call a run's body, and send its last report even if it fails."""
        if self.request.is_eager:
            with runs.outside():
                return call(*args, **kwargs)
        around = runs.present()
        if not self.has_record or (around is not None and around.task_id == self.request.id):
            # Called as a function: its reports are those of the run around it.
            return call(*args, **kwargs)
        run = self.run_class(self, self.request)
        run.report_sender = ReportSender()
        with runs.within(run), programs.marked(getattr(self.request, FENCE, "")) as run.origin:
            body = partial(call, *args, **kwargs)
            try:
                return run_body(run, capturing(body) if CAPTURE.read(self.app.conf) else body)
            finally:
                setattr(run.request, BODY_ENDED, True)

    def update_state(
        self, task_id: str | None = None, state: str | None = None, meta: Any = None, **kwargs: Any
    ) -> None:
        """Store a state, as Celery's own does. Raises Stopped if this run has to end."""
        run = runs.present()
        if run is not None and task_id in (None, run.task_id):
            run.check()
            try:
                run.report_sender.send(run.task.backend, run.request, state, meta)
            except Stopped as stopped:
                run.stop(stopped.outcome)  # for its other threads too
                run.check()
        elif self.has_record and task_id in (None, self.request.id):
            ReportSender().send(self.backend, self.request, state, meta)
        elif task_id in (None, self.request.id) or not isinstance(self.backend, LiveBackend):
            super().update_state(task_id, state, meta, **kwargs)
        elif not runs.speaks_late(task_id):
            # Another task's state: this run's delivery is no fence for it.
            self.backend.store_result(task_id, meta, state or "PROGRESS", **kwargs)

    def apply_async(
        self, args: Any = None, kwargs: Any = None, task_id: str | None = None, **options: Any
    ) -> Any:
        """Send the task; with a `countdown` or an `eta` it waits in Redis, by Redis's clock.

        A retry or replacement of this run waits there too, so that it cannot be lost.
        Raises ValueError or TypeError for an invalid time.
        """
        send = super().apply_async
        if self.app.conf.task_always_eager or not isinstance(self.backend, LiveBackend):
            return send(args, kwargs, task_id, **options)
        when = due_time(options.get("countdown"), options.get("eta"), self.app)
        if when or present_request_of(task_id) is not None:
            if not is_for_another_broker(options, self.app):
                return self.backend.outbox.defer(self, send, args, kwargs, task_id, when, options)
        else:
            options = without_times(options)  # the time has come
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
        """Ask for the next attempt, which follows this run however that ends.

        Raises ValueError or TypeError for an invalid time, and what making the message raises.
        """
        times = {"eta": eta, "countdown": countdown}
        if not self.has_record:
            return super().retry(
                args, kwargs, exc, throw, max_retries=max_retries, **times, **options
            )
        due_time(countdown, eta, self.app)
        try:
            asked: Retry = super().retry(
                args, kwargs, exc, False, max_retries=max_retries, **times, **options
            )
        except Reject as reject:  # Celery drops a task whose message it cannot make
            if isinstance(reject.reason, Exception):
                raise reject.reason from None
            raise
        # Celery leaves the call's limit on the task object, which other runs share.
        limit = self.max_retries if max_retries is None else max_retries
        setattr(asked, MAX_ATTEMPTS, inf if limit is None else limit + 1)
        self._hand_over(asked)
        if throw:
            raise asked
        return asked

    def on_replace(self, sig: Any) -> Any:
        """Replace this task by another under the same id, as Celery's own does."""
        try:
            return super().on_replace(sig)
        except Ignore as replaced:
            if self.has_record:
                self._hand_over(replaced)
            raise

    def _hand_over(self, end: Retry | Ignore) -> None:
        """Set how the current run has to end, because another one takes over its task."""
        run = runs.present()
        if run is not None and run.task_id == self.request.id:
            run.successor = end

    @property
    def has_record(self) -> bool:
        """Whether this is a run that has a record."""
        request = self.request
        return not (request.is_eager or request.called_directly) and isinstance(
            self.backend, LiveBackend
        )
