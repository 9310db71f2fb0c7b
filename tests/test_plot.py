"""The curve of a task: what Redis keeps of it, and how the page draws it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from headway.snapshot import Phase
from headway.store.model import Delivery, Point, StateWrite
from headway.store.records import Records
from headway.web.pages.plot import MIN_POINTS, Plot, plot
from tests.by_hand import HERE, claim, write
from tests.terminal import create

CURVES = json.loads(Path(__file__).with_name("curves.json").read_text())
START = 1_795_910_400_000  # 2026-11-29T00:00:00Z


def task(phase: str = "running", **fields: Any) -> dict[str, Any]:
    ended = "2026-11-29T00:01:00.000Z" if phase != "running" else None
    started = "2026-11-29T00:00:00.000Z"
    known = {"phase": phase, "started_at": started, "finished_at": ended, "state": "PROGRESS"}
    return {**known, "current": 50, "total": 100, **fields}


def drawn(shown: dict[str, Any], points: list[Point]) -> Plot:
    found = plot(shown, points)
    assert found is not None
    return found


def test_the_whole_of_a_run_is_kept_in_at_most_240_points(records: Records):
    task_id = create(records)
    claim(records, task_id)
    record = records.keys.record(task_id)

    for current in range(1, 700):
        records.client.hset(record, "point_due", "0")  # as if the time had gone by
        write(records, task_id, current)
    points = records.history.points(task_id)

    assert 100 < len(points) <= 240
    assert points[-1][1:] == (699, 1000)
    assert [point.current for point in points] == sorted(point.current for point in points)
    assert points[0].current < 10
    assert int(records.client.hget(record, "point_gap") or 0) > 100_000
    assert records.client.pttl(records.keys.points(task_id)) > 0


def test_a_report_that_follows_soon_is_no_point_but_the_end_is(records: Records):
    task_id = create(records)
    claim(records, task_id)

    records.client.hset(records.keys.record(task_id), "point_due", "0")
    write(records, task_id, 1)
    for current in range(2, 20):
        records.client.hset(records.keys.record(task_id), "point_due", str(2**52))
        write(records, task_id, current)
    write(records, task_id, 19, Phase.FAILED)

    assert [point.current for point in records.history.points(task_id)] == [0, 1, 19]
    records.forget(task_id)
    assert records.history.points(task_id) == []


def test_a_run_that_goes_on_has_its_first_point_where_it_goes_on(records: Records):
    task_id = create(records)
    record = records.keys.record(task_id)
    records.client.hset(record, mapping={"saved": "{}", "saved_percent": "38"})

    claim(records, task_id)
    write(records, task_id, 380)
    records.client.hset(record, "point_due", "0")
    write(records, task_id, 381)

    assert [point.current for point in records.history.points(task_id)] == [380, 381]


def test_one_that_ends_before_the_first_report_of_a_run_that_goes_on_ends_where_it_was(
    records: Records,
):
    task_id = create(records)
    claim(records, task_id)
    record = records.keys.record(task_id)
    for current in (200, 380):
        records.client.hset(record, "point_due", "0")
        write(records, task_id, current)
    records.client.hset(record, mapping={"saved": "{}", "saved_percent": "38"})
    records.maintenance.release([(task_id, HERE.token)])
    there = Delivery("another", 0)
    about = {"message": {"task": "any", "args": [], "kwargs": {}, "options": {"queue": "celery"}}}
    assert records.runs.claim(task_id, there, "run", **about, max_attempts=4, hostname="test")

    records.runs.write(StateWrite(task_id, there, Phase.CANCELLED, {}, "{}", "long_task", 4))

    points = records.history.points(task_id)
    assert [point[1:] for point in points] == [(0, 1), (200, 1000), (380, 1000), (380, 1000)]
    ended = task("cancelled", current=0, total=1)
    slowly = [Point(START + 1000 * n, *point[1:]) for n, point in enumerate(points)]
    assert drawn(ended, slowly).summary.startswith("38\u202f%")


def test_too_few_points_for_a_plot_are_not_kept(records: Records):
    task_id = create(records)
    claim(records, task_id)
    assert len(records.history.points(task_id)) == MIN_POINTS - 2

    write(records, task_id, 1, Phase.FAILED)

    assert records.history.points(task_id) == []


def test_the_server_and_the_browser_draw_the_same():
    for curve in CURVES:
        points = [Point(*point) for point in curve["points"]]
        found = drawn(task("cancelled", current=points[-1].current, total=points[-1].total), points)
        assert [found.progress, found.rate, found.summary] == [
            curve["progress"],
            curve["rate"],
            curve["summary"],
        ]
        assert [list(found.x_labels), list(found.y_labels)] == [curve["x"], curve["y"]]


def test_a_steady_run_is_estimated_and_the_estimate_is_judged():
    points = [Point(START + 1000 * n, n, 100) for n in range(51)]

    ahead = drawn(task(), points)
    done = drawn(task("succeeded", current=100), [*points, Point(START + 120_000, 100, 100)])

    assert ahead.range == "M500 100L1000 0L1000 0Z"
    assert ahead.estimate == ""
    assert done.range == ""
    assert done.estimate == "Estimated 1:40 at 25\u202f%, took 2:00"


def test_an_end_beyond_all_measure_is_no_estimate():
    points = [Point(START + 1000 * n, n * 1e-300, 1e300) for n in range(9)]

    assert drawn(task(total=1e300), points).range == ""


def test_what_says_nothing_is_not_drawn():
    unclaimed = task() | {"started_at": None}
    same = [Point(START, 0, None)] * 3

    assert plot(task(), []) is None
    assert plot(task(), same) is None
    assert plot(task("succeeded"), [*same, Point(START + 9, 1, 1)]) is None  # it ended, no more
    assert plot(unclaimed, [Point(START + n, n, None) for n in range(9)]) is None
    without_total = [Point(START + n, n, None) for n in range(9)]
    assert drawn(task(total=None), without_total).estimate == ""
