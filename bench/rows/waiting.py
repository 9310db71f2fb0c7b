"""What tasks cost that wait: for a person's answer, or for their turn."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from bench.asking import QUEUE
from bench.candidates import Headway
from bench.machine import memory_bytes
from bench.measure import Bench
from bench.table import Comparison, Row
from tests.processes import children_of, running, worker

MAX_RUNNING = 2
WARM = 200  # tasks: what a worker opens once
MAX_GROWTH = 1.05  # of its memory, from half of the tasks to all of them
PATIENCE_SECONDS = 1200.0


class Held(NamedTuple):
    """What processes hold: threads and open files, connections among these; megabytes."""

    handles: int
    megabytes: float

    @classmethod
    def by(cls, *pids: int) -> Held:
        each = [Path("/proc") / str(pid) for pid in pids]
        threads = sum(1 for process in each for _ in (process / "task").iterdir())
        files = sum(1 for process in each for _ in (process / "fd").iterdir())
        return cls(threads + files, sum(map(memory_bytes, pids)) / 1e6)


class Waiting:
    """Tasks that a worker runs until they ask, and then to their ends, and what is held then."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._headway = bench.candidate(Headway)

    def run(self) -> Row:
        count = self._bench.plan.waiting
        env = self._headway.env
        process = worker(self._bench.folder, env, QUEUE, "worker", "-I", "bench.asking")
        with running(process):
            had, _ = self._have("ask", count=WARM)
            pids = [process.pid, *children_of(process.pid)]
            before, web_before = self._held(pids)
            _, asking_half = self._have("ask", count=count // 2)
            half, _ = self._held(pids)
            held, asking = self._have("ask", count=count - count // 2)
            then, web_then = self._held(pids)
            ended, answering = self._have("answer")
            after, _ = self._held(pids)
        compared = [
            ("a web process's threads and files", web_then.handles, web_before.handles),
            ("the worker's threads and files", then.handles, before.handles),
            ("connections of Redis", held["clients"], had["clients"]),
        ]
        memory = [
            ("the worker's memory", then, "with half of them", half, MAX_GROWTH),
            ("the worker's memory", then, "before", before, None),
            ("the same when all have ended", after, "before", before, None),
        ]
        asked_in = asking_half + asking
        right = "ended with their answer, in two runs each"
        return Row(
            f"{count:,} tasks that a worker ran until they asked, and that were answered then",
            [
                *(Comparison(what, now, "", "before", then, 1.0) for what, now, then in compared),
                *(
                    Comparison(what, now.megabytes, "MB", when, then.megabytes, bar)
                    for what, now, when, then, bar in memory
                ),
                Comparison(right, ended["right"], "", "asked", count + WARM, 1.0, at_least=True),
            ],
            [
                f"leases, messages and times at which something is due, of all: {held['due']}",
                f"a task in Redis: {held['bytes'] / 1000:.1f} kB",
                f"{count:,} had asked after {asked_in:.0f} s; {count + WARM:,} had ended "
                f"{answering:.0f} s after the first answer",
            ],
        )

    def _have(self, do: str, **arguments: int) -> tuple[dict[str, float], float]:
        """Have the tasks started, or answered; return what is held, and how long it took."""
        began = time.perf_counter()
        self._headway.reporter.ask(do, **arguments)
        found = self._headway.reporter.answer(PATIENCE_SECONDS)
        return found, time.perf_counter() - began

    def _held(self, worker: list[int]) -> tuple[Held, Held]:
        """Return what the worker holds once it has settled, and the web process."""
        self._bench.swarm.run(self._bench.plan.settle_seconds)
        return Held.by(*worker), Held.by(self._headway.web.pid)


def waiting(bench: Bench) -> Row:
    return Waiting(bench).run()


def turns(bench: Bench) -> Row:
    """Tasks of one owner in line, and one of another's who comes after them."""
    reporter = bench.candidate(Headway).reporter
    found = reporter.call("turns", count=bench.plan.waiting, limit=MAX_RUNNING)
    return Row(
        f"{bench.plan.waiting:,} tasks of one owner with max_running={MAX_RUNNING}, then another's",
        [
            Comparison("tasks ahead of the other's", found["ahead"], "", "slots", MAX_RUNNING, 1.0),
            Comparison(
                "the last start", found["last"] * 1e6, "µs", "the first", found["first"] * 1e6
            ),
        ],
    )
