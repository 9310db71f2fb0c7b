"""Measures one Redis's part alone: the CPU of a report, and the memory of a task that has ended."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from celery.app.task import Context

from bench.measure import Bench
from bench.one_redis import OneRedis
from bench.peers.pace import STATUS
from bench.table import Comparison, Row
from tests.processes import Valkey

TASKS = 100
CONNECTIONS = 100
REPORTS_A_SECOND = 3000  # of a window, one after the other
ALONE_A_SECOND = 300
MAX_US = 20.0
MIN_A_SECOND = 25_000
MAX_ENDED_BYTES = 1500


def redis_report(bench: Bench) -> Row:
    """Measure Redis's CPU of a report: while it is idle otherwise, and while it is saturated."""
    with _one_redis(bench, "redis-report") as redis:
        many = round(bench.plan.seconds * REPORTS_A_SECOND)
        few = round(bench.plan.seconds * ALONE_A_SECOND)
        measures: dict[str, Callable[[], float]] = {
            "warm": lambda: redis.saturated(redis.reports(TASKS)),
            "alone": lambda: redis.alone(redis.reports(few)),
            "lean alone": lambda: redis.alone(redis.lean(few)),
            "saturated": lambda: redis.saturated(redis.reports(many)),
            "lean saturated": lambda: redis.saturated(redis.lean(many)),
            "watched": partial(_watched, redis, lambda: redis.reports(many)),
            "lean watched": partial(_watched, redis, lambda: redis.lean(many)),
        }
        found = {name: statistics.median(each) for name, each in bench.in_turn(measures).items()}
    lean = "a lean function"
    return Row(
        "a report, in Redis: its CPU",
        [
            Comparison("saturated", found["saturated"], "µs", "allowed", MAX_US, 1.0),
            Comparison("saturated", found["saturated"], "µs", lean, found["lean saturated"]),
            Comparison("each watched", found["watched"], "µs", lean, found["lean watched"]),
            Comparison("each alone", found["alone"], "µs", lean, found["lean alone"]),
            Comparison(
                "reports a second of a core",
                1e6 / found["saturated"],
                "",
                "wanted",
                MIN_A_SECOND,
                1.0,
                at_least=True,
            ),
        ],
    )


def redis_ended(bench: Bench) -> Row:
    """What Redis keeps of a task that has ended with a small result, in all keys that name it."""
    with _one_redis(bench, "redis-ended") as redis:
        request = redis.started()
        for done in range(5):
            meta = {"current": done, "total": 5, "status": STATUS}
            redis.backend.runs.report(request, "PROGRESS", meta)
        redis.backend.mark_as_done(request.id, 42, request=request)
        sizes = _sizes(redis, request)
    celerys = sizes[redis.records.keys.celery(request.id)]
    return Row(
        "memory of an ended task in Redis",
        [
            Comparison("each", sum(sizes.values()), "B", "allowed", MAX_ENDED_BYTES, 1.0),
            Comparison("each", sum(sizes.values()), "B", "Celery's own key of it", celerys),
        ],
    )


def _sizes(redis: OneRedis, request: Context) -> dict[str, int]:
    client = redis.records.client
    names = [str(key) for key in client.scan_iter(f"*{request.id}*")]
    return {name: int(client.memory_usage(name, samples=0) or 0) for name in names}


def _watched(redis: OneRedis, calls: Callable[[], list[bytes]]) -> float:
    made = calls()
    end = redis.watch()
    took = redis.saturated(made)
    received = end()
    assert received == 2 * len(made), f"{received} messages of {len(made)} reports"
    return took


@contextmanager
def _one_redis(bench: Bench, name: str) -> Iterator[OneRedis]:
    folder = bench.folder / name
    folder.mkdir()
    valkey = Valkey(folder)
    try:
        redis = OneRedis(valkey, TASKS, CONNECTIONS)
        try:
            yield redis
        finally:
            redis.stop()
    finally:
        valkey.stop()
