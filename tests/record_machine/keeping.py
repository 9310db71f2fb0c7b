"""What workers, maintenance, time and people do."""

from __future__ import annotations

from hypothesis import strategies as st

from headway.snapshot import Phase
from tests.record_machine.base import Base
from tests.record_machine.model import (
    FAILURE,
    FAR_SECONDS,
    REFUSED,
    WAITS_FOR_ITS_TIME,
    Run,
    Task,
    Timetable,
    moment,
    order_of,
)
from tests.record_machine.steps import delays, one_run, one_task, step


class Keeping(Base):
    @one_run(lambda run: not run.claimed and not run.ended)
    def expire(self, run: Run) -> None:
        """The worker's parent says that a message came too late, or was revoked, before it
        began.
        """
        task = run.task
        run.ended = True
        fields = {"error": None, "status": "expired"}
        is_held = task.held and run.order == task.order
        is_waiting = task.phase == Phase.WAITING
        if task.final or is_waiting or run.order < task.order or is_held:
            with self.unchanged(task):
                assert self.store(run, Phase.CANCELLED, fields) in REFUSED or task.stray
        else:
            outcome = self.store(run, Phase.CANCELLED, fields)
            assert outcome == "written" or task.stray or task.dropped

    @one_run(lambda run: not run.ended, weight=3)
    def lose_a_process(self, run: Run) -> None:
        task = run.task
        run.ended = True
        is_refused = run.claimed or task.held or task.final or task.phase == Phase.WAITING
        if not self.may_write(run) and is_refused:
            with self.unchanged(task):
                assert self.records.runs.mark_lost(task.id, run.delivery) in REFUSED
            return
        outcome = self.records.runs.mark_lost(task.id, run.delivery)
        assert outcome == self.fate_of_a_lost_run(task) or task.stray or not run.holds
        if outcome == "requeued":
            task.lose()
        elif outcome == "exhausted":
            assert self.store(run, Phase.FAILED, FAILURE) == "written"

    def fate_of_a_lost_run(self, task: Task) -> str:
        if task.cancelling:
            return "cancelled"
        is_last = task.failures + 1 >= task.max_attempts and not task.has_moved_on
        return "exhausted" if is_last else "requeued"

    @one_run(lambda run: run.on, again=st.booleans())
    def leave(self, run: Run, again: bool) -> None:
        """A planned stop: the message goes back to the broker, or is lost there."""
        task = run.task
        run.ended = True
        if again:
            task.messages.append(run.order)
        if self.may_write(run):
            self.records.maintenance.release([(task.id, run.token)])
            assert task.stray or self.phase_now(task) == (
                Phase.CANCELLED if task.cancelling else Phase.QUEUED
            )
            task.holder = None
        else:
            with self.unchanged(task):
                self.records.maintenance.release([(task.id, run.token)])

    @one_run(received=st.booleans(), weight=1)
    def hold(self, run: Run, received: bool) -> None:
        task = run.task
        before = self.client.zscore("headway:leases", task.id)
        self.records.maintenance.heartbeat(
            "worker", 4, [(task.id, run.token)], [task.id] if received else []
        )
        after = self.client.zscore("headway:leases", task.id)
        if not task.stray:
            renewed = self.may_write(run) and not task.dropped
            assert (after > before) if renewed else after == before

    @step("", seconds=st.sampled_from([1, 6, 16]))
    def pass_without_a_round(self, seconds: int) -> None:
        """Redis hangs, or no worker is there."""
        self.pass_time(seconds)
        self.client.decrby("headway:last_sweep", seconds * 1_000_000)
        left = self.client.pttl("headway:grace") - seconds * 1000
        if left > 0:
            self.client.pexpire("headway:grace", left)
        else:
            self.client.delete("headway:grace")

    def pass_with_rounds(self, seconds: int) -> None:
        self.pass_time(seconds)
        self.client.set("headway:last_sweep", self.records.clock.now())
        self.client.delete("headway:grace")

    @step(
        "",
        after=st.sampled_from([0, 6, 16, 61, 2 * FAR_SECONDS]),
        gives_up=st.booleans(),
        sends=st.booleans(),
        weight=6,
    )
    def round(self, after: int, gives_up: bool, sends: bool) -> None:
        if after:
            self.pass_with_rounds(after)
        lapsed = self.client.zrangebyscore("headway:leases", "-inf", self.records.clock.now())
        swept = self.records.maintenance.sweep("leader")
        patient = self.client.exists("headway:grace")
        lost = {
            task_id: Run(self.task(task_id), order_of(message), token)
            for task_id, token, message in swept.exhausted
        }
        assert not (patient and lost)
        requeued = set()
        for task in [self.task(task_id) for task_id in lapsed if not patient]:
            fate = self.fate_of_a_lost_run(task)
            if not task.stray:
                assert (task.id in lost) == (fate == "exhausted")
                if fate == "requeued":
                    task.lose()
                    requeued.add(task.id)
        for run in lost.values() if gives_up else ():
            assert run.task.stray or run.token == run.task.holder.token
            assert self.store(run, Phase.FAILED, FAILURE) == "written"
        for task_id, message in swept.due:
            self.take_due(self.task(task_id), order_of(message), sends)
        assert requeued <= {task_id for task_id, _ in swept.due}, "what was lost is sent at once"

    @step("")
    def look(self) -> None:
        found = self.records.maintenance.unconfirmed()
        suspects = [self.task(task_id) for ids in found.values() for task_id in ids]
        assert all(task.stray or task.phase == Phase.QUEUED for task in suspects)
        missed = {task.id for task in suspects if not task.messages}
        self.records.maintenance.republish(missed & self.missing)
        self.missing = missed - self.missing

    @one_task(lambda task: not task.is_over, weight=2)
    def cancel(self, task: Task) -> None:
        outcome = self.records.cancel(task.id).outcome
        if task.stray:
            return
        if task.last is None:
            assert outcome == "unknown"
        elif task.final:
            assert outcome == "final"
        else:
            assert outcome == ("cancelling" if task.held else "cancelled")
            task.cancelling = task.held

    @one_task(lambda task: task.phase in WAITS_FOR_ITS_TIME and not task.owed, delay=delays)
    def schedule(self, task: Task, delay: int) -> None:
        outcome = self.records.reschedule(task.id, moment(delay) if delay else "").outcome
        assert outcome == ("scheduled" if delay else "queued")

    @one_task(lambda task: task.phase not in WAITS_FOR_ITS_TIME, weight=1)
    def schedule_in_vain(self, task: Task) -> None:
        with self.unchanged(task):
            assert self.records.reschedule(task.id, "").outcome in {"not_waiting", "unknown"}

    @one_task(lambda task: task.attempt and not task.stray, weight=1)
    def forget(self, task: Task) -> None:
        self.records.forget(task.id)
        task.go_astray()

    @step("", lambda machine: len(machine.runs) > 2, weight=1)
    def empty_redis(self) -> None:
        self.client.flushdb()
        self.client.set("headway:last_sweep", self.records.clock.now())
        for task in self.tasks:
            task.go_astray()
        self.timetable = Timetable(now=self.timetable.now)
