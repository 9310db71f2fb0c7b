"""The plot of a task's progress and rate over time; plot.js draws the same as it goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from math import floor
from typing import NamedTuple

from headway.display.formats import format_number, format_passed, format_percent, format_rate
from headway.display.languages import say, words_of
from headway.display.words import percent
from headway.shapes import SnapshotDict
from headway.snapshot import Phase
from headway.store.model import Point
from headway.web.pages.pace import SMOOTHING, Range, estimates

WIDTH = 1000
HEIGHT = 200
FASTEST = 0.8  # of the height; a steady rate would be taken for the frame's edge
MIN_POINTS = 3
COMPARED_AT = 0.25  # of the whole: what was estimated then is compared with what it took


class Plot(NamedTuple):
    """Paths in a box of WIDTH by HEIGHT, and what they say in words."""

    progress: str
    rate: str
    range: str  # where the line is estimated to go, "" unknown
    x_labels: tuple[str, ...]
    y_labels: tuple[str, ...]  # from the top down
    summary: str
    estimate: str  # and what came of it, "" unknown
    points: str  # JSON, for plot.js


def plot(task: SnapshotDict, points: Sequence[Point]) -> Plot | None:
    """Return the plot of a task; None where there is too little to show."""
    started_at = task["started_at"]
    if len(points) < MIN_POINTS or points[-1].at == points[0].at or not started_at:
        return None
    if all(point.current == points[0].current for point in points[:-1]):
        return None  # only its end, which is reported of each task
    first = points[0].at
    attempt = _of_attempt(started_at, points)
    expected = estimates(attempt)
    coming = None if task["finished_at"] else expected[-1]
    begun = attempt[0].at - first
    span = max(points[-1].at - first, begun + coming[1] if coming else 0)
    return Plot(
        _line(_fractions(points), span),
        _line(_shares(rates(points)), span),
        _wedge(points, begun, coming, span) if coming else "",
        ("0:00" if span >= 1000 else "0", format_passed(span)),
        _scale(points),
        _summary(task, points),
        _compared_estimate(task, attempt, expected),
        json.dumps(points, separators=(",", ":")),
    )


def rates(points: Sequence[Point]) -> list[tuple[int, float]]:
    """Return when how much was done in a second, as a moving mean; `at` ms from the first point."""
    found: list[tuple[int, float]] = []
    for before, point in pairwise(points):
        if point.at <= before.at or point.current < before.current:
            continue
        rate = 1000 * (point.current - before.current) / (point.at - before.at)
        smooth = found[-1][1] + SMOOTHING * (rate - found[-1][1]) if found else rate
        found.append((point.at - points[0].at, smooth))
    return found


def _of_attempt(started_at: str, points: Sequence[Point]) -> Sequence[Point]:
    """Return the points since the last attempt began, an RFC 3339 time; at least the last one."""
    started = 1000 * datetime.fromisoformat(started_at).timestamp()
    return [point for point in points if point.at >= started] or points[-1:]


def _scale(points: Sequence[Point]) -> tuple[str, ...]:
    """Return the labels beside progress: percent, or counts where the total is unknown."""
    if points[-1].total:
        return tuple(map(format_percent, (100, 50, 0)))
    return format_number(_most(points)), "0"


def _fractions(points: Sequence[Point]) -> Iterator[tuple[int, float]]:
    most = _most(points)
    for point in points:
        whole = point.total if point.total else most
        yield point.at - points[0].at, min(1.0, point.current / whole)


def _most(points: Sequence[Point]) -> float:
    return max(point.current for point in points) or 1


def _shares(values: Sequence[tuple[int, float]]) -> Iterator[tuple[int, float]]:
    most = max((value for _, value in values), default=0)
    return ((at, FASTEST * value / most) for at, value in values if most)


def _line(values: Iterator[tuple[int, float]], span: float) -> str:
    """Return a path through (ms, fraction)."""
    return "".join(
        f"{'L' if place else 'M'}{_x(at, span)} {_y(value)}"
        for place, (at, value) in enumerate(values)
    )


def _wedge(points: Sequence[Point], begun: int, coming: Range, span: float) -> str:
    *_, (at, value) = _fractions(points)
    least, most = (_x(begun + end, span) for end in coming)
    return f"M{_x(at, span)} {_y(value)}L{least} 0L{most} 0Z"


def _x(at: float, span: float) -> int:
    return floor(WIDTH * at / span + 0.5)


def _y(value: float) -> int:
    return floor(HEIGHT * (1 - value) + 0.5)


def _summary(task: SnapshotDict, points: Sequence[Point]) -> str:
    took = format_passed(points[-1].at - points[0].at)
    fastest = max((rate for _, rate in rates(points)), default=0.0)
    part = percent(task) or _percent_of(points[-1])
    reached = f"{points[-1].current:g}" if part is None else format_percent(part)
    words = words_of("page")
    speed = words["fastest"].format(rate=format_rate(fastest)) if fastest else ""
    return " · ".join(filter(None, (words["reached"].format(reached=reached, time=took), speed)))


def _percent_of(point: Point) -> int | None:
    return floor(100 * point.current / point.total) if point.total else None


def _compared_estimate(
    task: SnapshotDict, attempt: Sequence[Point], expected: Sequence[Range | None]
) -> str:
    """Say what was estimated early on, and what it took."""
    if task["phase"] != Phase.SUCCEEDED:
        return ""
    for point, estimate in zip(attempt[:-1], expected, strict=False):
        part = point.current / point.total if point.total else 0.0
        if part >= COMPARED_AT and estimate:
            least, most = (format_passed(end) for end in estimate)
            said = least if least == most else say("{least} to {most}", least=least, most=most)
            took = format_passed(attempt[-1].at - attempt[0].at)
            at = format_percent(floor(100 * part))
            return say(
                "Estimated {time} at {percent}, took {took}", time=said, percent=at, took=took
            )
    return ""
