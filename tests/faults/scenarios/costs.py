"""What it costs tasks that go on to be killed, deployed and stopped: in rows that are done again,
and in seconds. Ten milliseconds of work are a row.
"""

from __future__ import annotations

import random
import signal
import time
from itertools import count as numbers

from tests.faults.load import Start
from tests.faults.report import Row
from tests.faults.strikes import BACK_SECONDS, EXIT_SECONDS, STRIKES, Target
from tests.faults.system import LONG_SLOTS, Kept, System
from tests.faults.trial import Trial, trial
from tests.processes import wait_for

LIMIT = 30.0
ROW_SECONDS = 0.01
KILL_EVERY = 600  # rows: a hundred kills of a task of ten minutes
KILLS_OF_A_PARENT = 10  # one of so many kills
MAX_REPEATED = 0.01  # of the rows
FEW = 10  # fewer than that are measured to see that they work: the machine may be busy
MAX_REPEATED_OF_FEW = 0.03
DEPLOY_EVERY = 850  # rows: twenty deploys of a task of three minutes
FEW_DEPLOYS_EVERY = 200
SLOW_ROW_SECONDS = 0.05
STOP_AFTER = 20  # slow rows
STOP_SECONDS = 3.0
RUN_SECONDS = 1.0  # from SIGTERM to the last row of each run
POOLS = ("prefork", "threads", "gevent", "solo")
ONE_AT_A_TIME = "solo"
NUMBERS = numbers(1)


def kills(system: System, count: int) -> Row:
    """kill -9 of what runs a task, once in six seconds of its work, each tenth time the worker."""
    rows = KILL_EVERY * count
    chance = random.Random(count)
    with trial(system, f"{count} kills of a task", count, limit=LIMIT) as one:
        task = Counting(one, rows)
        for number in range(count):
            task.until_row(number * KILL_EVERY + chance.randrange(KILL_EVERY // 10, KILL_EVERY))
            is_parent = number % KILLS_OF_A_PARENT == KILLS_OF_A_PARENT - 1
            task.strike("kill the worker" if is_parent else "kill the pool process")
        task.until_ended()
    repeated = task.diary.repeated() / rows
    most = MAX_REPEATED_OF_FEW if count < FEW else MAX_REPEATED
    if repeated > most:
        one.row.object_to(f"{repeated:.2%} of the rows were done again")
    one.row.figures = (
        f"{rows} rows, {rows * ROW_SECONDS:.0f} s of work, of which {task.diary.repeated()} were "
        f"done again: {repeated:.2%}, and {most:.0%} may be"
    )
    return one.row


def deploys(system: System, count: int) -> Row:
    """SIGTERM to the worker that runs a task, so often in a row; each time it gets on."""
    every = FEW_DEPLOYS_EVERY if count < FEW else DEPLOY_EVERY
    rows = every * (count + 1)
    with trial(system, f"{count} deploys in a row", count, limit=LIMIT) as one:
        task = Counting(one, rows)
        for number in range(count):
            task.until_row((number + 1) * every)
            task.strike("stop the worker")
        task.until_ended()
    runs = task.diary.runs().values()
    if len(runs) != count + 1 or task.diary.repeated():
        one.row.object_to(f"{len(runs)} runs, and {task.diary.repeated()} rows done again")
    one.row.figures = (
        f"{rows} rows, {rows * ROW_SECONDS:.0f} s of work, in {len(runs)} runs of at least "
        f"{min(map(len, runs))} rows; {task.diary.repeated()} rows done again"
    )
    return one.row


def planned_stop(system: System, count: int) -> Row:
    """SIGTERM to a worker of each pool that runs so many tasks which save: it ends soon, and all go
    on.
    """
    pools = POOLS[:1] if count < FEW else POOLS
    with trial(system, f"planned stop of {count} tasks", len(pools), limit=LIMIT) as one:
        stops = [_stop(one, pool, 1 if pool == ONE_AT_A_TIME else count) for pool in pools]
    most = f"{EXIT_SECONDS if count < FEW else STOP_SECONDS:g} s"
    one.row.figures = f"a worker may take {most}, and a run {RUN_SECONDS:g} s; " + "; ".join(stops)
    return one.row


def _stop(one: Trial, pool: str, count: int) -> str:
    """Stop a worker with this pool and so many tasks; return how long that took."""
    is_measured = pool == ONE_AT_A_TIME or count >= FEW
    with one.system.extra_worker(f"many-{pool}", "celery", slots=count, pool=pool) as worker:
        slots = count + LONG_SLOTS * len(one.system.workers)
        tasks = [Counting(one, STOP_AFTER * 6, SLOW_ROW_SECONDS) for _ in range(slots)]
        for task in tasks:
            task.until_row(STOP_AFTER)
        held = held_by(one.system, worker, tasks)
        if len(held) != count:
            one.row.object_to(f"the {pool} worker runs {len(held)} tasks")
        runs = [(task, task.diary.read()[-1].run) for task in tasks if task.task_id in held]
        signalled_at = time.monotonic()
        seconds = worker.end(signal.SIGTERM)
        one.ended(held)
        for task in tasks:
            task.until_ended()
    longest = max(task.last_row_at(run) for task, run in runs) - signalled_at
    if seconds > (STOP_SECONDS if is_measured else EXIT_SECONDS):
        one.row.object_to(f"the {pool} worker took {seconds:.1f} s")
    if is_measured and longest > RUN_SECONDS:
        one.row.object_to(f"a run of the {pool} worker went on for {longest:.1f} s")
    if repeated := sum(task.diary.repeated() for task in tasks):
        one.row.object_to(f"{repeated} rows were done again after the {pool} worker's stop")
    return f"{pool}, {count}: {seconds:.1f} s, runs {longest:.1f} s, {repeated} rows done again"


class Counting:
    """A task of a trial that counts rows, with its diary."""

    def __init__(self, one: Trial, rows: int, seconds: float = ROW_SECONDS) -> None:
        args = {"label": f"c{next(NUMBERS)}", "rows": rows, "seconds": seconds}
        self.task_id = one.start(Start("count_rows", args))
        self.diary = one.system.diary(self.task_id)
        self.target = Target(one.system, self.task_id)
        self._one = one

    def until_row(self, row: int) -> None:
        wait_for(lambda: self.diary.reached >= row, BACK_SECONDS, f"{self.task_id} does not get on")

    def until_ended(self) -> None:
        self._one.until("succeeded", self.task_id, seconds=BACK_SECONDS)

    def last_row_at(self, run: str) -> float:
        """Return when a run did its last row, by the monotonic clock."""
        return max(line.at for line in self.diary.read() if line.run == run)

    def strike(self, what: str) -> None:
        """Break something that ends the run."""
        held = self._one.held()
        STRIKES[what](self.target, 0)
        self._one.ended(held)


def held_by(system: System, worker: Kept, tasks: list[Counting]) -> dict[str, int]:
    """Return those of the tasks that a worker runs, each with its attempt, which is the first."""
    ids = {task.task_id for task in tasks}
    pool = {worker.pid, *worker.pool()}
    return {run.task_id: 1 for run in system.runs() if run.pid in pool and run.task_id in ids}
