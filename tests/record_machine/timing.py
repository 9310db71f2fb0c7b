"""A schedule, at which several workers look, each of which may die between any two of its calls."""

from __future__ import annotations

from hypothesis import strategies as st

from headway.store.model import Outcome
from tests.record_machine.base import Base
from tests.record_machine.model import MAX_ATTEMPTS, PERIOD, Look, Task, message_of
from tests.record_machine.steps import step

NAME = "tidy"
MAX_OPEN = 5


class Timing(Base):
    @step("", hours=st.sampled_from([0.4, 1, 5]))
    def let_hours_pass(self, hours: float) -> None:
        self.timetable.now += int(hours * PERIOD)

    @step("", behind=st.sampled_from([0, 0, 1, PERIOD]), weight=3)
    def see_the_schedule(self, behind: int) -> None:
        """A worker reads the clock, and may be slow to go on."""
        times = self.timetable
        now = times.now - behind
        following = (now // PERIOD + 1) * PERIOD
        settled, is_paused = self.records.schedules.see(
            NAME, title="Tidy up", rule="every 1 h", now=now, following=following
        )
        if times.settled is None:
            times.settled = times.first = now
        assert (settled, is_paused) == (times.settled, times.is_paused)
        count = now // PERIOD - settled // PERIOD
        if count <= 0:
            return
        if is_paused:
            assert self.records.schedules.settle(NAME, settled, now)
            times.settled = now
            times.accounted += count
        else:
            times.looks.append(Look(settled, now, now // PERIOD * PERIOD, count))

    @step(
        "",
        lambda machine: (
            len(machine.open_tasks) < MAX_OPEN
            and any(look.task is None for look in machine.timetable.looks)
        ),
        weight=6,
    )
    def start_what_is_due(self) -> None:
        times = self.timetable
        look = next(look for look in times.looks if look.task is None)
        started = self.records.starts.create(
            owner="ada",
            message=message_of(0),
            title="Tidy up",
            max_attempts=MAX_ATTEMPTS,
            key=f"schedule {NAME} {look.due}",
        )
        former = times.runs.get(look.due)
        if former is None or former.stray:
            assert started.outcome == Outcome.CREATED
            former = Task(started.task_id, MAX_ATTEMPTS, hand=[0])
            self.tasks.append(former)
            times.runs[look.due] = former
        assert started.task_id == former.id, "a time has one run"
        look.task = former

    @step("", lambda machine: any(look.task for look in machine.timetable.looks), weight=6)
    def note_that_it_was_started(self) -> None:
        times = self.timetable
        look = next(look for look in times.looks if look.task)
        times.looks.remove(look)
        is_first = times.settled == look.settled
        about = (NAME, look.settled, look.now, look.task.id, look.count - 1)
        assert self.records.schedules.settle(*about) == is_first
        if is_first:
            times.settled = look.now
            times.accounted += look.count
            [kept] = self.records.schedules.all()
            assert (kept.task_id, kept.missed) == (look.task.id, look.count - 1)

    @step("", lambda machine: machine.timetable.looks, weight=1)
    def die_at_a_look(self) -> None:
        self.timetable.looks.pop(0)

    @step("", lambda machine: machine.timetable.settled is not None, weight=1)
    def pause_or_go_on(self) -> None:
        times = self.timetable
        times.is_paused = not times.is_paused
        assert self.records.schedules.pause(NAME, is_paused=times.is_paused)

    def each_time_is_accounted_for(self) -> None:
        times = self.timetable
        if times.settled is not None:
            assert times.accounted == times.settled // PERIOD - times.first // PERIOD
