"""Whose turn it is, and that it is taken in order."""

from __future__ import annotations

from headway.snapshot import Phase, Snapshot
from headway.turns import NO_TURN
from tests.record_machine.base import Base
from tests.record_machine.model import Line, Task

NO_LINE = Line(NO_TURN)


class Lines(Base):
    def line_of(self, task: Task) -> Line:
        return next((line for line in self.lines.values() if task in line.tasks), NO_LINE)

    def turns_in(self, line: Line) -> tuple[list[Task], list[Task]]:
        """Return which open tasks of a line have a turn, and which wait for one, in order."""
        digest = line.turn.line.partition(" ")[2]
        pipeline = self.client.pipeline()
        for kind in ("turns", "line"):
            pipeline.zrange(f"headway:{kind}:ada:{digest}", 0, -1)
        given, waiting = ([self.task(id) for id in ids] for ids in pipeline.execute())
        return [task for task in given if not task.final], waiting

    def takes_its_turn(
        self, task: Task, line: Line | None = None, ends: Task | None = None
    ) -> bool:
        """Whether a task whose time has come may be sent; `ends` makes room for it first."""
        line = line or self.line_of(task)
        if not line.limit or line.is_loose:
            return True
        given, waiting = self.turns_in(line)
        if task in given:
            return True
        wanting = {*waiting, task} - {ends}
        at_work = [each for each in given if each is not ends]
        return task in sorted(wanting, key=lambda each: each.rank)[: line.limit - len(at_work)]

    def turns_are_taken_in_order(self) -> None:
        for line in self.lines.values():
            if line.limit and line.tasks and not line.is_loose:
                self.check_turns(line)

    def check_turns(self, line: Line) -> None:
        given, waiting = self.turns_in(line)
        assert len(given) <= line.limit, "more have a turn than may"
        assert not waiting or len(given) == line.limit, "one waits while a turn is free"
        for task in line.tasks:
            assert task in given or task.final or not task.attempt, f"{task} ran out of turn"
            if task.is_in_line:
                assert (task in waiting) != (task in given)
        for task in waiting:
            assert task.is_in_line
            if not task.place:
                line.joined += 1
                task.place = line.joined
        assert waiting == sorted(waiting, key=lambda task: task.rank)
        passed = [task for task in line.waiting if task in given]
        passed_over = [task for task in line.waiting if task in waiting]
        assert (
            not passed
            or not passed_over
            or (max(task.rank for task in passed) < min(task.rank for task in passed_over))
        ), "one was passed over"
        line.waiting = waiting
        self.check_positions(waiting)

    def check_positions(self, waiting: list[Task]) -> None:
        """What a task that waits in line shows of its place there is so."""
        stored = self.records.read([task.id for task in waiting]) if waiting else []
        shown = [Snapshot.from_json(each.snapshot).queue_position for each in stored]
        assert shown == [*range(len(waiting))]

    def of_what_is_unique_one_is_open(self) -> None:
        for line in self.lines.values():
            if line.turn.unique and not line.is_loose:
                settled = [task for task in line.tasks if task.phase != Phase.CANCELLING]
                assert sum(not task.final for task in settled) <= 1
