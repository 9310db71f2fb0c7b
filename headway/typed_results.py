"""What a task's author says that a result is: Markdown, an image, a plot.

Each is plain data of its own, a text or a dict, so that it is JSON for every client; that it is
more than that is noted beside it, for the task's page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from headway.files.types import is_file_name
from headway.values import as_number, as_text

MAX_POINTS = 1000  # of a line, or bars
MAX_SERIES = 6
MAX_NAME_CHARS = 100  # of a series, or of a place on the x axis
MAX_ALT_CHARS = 500


class Markdown(str):
    """A text in Markdown, as a result: its task's page shows it formatted.

    Tables and ~~struck out~~ texts are known beside CommonMark; HTML in it stays text. The names of
    files that the task gives out may stand for addresses, of links and of images.
    """

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)  # a reader of a pickle may lack Headway


class Image(dict[str, Any]):
    """A picture, as a result: `Image("sales.png", alt="Sales by month")`.

    It is a file that the task has given out by `progress.file`, a PNG, JPEG, WebP or GIF of at most
    5 MiB; `alt` says what is to be seen in it. As JSON it is an object. Raises ValueError for what
    is no name of a file.
    """

    def __init__(self, file: str, alt: str = "") -> None:
        if not is_file_name(file):
            raise ValueError(f"{file!r} is no name of a file.")
        super().__init__(file=file, alt=as_text(alt, MAX_ALT_CHARS) or "")

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (dict(self),)


class Plot(dict[str, Any]):
    """Numbers, as a result that is drawn: `Plot({"2025": [3, 5], "2026": [4, 8]}, ["Jan", "Feb"])`.

    The first argument has numbers, or up to 6 series of them by name; None and NaN are gaps. `x`
    has as many numbers, or anything else with a text; without it they are counted from 1. `kind` is
    "line" or "bar", and `title` stands above. As JSON it is an object with `kind`, `title`, `x` and
    `series`. Raises ValueError for what is no number, for different lengths, and for none or more
    than 1,000 numbers of a series.
    """

    def __init__(
        self,
        series: Mapping[str, Iterable[Any]] | Iterable[Any],
        x: Iterable[Any] | None = None,
        *,
        kind: Literal["line", "bar"] = "line",
        title: str = "",
    ) -> None:
        if kind not in ("line", "bar"):
            raise ValueError(f"A plot has the kind line or bar, not {kind!r}.")
        named = series if isinstance(series, Mapping) else {"": series}
        if not 0 < len(named) <= MAX_SERIES:
            raise ValueError(f"A plot has 1 to {MAX_SERIES} series, not {len(named)}.")
        lines = {_label(name): _numbers(values) for name, values in named.items()}
        if len(lines) < len(named):
            raise ValueError(f"Two series of a plot have the name {_doubled(named)!r}.")
        places = None if x is None else _places(list(x))
        lengths = {len(line) for line in [*lines.values(), *([] if places is None else [places])]}
        if len(lengths) > 1:
            raise ValueError(f"The series and x have different lengths: {sorted(lengths)}.")
        if not 0 < max(lengths) <= MAX_POINTS:
            raise ValueError(f"A plot has 1 to {MAX_POINTS} places, not {max(lengths)}.")
        super().__init__(kind=kind, title=_label(title), x=places, series=lines)

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (dict(self),)


KINDS: Mapping[type, str] = {Markdown: "markdown", Image: "image", Plot: "plot"}


def kind_of(value: Any) -> str:
    """Return the word for what a result says that it is; "" for any other."""
    return KINDS.get(type(value), "")


def _doubled(names: Iterable[Any]) -> str:
    """Return the name that stands for several series: "1" for 1 too, or cut to its beginning."""
    [(name, _), *_] = Counter(map(_label, names)).most_common()
    return name


def _numbers(values: Iterable[Any]) -> list[float | None]:
    return [_number(value) for value in values]


def _number(value: Any) -> float | None:
    number = as_number(value)
    if number is None and value is not None and value == value:  # NaN is not itself
        raise ValueError(f"{value!r} is no number that can be drawn.")
    return number


def _places(values: Sequence[Any]) -> list[float] | list[str]:
    numbers = [as_number(value) for value in values if not isinstance(value, str)]
    known = [number for number in numbers if number is not None]
    return known if len(known) == len(values) else [_label(value) for value in values]


def _label(value: Any) -> str:
    return as_text(value, MAX_NAME_CHARS) or ""
