"""Tasks come to be, and their messages are sent, lost and delivered."""

from __future__ import annotations

from math import inf
from typing import Any
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from headway.snapshot import Phase
from headway.store.model import Delivery
from tests.record_machine.lines import Lines
from tests.record_machine.model import (
    MAX_ATTEMPTS,
    Run,
    Task,
    message_of,
    moment,
    order_of,
)
from tests.record_machine.steps import STEPS, delays, one_run, one_task, starts, step


class Starting(Lines):
    @initialize(**starts)
    def start_the_first(self, **how: Any) -> None:
        self.start(**how)

    @rule(data=st.data())
    def take_a_step(self, data: st.DataObject) -> None:
        chosen = data.draw(
            st.sampled_from([each for each in STEPS if each.among(self)]), label="step"
        )
        among = chosen.among(self)
        if chosen.kind:
            lively = [each for each in among if not each.is_over]  # to the rest all is refused
            among = [data.draw(st.sampled_from(3 * lively + among), label="of")]
        values = data.draw(st.fixed_dictionaries(chosen.drawn), label="with")
        chosen.does(self, *(among if chosen.kind else []), **values)

    @step("", lambda machine: len(machine.open_tasks) < 2, weight=4, **starts)
    def start_another(self, **how: Any) -> None:
        self.start(**how)

    def start(self, how: str, delay: int, attempts: int, claims: int) -> None:
        task = Task(str(uuid4()), attempts)
        self.tasks.append(task)
        if how == "deferred":
            assert self.defer(task, 0, delay, Delivery()) == ("deferred" if delay else "due")
        elif how == "created":
            message = message_of(0)
            when = moment(delay) if delay else ""
            started = self.records.starts.create(
                owner="ada", message=message, title="T", max_attempts=attempts, when=when
            )
            task.id = started.task_id
            task.hand = [] if delay else [0]
        elif how == "sent":
            task.messages = [0]
        else:
            self.begin(Run(task, 0), claims)

    @one_task(lambda task: task.final and not task.stray, weight=1)
    def go_on_in_another(self, former: Task) -> None:
        """As "Go on" does: a new task begins where this one was saved, if it was."""
        task = Task("", MAX_ATTEMPTS)
        task.id = self.records.starts.create(
            owner="ada",
            message=message_of(0),
            title="T",
            max_attempts=MAX_ATTEMPTS,
            when="",
            resume_from=former.id,
        ).task_id
        task.hand = [0]
        self.tasks.append(task)
        if former.saved:
            task.saved = former.saved
            task.effect = former.effect
            task.receipt = former.receipt
            task.text = former.text
            task.saved_text = former.saved_text

    @one_task(lambda task: task.hand, weight=4)
    def send(self, task: Task) -> None:
        task.messages.append(task.hand.pop())
        task.sent += 1

    @one_task(lambda task: task.last, sends=st.booleans(), weight=3)
    def send_due(self, task: Task, sends: bool) -> None:
        """The process that deferred a message sends it when due, unless it dies before."""
        due = (self.client.zscore("headway:outbox", task.id) or inf) <= self.records.clock.now()
        with self.unchanged(task, but_for=due):
            message = self.records.outbox.take_due(task.id)
        is_wanted = due and not (task.held or task.cancelling or task.final)
        takes_turn = is_wanted and self.takes_its_turn(task)
        if not (task.stray or self.line_of(task).is_loose):
            assert (message is not None) == (is_wanted and takes_turn)
        if message is not None:
            self.take_due(task, order_of(message), sends)

    def take_due(self, task: Task, order: int, sends: bool) -> None:
        assert task.stray or (not task.held and order >= task.order)
        assert self.phase_now(task) == Phase.QUEUED
        assert self.client.zscore("headway:outbox", task.id), (
            "it is sent again until somebody notes that it was"
        )
        (task.messages if sends else task.hand).append(order)
        task.sent += sends

    @one_task(lambda task: task.sent, weight=4)
    def note_that_it_was_sent(self, task: Task) -> None:
        task.sent -= 1
        self.records.outbox.mark_published(task.id)

    # Nobody can miss a message that has no record.
    @one_task(lambda task: task.messages and task.last, weight=1)
    def lose_a_message(self, task: Task) -> None:
        task.messages.pop(0)

    @one_task(lambda task: task.messages, stays=st.booleans(), claims=st.integers(0, 2), weight=5)
    def deliver(self, task: Task, stays: bool, claims: int) -> None:
        self.begin(Run(task, task.messages[0] if stays else task.messages.pop(0)), claims)

    @one_run(claims=st.integers(0, 2), weight=1)
    def deliver_again(self, run: Run, claims: int) -> None:
        self.begin(Run(run.task, run.order), claims)

    def begin(self, run: Run, claims: int) -> None:
        """Receive a message; claim its task, once more where the reply was lost."""
        self.runs.append(run)
        if claims:
            self.claim(run)
        if claims > 1 and run.holds:
            self.claim(run)

    @one_run(
        lambda run: run.task.last and not run.task.stray and run.order <= run.task.order,
        delay=delays,
        weight=1,
    )
    def park_again(self, run: Run, delay: int) -> None:
        """As a worker does that finds an `eta` on a message."""
        task = run.task
        if run.order < task.order or task.phase != Phase.RETRYING:
            with self.unchanged(task):
                assert self.defer(task, run.order, delay, Delivery()) in {"final", "stale", "known"}
