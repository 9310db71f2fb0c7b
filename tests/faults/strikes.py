"""Ways to strike a running system, by name; and schedules of them, which a seed decides."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.faults.pages import TaskPage
from tests.faults.system import Kept, System, kill
from tests.processes import wait_for

EXIT_SECONDS = 15.0
HALF = 0.5  # of its rows, after which the task asks
WAITING_EVERY = 10  # strikes, of which one hits a task that waits
BACK_SECONDS = 60.0


@dataclass(frozen=True)
class Target:
    """What a strike may hit: the system, the task that runs there, and its page."""

    system: System
    task_id: str
    page: TaskPage | None = None

    def child(self) -> int:
        """Return the process that runs the task, or any that might."""
        pool = {pid for worker in self.system.workers for pid in worker.pool()}
        runs = [
            run
            for run in self.system.runs()
            if run.task_id == self.task_id and run.ended is None and run.pid in pool
        ]
        return runs[-1].pid if runs else max(pool, default=0)

    def worker(self) -> Kept:
        """Return the worker that runs the task, or any."""

        def found() -> Kept | None:
            pid = self.child()
            return next((one for one in self.system.workers if pid in one.pool()), None)

        return wait_for(found, BACK_SECONDS, "no worker is there")


Strike = Callable[[Target, int], None]


def kill_child(target: Target, _: int) -> None:
    kill(wait_for(target.child, BACK_SECONDS, "no pool process is there"))


def kill_parent(target: Target, _: int) -> None:
    target.worker().end(signal.SIGKILL)


def stop_worker(target: Target, _: int) -> None:
    """As a deploy does."""
    worker = target.worker()
    wait_for(lambda: worker.said(" ready."), BACK_SECONDS, f"{worker.name} is not ready")
    seconds = worker.end(signal.SIGTERM)
    assert seconds < EXIT_SECONDS, f"{worker.name} took {seconds:.1f} s to end"


def kill_web(target: Target, which: int) -> None:
    target.system.webs[which % 2].end(signal.SIGKILL)


def restart_valkey(target: Target, which: int) -> None:
    target.system.valkey.restart(signal.SIGKILL if which % 2 else signal.SIGTERM)


def reload_page(target: Target, _: int) -> None:
    if target.page is not None:
        target.page.reload()


STRIKES: dict[str, Strike] = {
    "kill the pool process": kill_child,
    "kill the worker": kill_parent,
    "stop the worker": stop_worker,
    "kill a web process": kill_web,
    "restart Valkey": restart_valkey,
    "reload the page": reload_page,
}


@dataclass(frozen=True)
class Move:
    """A strike when so much of the task is done; HALF: while it waits for an answer."""

    at: float
    what: str
    which: int

    def __str__(self) -> str:
        when = "waiting" if self.at == HALF else f"at {self.at:.2%}"
        return f"{when:>10}  {self.what} ({self.which})"


def in_some_order(chance: random.Random, kinds: Sequence[str], count: int) -> list[str]:
    """Return so many strikes, of each kind as many."""
    found = [kinds[number % len(kinds)] for number in range(count)]
    chance.shuffle(found)
    return found


def schedule(seed: int, count: int) -> list[Move]:
    """Return so many strikes, of each kind as many; a seed's schedule is always the same."""
    chance = random.Random(seed)
    whats = in_some_order(chance, list(STRIKES), count)
    waiting = -(-count // WAITING_EVERY)
    ats = [HALF] * waiting + [chance.uniform(0.01, 0.97) for _ in range(count - waiting)]
    return [
        Move(at, what, chance.randrange(2)) for at, what in zip(sorted(ats), whats, strict=True)
    ]
