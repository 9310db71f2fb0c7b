"""A trial: visitors start tasks and watch, something breaks, and then what became of it all is
counted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import requests

from headway.store.errors import RedisUnavailable
from tests.faults.invariants import FINAL, History
from tests.faults.load import USUAL, Load, Mix, Start, insist
from tests.faults.pages import VisitorPage
from tests.faults.report import Row
from tests.faults.system import System
from tests.faults.tally import Tally
from tests.faults.viewers import Visitor, Watching
from tests.faults.watch import HELD, Watch, Wound, read
from tests.processes import wait_for

SETTLE_SECONDS = 90.0
PAGE_RATE = 1.5
LAST_LOOK_SECONDS = 10.0


class Trial:
    """One fault's trial on a running system; `row` is complete after `settle`.

    once: no body may run twice, for nothing here ends a worker or cuts it off.
    answered: each request must have an answer, for its way to a web process is sound.
    errors: how an email may fail here.
    """

    def __init__(
        self,
        system: System,
        row: Row,
        *,
        visitors: int = 3,
        page: bool = False,
        once: bool = False,
        answered: bool = False,
        errors: Collection[str] = (),
    ) -> None:
        self.system = system
        self.row = row
        self.history = History()
        self.started: list[Start] = []
        # tasks of which nothing is expected, as their records were taken away
        self.excused: set[str] = set()
        self.patience = SETTLE_SECONDS
        self._once = once
        self._answered = answered
        self._errors = errors
        self._loads: list[Load] = []
        self.visitors = [
            Visitor(f"visitor-{n}", system.address, self.history) for n in range(1, visitors + 1)
        ]
        self.page = VisitorPage(system.browser, self.visitors[0]) if page else None
        watchers: list[Watching] = [*self.visitors, *([self.page] if self.page else [])]
        self.watch = Watch(system, watchers, lambda: self.starts)

    @property
    def starts(self) -> list[Start]:
        return [*self.started, *(start for load in self._loads for start in list(load.starts))]

    @property
    def task_ids(self) -> set[str]:
        return {task_id for start in self.starts for task_id in list(start.task_ids)}

    # What a scenario does

    def load(self, rate: float, mix: Mix = USUAL, *, seed: int = 1, give_up: float = 0.0) -> Load:
        """Begin to start `rate` tasks a second, until the load or the trial ends.

        The visitor of the page in the browser goes as slowly as a person may.
        """
        first, *others = self.visitors
        slow = min(rate / len(self.visitors), PAGE_RATE) if self.page else rate / len(self.visitors)
        rates = {first: slow, **{visitor: (rate - slow) / len(others) for visitor in others}}
        load = Load(rates, mix, seed=seed, give_up=give_up)
        self._loads.append(load)
        return load

    def start(self, start: Start, visitor: int = 0) -> str:
        """Start one task; returns its id."""
        self.started.append(start)
        insist(self.visitors[visitor], start)
        [task_id] = start.task_ids
        return task_id

    def give_up(self, start: Start, visitor: int = 0) -> None:
        """Ask once for a task, and give it up when that is refused."""
        self.started.append(start)
        insist(self.visitors[visitor], start, give_up=True)

    def act(self, task_id: str, what: str) -> None:
        """Press a button of a task, as its owner; what it answers is for the invariants."""
        [owner] = {start.owner for start in self.starts if task_id in start.task_ids}
        [visitor] = [visitor for visitor in self.visitors if visitor.owner == owner]
        visitor.act(task_id, what)

    def excuse(self, task_ids: Iterable[str], *, ended: Iterable[str] = ()) -> None:
        """Expect nothing more of tasks whose records were taken away.

        Pages may go on showing those that had ended.
        """
        self.excused.update(task_ids)
        self.watch.forget(ended)

    def status(self, task_id: str) -> dict[str, Any]:
        """Return what the record says of a task."""
        snapshot = read(self.system, [task_id])[task_id]
        assert snapshot is not None, f"the record of {task_id} is gone"
        return snapshot

    def until(self, phase: str, task_id: str, seconds: float = 20.0) -> dict[str, Any]:
        """Wait for a phase of a task; returns the snapshot."""
        return wait_for(
            lambda: (snapshot := self.status(task_id))["phase"] == phase and snapshot,
            seconds,
            f"{task_id} is not {phase} after {seconds} s",
        )

    def ended(self, held: Mapping[str, int] | None = None, by: str = "attempt") -> Wound:
        """Say that the fault, or one of several, has ended just now.

        For `held` and `by` see Wound.
        """
        return self.watch.ended(held, by)

    def until_right(self) -> None:
        """Wait until every page is right again, for as long as it may take and a little more."""
        seconds = self.row.limit + 15
        try:
            wait_for(
                lambda: all(wound.right_after is not None for wound in self.watch.wounds), seconds
            )
        except AssertionError:
            self.row.blame(f"not right {seconds:g} s after the fault")

    def until_all_ended(self) -> None:
        """Wait until every task has come to its end."""
        waiting = self.task_ids - self.excused

        def all_ended() -> bool:
            while waiting:  # one is asked after, not all of them fifty times a second
                task_id = next(iter(waiting))
                try:
                    snapshot = read(self.system, [task_id])[task_id]
                except RedisUnavailable:
                    return False
                if snapshot and snapshot["phase"] not in FINAL:
                    return False
                waiting.remove(task_id)
            return True

        try:
            wait_for(all_ended, self.patience)
        except AssertionError:
            self.row.blame(
                f"{next(iter(waiting))} and maybe others of {len(waiting)} tasks have not ended "
                f"after {self.patience:g} s"
            )

    def held(self, by: str = "attempt") -> dict[str, int]:
        """Return the attempt, or the version, of each task that a worker holds now."""
        truth = read(self.system, self.task_ids)
        return {task_id: one[by] for task_id, one in truth.items() if one and one["phase"] in HELD}

    # What became of it

    def settle(self) -> Row:
        """Wait until all has come to its end; count."""
        for load in self._loads:
            load.stop()
        self.until_all_ended()
        self.until_right()
        for wound in self.watch.wounds:
            right_after = float("inf") if wound.right_after is None else wound.right_after
            self.row.right_after = max(self.row.right_after, right_after)
            if right_after > self.row.limit:
                self.row.blame(f"right only {right_after:.1f} s after the fault: {wound.wrong}")
        try:
            self._count()
        except (RedisUnavailable, requests.RequestException) as error:
            self.row.object_to(f"the system did not recover: {error}")
        for silence in self.history.unanswered if self._answered else ():
            self.row.object_to(silence)
        for breach in self.history.violations():
            if breach.partition(":")[0] not in self.excused:
                self.row.object_to(breach)
        return self.row

    def _count(self) -> None:
        truth = read(self.system, self.task_ids)
        kept = {task_id: end for task_id, end in truth.items() if task_id not in self.excused}
        with suppress(AssertionError):
            wait_for(lambda: not self.watch.faults(kept, fresh=0), LAST_LOOK_SECONDS)
        for fault in self.watch.faults(kept, fresh=0):
            self.row.object_to(f"in the end {fault}")
        tally = Tally(self.row, truth, self.starts, self.excused)
        tally.endpoints(self.visitors)
        tally.tasks(self._errors)
        tally.mails(self.system)
        tally.stories(self.system)
        tally.strangers(self.visitors)
        tally.runs(self.system, once=self._once)

    def close(self) -> None:
        for load in self._loads:
            load.stop()
        self.watch.stop()
        if self.page:
            self.page.close()
        for visitor in self.visitors:
            visitor.close()


@contextmanager
def trial(
    system: System, fault: str, count: int = 1, *, limit: float = 5.0, **options: Any
) -> Iterator[Trial]:
    """Run a trial: its row is complete when the block is left."""
    one = Trial(system, Row(fault, count, limit=limit), **options)
    try:
        yield one
        one.settle()
    finally:
        one.close()
