"""What reporting costs a task."""

from __future__ import annotations

import statistics
from functools import partial

from bench.candidates import CeleryProgress, Headway, Pattern
from bench.measure import Bench
from bench.table import Comparison, Row

WORK_SECONDS = 0.001
TOGETHER = 16  # reports that are timed as one: most wait for nothing, and leave it to a later one
BURSTS = 10  # of words to a stream
MAX_WRITE_NS = 2000
MAX_SAVE = 1.1  # times its report alone


def update(bench: Bench) -> Row:
    reporter = bench.candidate(Headway).reporter
    took = [
        reporter.call("update", seconds=bench.plan.seconds / 2) for _ in range(bench.plan.rounds)
    ]
    figure, tqdm = (
        statistics.median(each[name] for each in took) * 1e9 for name in ("headway", "tqdm")
    )
    return Row(
        "progress.update() in a tight loop",
        [Comparison("a call", figure, "ns", "tqdm.update()", tqdm, 1.0)],
    )


def track(bench: Bench) -> Row:
    reporter = bench.candidate(Headway).reporter
    took = [
        reporter.call("track", seconds=bench.plan.seconds / 2) for _ in range(bench.plan.rounds)
    ]
    figure, tqdm = (
        statistics.median(each[name] - each["bare"] for each in took) * 1e9
        for name in ("headway", "tqdm")
    )
    return Row(
        "for x in progress.track(it)",
        [Comparison("an iteration, over the bare loop", figure, "ns", "tqdm(it)", tqdm, 1.0)],
    )


def stream(bench: Bench) -> Row:
    reporter = bench.candidate(Headway).reporter
    took = [reporter.call("stream", bursts=BURSTS) for _ in range(bench.plan.rounds)]
    figure, file = (
        statistics.median(each[name] for each in took) * 1e9 for name in ("headway", "file")
    )
    return Row(
        "a write of a word to progress.stream()",
        [
            Comparison("a call", figure, "ns", "what it may cost", MAX_WRITE_NS, 1.0),
            Comparison("a call", figure, "ns", "a write to a text file", file),
        ],
    )


def save(bench: Bench) -> Row:
    headway = bench.candidate(Headway)
    took = headway.reporter.call(
        "save",
        seconds=bench.plan.seconds * bench.plan.rounds,
        redis_pid=headway.valkey.process.pid,
    )
    save, alone = (
        {unit: each * 1e6 for unit, each in took[what].items()} for what in ("save", "report")
    )
    told = {"seconds": "a call", "cpu": "its CPU, the task's and Redis's"}
    return Row(
        "progress.save() with a report",
        [
            Comparison(what, save[unit], "µs", "the report alone", alone[unit], MAX_SAVE)
            for unit, what in told.items()
        ],
    )


def report(bench: Bench) -> Row:
    return _report(bench, "one flushed report, back to back", 0.0, TOGETHER)


def report_apart(bench: Bench) -> Row:
    """What tasks do: they work between two reports, and the processes on the way fall asleep
    meanwhile.
    """
    return _report(bench, "one flushed report, after 1 ms of work", WORK_SECONDS)


def _report(bench: Bench, title: str, work_seconds: float, together: int = 1) -> Row:
    headway, *peers = bench.candidates(Headway, Pattern, CeleryProgress)
    asked = {
        "seconds": bench.plan.seconds / 2,
        "work_seconds": work_seconds,
        "together": together,
    }
    measures = {each.name: partial(each.reporter.call, "cost", **asked) for each in peers}
    for what in ("report", "say", "ping"):
        measures[what] = partial(headway.reporter.call, "cost", what=what, **asked)
    took = {name: statistics.median(each) * 1e6 for name, each in bench.in_turn(measures).items()}
    return Row(
        title,
        [
            Comparison(
                "update_state", took["report"], "µs", Pattern.name, took[Pattern.name], 0.25
            ),
            Comparison("update_state", took["report"], "µs", "one Redis PING", took["ping"], 2.0),
            Comparison(
                "update_state", took["report"], "µs", CeleryProgress.name, took[CeleryProgress.name]
            ),
            Comparison("progress.set", took["say"], "µs", Pattern.name, took[Pattern.name], 0.25),
            Comparison("progress.set", took["say"], "µs", "one Redis PING", took["ping"], 2.0),
        ],
        costs={} if work_seconds else {"task_us": took["report"]},
    )
