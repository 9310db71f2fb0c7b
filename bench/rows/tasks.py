"""What reporting costs a task."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from functools import partial

from bench.candidates import CeleryProgress, Headway, Pattern
from bench.measure import Bench
from bench.table import Comparison, Row


def update(bench: Bench) -> Row:
    reporter = bench.candidate(Headway).reporter
    took = [reporter.call("update", seconds=bench.plan.seconds / 2) for _ in range(bench.plan.rounds)]
    figure, tqdm = (statistics.median(each[name] for each in took) * 1e9 for name in ("headway", "tqdm"))
    return Row(
        "progress.update() in a tight loop",
        [Comparison("a call", figure, "ns", "tqdm.update()", tqdm, 1.0)],
    )


def track(bench: Bench) -> Row:
    reporter = bench.candidate(Headway).reporter
    took = [reporter.call("track", seconds=bench.plan.seconds / 2) for _ in range(bench.plan.rounds)]
    figure, tqdm = (statistics.median(each[name] - each["bare"] for each in took) * 1e9 for name in ("headway", "tqdm"))
    return Row(
        "for x in progress.track(it)",
        [Comparison("an iteration, over the bare loop", figure, "ns", "tqdm(it)", tqdm, 1.0)],
    )


def report(bench: Bench) -> Row:
    reporters = {each.name: each.reporter for each in bench.candidates(Headway, Pattern, CeleryProgress)}
    took = bench.in_turn(
        {name: partial(reporter.call, "cost", seconds=bench.plan.seconds) for name, reporter in reporters.items()}
    )
    figure, ping, said = (_micros(took[Headway.name], name) for name in ("report", "ping", "say"))
    peers = {name: _micros(took[name], "report") for name in (Pattern.name, CeleryProgress.name)}
    return Row(
        "one flushed report: stored, versioned, pushed",
        [
            Comparison("update_state", figure, "µs", Pattern.name, peers[Pattern.name], 0.35),
            Comparison("update_state", figure, "µs", "one Redis PING", ping, 2.0),
            Comparison("update_state", figure, "µs", CeleryProgress.name, peers[CeleryProgress.name]),
            Comparison("progress.set", said, "µs", Pattern.name, peers[Pattern.name], 0.35),
            Comparison("progress.set", said, "µs", "one Redis PING", ping, 2.0),
        ],
        costs={"task_us": figure},
    )


def _micros(took: Sequence[Mapping[str, float]], name: str) -> float:
    return statistics.median(each[name] for each in took) * 1e6
