"""Tasks in several lines at once, those of their kind, of their owner and of their address, however
they fare.

tests/record_machine has each record's promises under any order of events, in one line; here tasks
of two owners stand in up to three lines, and none may have more turns than it gives, nor keep one
from a task that waits.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from headway.snapshot import FINAL, Phase, Snapshot
from headway.store.model import Delivery
from headway.store.records import Records
from headway.turns import Turn, fair_lines
from tests.by_records import claim, due, start, write

OWNERS = ("ada", "bob")
KINDS = ("", "1 report ", "2 import ")
OF_OWNER = 3
OF_ADDRESS = 4
PRIORITIES = (-1, 0, 9)
IN_LINE = "Waits for its turn"
STEPS = 60


@dataclass
class Task:
    id: str
    owner: str
    line: str
    run: Delivery = field(default_factory=Delivery)
    claims: int = 0
    retries: int = 0


class Walk:
    """Tasks that are started, run, paused, lost, cancelled and ended at random."""

    def __init__(self, records: Records, seed: int) -> None:
        self._records = records
        self._random = random.Random(seed)
        self.tasks: list[Task] = []

    def step(self) -> None:
        steps = [self.start, self.start, self.claim, self.claim, self.end, self.rest, self.wake]
        self._random.choice([*steps, self.lose, self.cancel])()
        self.settle()

    def start(self) -> None:
        owner = self._random.choice(OWNERS)
        fair = fair_lines("celery", owner, "192.0.2.1", OF_OWNER, OF_ADDRESS)
        line = self._random.choice(KINDS) + fair
        turn = Turn(line=line, priority=self._random.choice(PRIORITIES))
        self.tasks.append(Task(start(self._records, owner=owner, turn=turn), owner, line))

    def claim(self) -> None:
        if task := self.any_of(Phase.QUEUED, in_line=False):
            task.claims += 1
            task.run = Delivery(f"{task.id}-{task.claims}", task.retries)
            assert claim(self._records, task.id, task.run) == "claimed"

    def end(self) -> None:
        if task := self.any_of(Phase.RUNNING):
            phase = self._random.choice([Phase.SUCCEEDED, Phase.FAILED])
            assert write(self._records, task.id, task.run, phase)

    def rest(self) -> None:
        if task := self.any_of(Phase.RUNNING):
            assert write(self._records, task.id, task.run, Phase.RETRYING)
            task.retries += 1

    def wake(self) -> None:
        if task := self.any_of(Phase.RETRYING):
            self._records.client.zadd("headway:outbox", {task.id: 1})

    def lose(self) -> None:
        if task := self.any_of(Phase.RUNNING):
            self._records.maintenance.release([(task.id, task.run.token)])

    def cancel(self) -> None:
        if task := self.any_of(Phase.QUEUED, Phase.RETRYING):
            self._records.cancel(task.id)

    def settle(self) -> None:
        """Send what is due, as maintenance does, until nothing is."""
        while found := due(self._records):
            for task_id in found:
                if self._records.outbox.take_due(task_id) is not None:
                    self._records.outbox.mark_published(task_id)

    def drain(self) -> None:
        """Bring all to their ends."""
        for _ in range(10 * len(self.tasks)):
            for step in (self.claim, self.end, self.wake):
                step()
                self.settle()
        assert {now.phase for now in self.now().values()} <= FINAL

    def any_of(self, *phases: Phase, in_line: bool | None = None) -> Task | None:
        now = self.now()
        found = [
            task
            for task in self.tasks
            if now[task.id].phase in phases and in_line in (None, now[task.id].status == IN_LINE)
        ]
        return self._random.choice(found) if found else None

    def now(self) -> dict[str, Snapshot]:
        """Return how each task is, by its id."""
        ids = [task.id for task in self.tasks]
        found = zip(ids, self._records.read(ids), strict=True)
        return {task_id: Snapshot.from_json(stored.snapshot) for task_id, stored in found if stored}

    def check(self) -> None:
        now = self.now()
        open_ids = {task_id for task_id, one in now.items() if one.phase not in FINAL}
        having = {turns: self.ids(turns) for task in self.tasks for _, turns, _ in lines_of(task)}
        for task in self.tasks:
            lines = lines_of(task)
            for limit, turns, _ in lines:
                assert len(open_ids & having[turns]) <= limit, "more have a turn than may"
            one = now[task.id]
            if one.status == IN_LINE:
                limit, turns, waiting = next(
                    each for each in lines if task.id not in having[each[1]]
                )
                assert len(open_ids & having[turns]) == limit, "one waits while a turn is free"
                assert one.queue_position == self._records.client.zrank(waiting, task.id)
            elif one.phase in (Phase.QUEUED, Phase.RUNNING):
                assert all(task.id in having[turns] for _, turns, _ in lines)

    def ids(self, key: str) -> set[str]:
        return {str(each) for each in self._records.client.zrange(key, 0, -1)}


def lines_of(task: Task) -> list[tuple[int, str, str]]:
    """Return of each line of a task its limit, and the keys of its turns and of who waits."""
    words = iter(task.line.split())
    lines = []
    for limit in words:
        digest = next(words)
        name = f"{'' if digest.startswith('@') else task.owner}:{digest}"
        lines.append((int(limit), f"headway:turns:{name}", f"headway:line:{name}"))
    return lines


@pytest.mark.parametrize("seed", range(12))
def test_no_line_gives_more_turns_than_it_has_nor_keeps_one(records: Records, seed: int):
    walk = Walk(records, seed)

    for _ in range(STEPS):
        walk.step()
        walk.check()

    walk.drain()
