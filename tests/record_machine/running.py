"""What runs do: they claim, report, end, retry and are replaced."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from headway.celery.storing.fencing import REPLACEMENT
from headway.snapshot import Phase
from headway.state_fields import progress_fields, success_fields
from headway.store.model import Delivery
from tests.record_machine.base import Base
from tests.record_machine.model import (
    FAILURE,
    RETRY,
    Run,
    Task,
)
from tests.record_machine.steps import delays, metas, one_run, one_task


class Running(Base):
    @one_run(lambda run: run.claimed or not run.ended)
    def claim(self, run: Run) -> None:
        task = run.task
        wanted = self.outcome_of_a_claim(run)
        outcome = self.ask_for(run, "one")
        assert task.stray or outcome == wanted, f"{outcome}, not {wanted}"
        if outcome == "claimed" and not run.holds:
            task.holder = run
            if run.order // REPLACEMENT != task.order // REPLACEMENT:
                task.saved = task.saved_text = task.effect = task.receipt = ""  # another task's
            task.order = run.order
            run.claimed = True
            task.owed = None
            task.dropped = task.deferred = False
            task.attempt += 1
            task.high = 0.0
            task.has_moved_on = False
            task.text = task.saved_text
            task.kept_bytes = len(task.text.encode())

    @one_run(lambda run: run.claimed and not run.task.stray)
    def take_up_again(self, run: Run) -> None:
        """As another process of the pool does, where the first one died before its worker knew
        that it had begun.
        """
        task = run.task
        wanted = "lost" if run.holds and not task.final else self.outcome_of_a_claim(run)
        with self.unchanged(task):
            assert self.ask_for(run, "another") == wanted

    def outcome_of_a_claim(self, run: Run) -> str:
        task = run.task
        if task.final:
            return "final"
        if task.phase == Phase.WAITING:
            return "waiting"
        if run.order < task.order:
            return "stale"
        if run.holds:
            return "claimed"
        if run.claimed:
            return "superseded"
        if task.cancelling:
            return "cancelled"
        if task.held and run.order == task.order:
            return "running"
        return "claimed"

    @one_run(lambda run: run.speaks, metas=metas, weight=3)
    def report(self, run: Run, metas: list[dict[str, Any]]) -> None:
        for meta in metas:
            self.write(run, Phase.RUNNING, progress_fields("PROGRESS", meta))

    @one_run(lambda run: run.speaks, repeated=st.booleans(), weight=1)
    def succeed(self, run: Run, repeated: bool) -> None:
        self.write(
            run, Phase.SUCCEEDED, success_fields(42) | {"error": None, "step": None}, repeated
        )

    @one_run(lambda run: run.speaks, repeated=st.booleans(), weight=1)
    def fail(self, run: Run, repeated: bool) -> None:
        """By itself, or at its time limit."""
        self.write(run, Phase.FAILED, FAILURE, repeated)

    @one_run(lambda run: run.speaks, repeated=st.booleans(), weight=1)
    def stop(self, run: Run, repeated: bool) -> None:
        """As a run does that heard that it was cancelled."""
        self.write(run, Phase.CANCELLED, {"error": None, "status": "Cancelled"}, repeated)

    @one_run(
        lambda run: run.on and run.successor is None,
        delay=delays,
        stores=st.booleans(),
        defers=st.booleans(),
        weight=5,
    )
    def retry(self, run: Run, delay: int, defers: bool, stores: bool) -> None:
        """Park the next attempt and store that the task retries.

        Each may also come later, or never.
        """
        run.delay = delay
        if defers:
            self.defer_for_a_run(run, 1)
        if stores:
            self.store_that_it_retries(run)

    @one_run(
        lambda run: run.on and run.successor is None, delay=delays, drops=st.booleans(), weight=3
    )
    def replace(self, run: Run, delay: int, drops: bool) -> None:
        run.delay = delay
        self.defer_for_a_run(run, REPLACEMENT)
        if drops:
            self.drop(run, again=False)

    @one_run(lambda run: run.speaks and run.successor == run.order + 1, weight=3)
    def store_that_it_retries(self, run: Run) -> None:
        task = run.task
        if (
            self.may_write(run)
            and not task.stray
            and not task.cancelling
            and task.failures + 1 >= task.max_attempts
        ):
            with self.unchanged(task):
                assert self.store(run, Phase.RETRYING, RETRY) == "exhausted"
        elif self.write(run, Phase.RETRYING, RETRY) == "written":
            task.order = run.order + 1
            task.holder = None
            task.failures += 1
            task.owed = None if run.successor else run

    def defer_for_a_run(self, run: Run, step: int) -> None:
        task = run.task
        if self.may_write(run):
            assert (
                self.defer(task, run.order + step, run.delay, run.delivery) == "deferred"
                or task.stray
            )
            run.successor = run.order + step
            task.deferred = True
        else:
            with self.unchanged(task):
                assert self.defer(task, run.order + step, run.delay, run.delivery) not in {
                    "deferred",
                    "due",
                }

    @one_task(lambda task: task.owed and task.phase == Phase.RETRYING, weight=3)
    def defer_successor(self, task: Task) -> None:
        """After its predecessor has stored that it retries."""
        kept = "deferred" if task.owed.delay else "due"
        assert self.defer(task, task.order, task.owed.delay, Delivery()) == kept or task.stray
        task.owed = None
        task.deferred = True

    @one_run(lambda run: run.successor, claims=st.integers(0, 1), weight=4)
    def deliver_successor_early(self, run: Run, claims: int) -> None:
        """As it happens to a replacement that went by the broker."""
        self.begin(Run(run.task, run.successor), claims)

    @one_run(lambda run: run.on and run.successor != run.order + 1, again=st.booleans(), weight=4)
    def drop(self, run: Run, again: bool) -> None:
        """Celery's Ignore, as after a replacement, or Reject with requeue."""
        task = run.task
        run.ended = True
        if again:
            task.messages.append(run.order)
        if self.may_write(run):
            task.dropped = True
            self.records.runs.abandon(task.id, run.delivery)
        else:
            with self.unchanged(task):
                self.records.runs.abandon(task.id, run.delivery)
