"""What tasks cost that wait: for a person's answer, or for their turn."""

from __future__ import annotations

from pathlib import Path

from bench.candidates import Headway
from bench.measure import Bench
from bench.table import Comparison, Row

MAX_RUNNING = 2


def waiting(bench: Bench) -> Row:
    """Tasks that wait for an answer: what each process holds of them, and Redis."""
    headway = bench.candidate(Headway)
    web = headway.web.pid
    bench.swarm.run(bench.plan.settle_seconds)
    before = _held(web)
    held = headway.reporter.call("waiting", count=bench.plan.waiting)
    after = _held(web)
    return Row(
        f"{bench.plan.waiting:,} tasks that wait for an answer",
        [
            Comparison("a web process's threads and files", after, "", "before", before, 1.0),
            Comparison(
                "a pool process's threads and files",
                held["after"],
                "",
                "before",
                held["before"],
                1.0,
            ),
            Comparison("connections of Redis", held["clients"], "", "before", held["had"], 1.0),
        ],
        [
            f"leases, messages and times at which something is due, of all these: {held['due']}",
            f"a task in Redis: {held['bytes'] / 1000:.1f} kB",
        ],
    )


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


def _held(pid: int) -> int:
    """Return how many threads and open files a process has."""
    process = Path("/proc") / str(pid)
    return sum(1 for _ in (process / "task").iterdir()) + sum(1 for _ in (process / "fd").iterdir())
