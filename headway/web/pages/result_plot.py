"""Draws a result that is a plot: lines or bars in a box, and what stands beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from typing import Any, NamedTuple

from headway.display.languages import Sentence
from headway.snapshot import is_number
from headway.typed_results import MAX_POINTS, MAX_SERIES
from headway.values import MAX_NUMBER

WIDTH = 1000
HEIGHT = 240
STEPS = 4  # between the lines of the grid, or some more
BAR_SHARE = 0.8  # of its place's width that a bar takes, together with those beside it
MAX_LABELS = 8  # on the x axis; of more places the ends alone are named

MIN_STEP = 1 / MAX_NUMBER  # of the grid: a smaller one would be lost in a double's last digits
SAME = 1e-9  # of a value: what differs by less is drawn as one line

Numbers = Sequence[float | None]


class Series(NamedTuple):
    name: str
    path: str


class DrawnPlot(NamedTuple):
    """Paths in a box of WIDTH by HEIGHT, and texts; all texts are the author's, or numbers."""

    title: str
    summary: str
    is_bars: bool
    series: Sequence[Series]
    grid: str
    y_labels: Sequence[str]  # from above
    x_labels: Sequence[str]
    has_all_labels: bool
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class Scale(NamedTuple):
    """The y axis: from `low` to `high` in equal steps."""

    low: float
    high: float
    steps: int

    def y(self, value: float) -> int:
        """Return the height of a value, in the box's own units from above."""
        return floor(HEIGHT * (self.high - value) / (self.high - self.low) + 0.5)

    def marks(self) -> list[float]:
        """Return where the lines of the grid are, from above."""
        step = (self.high - self.low) / self.steps
        return [self.high - place * step for place in range(self.steps + 1)]


def draw(value: Any) -> DrawnPlot | None:
    """Return a stored plot as it is drawn; None for what is none, or has no number in it."""
    if not _is_plot(value):
        return None
    series: Mapping[str, Numbers] = value["series"]
    known = [number for line in series.values() for number in line if number is not None]
    if not known:
        return None
    is_bars = value["kind"] == "bar"
    length = len(next(iter(series.values())))
    places = value["x"] or list(range(1, length + 1))
    is_axis = not is_bars and all(map(is_number, places))  # of numbers, each where it belongs
    has_all_labels = not is_axis and length <= MAX_LABELS
    ends = [min(places), max(places)] if is_axis else [places[0], places[-1]]
    scale = _scale([0, *known] if is_bars else known)
    across = _positions(places) if is_axis else _centres(length)
    paths = [
        _bars(line, scale, place, len(series)) if is_bars else _line(line, scale, across)
        for place, line in enumerate(series.values())
    ]
    return DrawnPlot(
        value["title"],
        _summary(series, length),
        is_bars,
        [Series(name, path) for name, path in zip(series, paths, strict=True)],
        "".join(f"M0 {scale.y(mark)}H{WIDTH}" for mark in scale.marks()),
        [_text(mark) for mark in scale.marks()],
        [_text(place) for place in (places if has_all_labels else ends)],
        has_all_labels,
        ["", *(name or Sentence("Value") for name in series)],
        [[_text(one) for one in row] for row in zip(places, *series.values(), strict=True)],
    )


def _is_plot(value: Any) -> bool:
    """Whether a value is a plot as `headway.Plot` makes it: what lies in Redis may be damaged."""
    match value:
        case {"kind": "line" | "bar", "title": str(), "x": x, "series": dict() as series}:
            lines = list(series.values())
        case _:
            return False
    if not 0 < len(lines) <= MAX_SERIES or not all(isinstance(line, list) for line in lines):
        return False
    places = lines[0] if x is None else x
    length = len(lines[0])
    return (
        0 < length <= MAX_POINTS
        and isinstance(places, list)
        and {len(line) for line in [*lines, places]} == {length}
        and all(one is None or _is_drawable(one) for line in lines for one in line)
        and (x is None or all(isinstance(one, str) or _is_drawable(one) for one in x))
    )


def _is_drawable(value: Any) -> bool:
    return is_number(value) and abs(value) <= MAX_NUMBER


def _scale(values: Sequence[float]) -> Scale:
    """Return an axis that has all the values, between multiples of a round number."""
    low = min(values)
    high = max(values)
    span = high - low
    if span <= SAME * abs(high):  # its steps would be lost in the values' own digits
        span = 0.0
    step = _round_step(max(MIN_STEP, span / STEPS or abs(high) / STEPS or 1.0))
    first = floor(low / step)
    last = max(ceil(high / step), first + 1)
    return Scale(first * step, last * step, last - first)


def _round_step(least: float) -> float:
    """Return the next 1, 2 or 5 times a power of ten."""
    power: float = 10.0 ** floor(log10(least))
    return next((n * power for n in (1, 2, 5) if n * power >= least), 10 * power)


def _positions(places: Sequence[float]) -> list[int]:
    low = min(places)
    span = max(places) - low
    return [floor(WIDTH * (place - low) / span + 0.5) if span else WIDTH // 2 for place in places]


def _centres(count: int) -> list[int]:
    return [floor(WIDTH * (place + 0.5) / count + 0.5) for place in range(count)]


def _line(values: Numbers, scale: Scale, across: Sequence[int]) -> str:
    """Return a path through the values; one between two gaps is a dash."""
    path = []
    is_open = False
    for x, value, following in zip(across, values, [*values[1:], None], strict=True):
        if value is not None:
            path.append(f"{'L' if is_open else 'M'}{x} {scale.y(value)}")
            if not is_open and following is None:
                path.append("m-4 0h8")
        is_open = value is not None
    return "".join(path)


def _bars(values: Numbers, scale: Scale, number: int, count: int) -> str:
    """Return a path around the bars of a series, the `number`th of so many that stand together."""
    slot = WIDTH / len(values)
    wide = slot * BAR_SHARE / count
    ground = scale.y(0)
    path = []
    for place, value in enumerate(values):
        if value is not None:
            left = slot * (place + (1 - BAR_SHARE) / 2) + wide * number
            path.append(f"M{left:.1f} {ground}V{scale.y(value)}h{wide:.1f}V{ground}Z")
    return "".join(path)


def _summary(series: Mapping[str, Numbers], length: int) -> str:
    """Say in words what is to be seen."""
    said = []
    for name, line in series.items():
        known = [number for number in line if number is not None]
        reach = f"{_text(min(known))} to {_text(max(known))}" if known else "nothing"
        said.append(f"{name}: {reach}" if name else reach)
    places = "1 place" if length == 1 else f"{length} places"
    return f"{', '.join(said)}, at {places}"


def _text(value: float | str | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.12g}"
