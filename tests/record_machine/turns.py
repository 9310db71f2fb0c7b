"""Tasks that are unique, take turns, or take the place of the one before; by priority."""

from __future__ import annotations

from uuid import uuid4

from hypothesis import strategies as st

from headway.store.model import Delivery
from headway.turns import Existing
from tests.record_machine.lines import Lines
from tests.record_machine.model import MAX_ATTEMPTS, TURNS, Line, Task, message_of, moment
from tests.record_machine.steps import step

MAX_OPEN = 5
drawn = {
    "name": st.sampled_from([*TURNS]),
    "priorities": st.lists(st.sampled_from([0, -1, 9]), min_size=1, max_size=3),
    "delay": st.sampled_from([0, 0, 0, 3, 60]),
    "defers": st.booleans(),
}


class Turns(Lines):
    @step("", lambda machine: len(machine.open_tasks) < MAX_OPEN, weight=6, **drawn)
    def start_in_turn(self, name: str, priorities: list[int], delay: int, defers: bool) -> None:
        """Start some tasks, or send them, as what is unique or limited in number is."""
        for priority in priorities:
            if not self.lines[name].is_loose:
                self.start_one(self.lines[name], priority, delay, defers)
                self.all_is_well()

    def start_one(self, line: Line, priority: int, delay: int, defers: bool) -> None:
        task = Task(str(uuid4()), MAX_ATTEMPTS, turn=line.turn._replace(priority=priority))
        former = line.newest if line.turn.unique and line.newest else None
        if former is not None and former.final:
            former = None
        ends = None if former is None or former.held else former
        takes_turn = self.takes_its_turn(task, line, ends)
        try:
            outcome = self.defer(task, 0, delay, Delivery()) if defers else self.made(task, delay)
        except Existing as existing:
            found = existing.task_id
        else:
            found = None
        shows = former.id if former and not line.turn.replaces else None
        assert found == shows, "the open one is shown, and no other"
        if found:
            return
        if former is not None:
            former.cancelling = former.held
        self.tasks.append(task)
        line.tasks.append(task)
        if defers:
            assert outcome == ("deferred" if delay else "due")
        elif delay:
            assert outcome == "scheduled"
        else:
            assert outcome == ("created" if takes_turn else "in_line")
            task.hand = [0] if takes_turn else []

    def made(self, task: Task, delay: int) -> str:
        """Create a task; raise Existing as `Outbox.defer` does."""
        started = self.records.starts.create(
            owner="ada",
            message=message_of(0),
            title="T",
            max_attempts=task.max_attempts,
            when=moment(delay) if delay else "",
            task_id=task.id,
            turn=task.turn,
        )
        if started.outcome == "existing":
            raise Existing(started.task_id)
        return started.outcome
