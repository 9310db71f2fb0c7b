"""Claims of records for runs, and the changes that these runs make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from kombu.utils.json import dumps

from headway.masking import mask
from headway.message_headers import owner_of, parent_of
from headway.questions import Asked
from headway.shapes import TaskMessage
from headway.snapshot import Phase, fragment
from headway.store.connection import FunctionPipeline
from headway.store.errors import RedisUnavailable
from headway.store.functions import Functions
from headway.store.messages import label, title_fragment
from headway.store.model import (
    MAX_CALL_BYTES,
    NO_SOURCE,
    Delivery,
    Outcome,
    Source,
    StateWrite,
)
from headway.store.staging import Staging

# The keys of the snapshot that a report may change, in the order in which report.lua takes them.
REPORTED = ("current", "total", "status", "step", "bar")
OTHER = "other"  # what report.lua answers where `write` has to decide


class RunRecords:
    """Claims records for runs, and stores the changes that these runs make."""

    def __init__(self, functions: Functions, ttl: int, lease: int) -> None:
        self._functions = functions
        self._keys = functions.keys
        self._ttl = ttl
        self._lease = lease
        self._staging = Staging(functions)

    def claim(
        self,
        task_id: str,
        delivery: Delivery,
        run: str,
        *,
        message: TaskMessage,
        max_attempts: int,
        hostname: str,
        unbegun: TaskMessage | None = None,
        source: Source = NO_SOURCE,
        patient: bool = False,
        priority: int = 0,
    ) -> Outcome:
        """Claim the task for this delivery of `message`, its Celery signature.

        `run` is an id of this run alone: one delivery may be run twice. `unbegun` is the signature
        that is kept instead where it may not begin now. `priority` is the step of its queue.

        Returns "claimed"; "lost" if another run of this delivery has the task, which the caller
        then has to report as lost; or why not: "final", "stale", "superseded", "running",
        "cancelled", "expired" (its record has expired), "paused" (kept until `headway resume`).
        A `patient` caller may get "early": ask again after the next sweep.
        """
        task = [label(message["task"]), title_fragment(message), max_attempts]
        kept = [dumps(message), message["options"].get("queue", ""), self._ttl]
        whose = [owner_of(message), parent_of(message), priority]
        args = [*delivery, *task, fragment(hostname), *kept, self._lease, run, *source.args]
        later = dumps(unbegun or message)
        return self._change("claim", task_id, [*args, int(patient), *whose, later])

    def write(self, write: StateWrite) -> Outcome:
        """Store a change and publish it.

        Returns one of STORED if it was: "cancelling" means that the task was cancelled and has to
        stop, "cancelled" that its retry became its end. "requeued" means that it was saved and the
        run has to end, as its worker stops. Otherwise returns why not: "final" (the task has
        ended), "stale" or "superseded" (a newer delivery has it), "exhausted" (a retry after
        `most_failures`).
        """
        if len(write.meta) <= MAX_CALL_BYTES and not write.whole:
            return self.begin_write(write)()
        staged = [self._staging.put(text) for text in (write.meta, write.whole) if text]
        outcome = self.begin_write(write._replace(meta=""), staged=staged)()
        if outcome == Outcome.UNSTAGED:
            raise RedisUnavailable("Redis lost a large result while it was being stored.")
        self._staging.clear(staged)  # in case the write did not take it over
        return outcome

    def begin_write(
        self,
        write: StateWrite,
        staged: Sequence[str] = (),
        pipeline: FunctionPipeline | None = None,
    ) -> Callable[[], Outcome]:
        """Send a change.

        `staged` are the keys of its large texts. Returns a function that waits for the reply and
        returns what `write` does; it must be called. In a `pipeline`, a report may be sent before
        the replies to earlier ones are read.
        """
        is_more = staged or write.fields.keys() - REPORTED
        if write.phase == Phase.RUNNING and not is_more:
            return self._begin_report(write, pipeline)
        return self._begin_write(write, staged)

    def _begin_report(
        self, write: StateWrite, pipeline: FunctionPipeline | None
    ) -> Callable[[], Outcome]:
        """Send a report to the function that knows only those, and what it leaves to `write`."""
        fields: Mapping[str, object] = write.fields
        said = [fragment(fields[key]) if key in fields else "" for key in REPORTED]
        save = _save_args(write)
        args = [write.task_id, *write.delivery, write.meta, self._ttl, *said, *save]
        reply = self._functions.begin("report", [self._keys.record(write.task_id)], args, pipeline)

        def outcome() -> Outcome:
            answer = reply()
            return self._begin_write(write)() if answer == OTHER else Outcome(answer)

        return outcome

    def _begin_write(self, write: StateWrite, staged: Sequence[str] = ()) -> Callable[[], Outcome]:
        name = label(write.name)
        fields = {**write.fields, "phase": write.phase}
        flat = [part for key, value in fields.items() for part in (key, fragment(value))]
        run = [write.task_id, *write.delivery]
        retry = [int(write.retry_in * 1e6), write.write_id, write.most_failures, write.notified_by]
        rest = [*_save_args(write), int(write.is_wait)]
        args = [*run, name, name, write.max_attempts, write.meta, self._ttl, *retry, *rest, *flat]
        reply = self._functions.begin("write", [self._keys.record(write.task_id), *staged], args)
        return lambda: Outcome(reply())

    def read_saved(self, task_id: str, delivery: Delivery) -> tuple[Outcome, str, str]:
        """Return (READ, what earlier runs saved, "" for nothing, what they were answered).

        Both are JSON; (why not, "", "") where they may not be read.
        """
        outcome, *found = self._functions.call(
            "read_saved", [self._keys.record(task_id)], [*delivery]
        )
        saved, answers = found or ("", "")
        return Outcome(outcome), saved, answers

    def ask(
        self, task_id: str, delivery: Delivery, question: Asked, message: TaskMessage
    ) -> Outcome:
        """Ask a person, with which this run ends; repeated, it is asked once.

        `message` is the Celery signature that is sent again once there is an answer. Returns
        "waiting"; "cancelling" if the run has to stop instead; "expired" without a record; or why
        it was refused.
        """
        timeout, reminder = (
            "" if seconds is None else int(seconds * 1e6)
            for seconds in (question.timeout, question.remind_after)
        )
        asked = [question.id, question.key, fragment(mask(question.text))]
        answers = [fragment(question.choices), fragment(question.schema)]
        args = [*delivery, *asked, *answers, timeout, dumps(message), self._ttl, reminder]
        return self._change("ask", task_id, args)

    def request_stop(self, runs: Iterable[tuple[str, str]]) -> None:
        """Ask runs of a stopping worker, `(task_id, token)` of each, to end at their next save."""
        self._functions.call("request_stop", [], [part for run in runs for part in run])

    def mark_lost(self, task_id: str, delivery: Delivery) -> Outcome:
        """Record that the process of a run is gone.

        Returns "requeued"; "cancelled"; "exhausted" if the caller has to store the failure; or why
        nothing changed.
        """
        return self._change("mark_lost", task_id, [*delivery, self._ttl])

    def abandon(self, task_id: str, delivery: Delivery) -> None:
        """Give up a run that ends without an outcome."""
        self._functions.call("abandon", [self._keys.record(task_id)], [task_id, delivery.token])

    def _change(self, script: str, task_id: str, args: Sequence[Any]) -> Outcome:
        return Outcome(self._functions.call(script, [self._keys.record(task_id)], [task_id, *args]))


def _save_args(write: StateWrite) -> list[Any]:
    return [write.saved, int(write.may_stop), write.written]
