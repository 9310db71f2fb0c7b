"""Reduces the nested sections of a run to what is shown: one bar, and the step beside it.

The sections of a run are nested: the run itself, its steps, its loops. The outermost one that
counts is the bar. For steps with an index and a count, the bar is all of them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from headway.shapes import Step

ROUNDING = 1e-9  # ten times 0.1 is no more than 1


def sensible(current: float, total: float | None) -> tuple[float, float | None] | None:
    """Return `(current, total)` as it is shown; None if it makes no sense (15 of 10).

    A total of 0 means that the total is unknown.
    """
    total = total or None
    if total is None:
        return (current, total) if current >= 0 else None
    return (min(current, total), total) if 0 <= current <= total * (1 + ROUNDING) else None


def scaled(index: int, count: int, current: float, total: float | None) -> tuple[float, int]:
    """Return `(current, total)` of a task in steps, from those of its step `index` of `count`."""
    return round(index - 1 + (current / total if total else 0), 9), count


def place(index: float | None, count: float | None) -> tuple[int | None, int | None]:
    """Return a step's index and count as integers; neither if they make no sense (4 of 3)."""
    if index is not None and not 1 <= index <= (count or index):
        return None, None
    return None if index is None else int(index), None if count is None else int(count)


class Section:
    """A section of a run, with its own `current` and `total` (None while unknown)."""

    __slots__ = (
        "_honest",
        "count",
        "current",
        "has_ended",
        "index",
        "is_loop",
        "is_open",
        "is_step",
        "loop",
        "name",
        "parent",
        "run",
        "total",
    )

    def __init__(
        self,
        name: str = "",
        total: float | None = None,
        *,
        parent: Section | None = None,
        run: Any = None,
        is_loop: bool = False,
        is_step: bool = False,
        index: float | None = None,
        count: float | None = None,
    ) -> None:
        self.name = name
        self.current: float = 0
        self.total = total
        self.parent = parent
        self.run: Any = parent.run if parent else run
        self.is_loop = is_loop
        self.loop: Any = None  # the resumable loop that it shows
        self.is_step = is_step
        self.index, self.count = place(index, count)
        self.is_open = False  # whether it may be advanced without checking its run first
        self.has_ended = False
        self._honest: tuple[float, float | None] = (0, None)

    @property
    def lineage(self) -> list[Section]:
        """The sections that contain this one, outermost first, and itself; none that has ended."""
        above = self.parent.lineage if self.parent else []
        return above if self.has_ended else [*above, self]

    @property
    def is_numbered(self) -> bool:
        """Whether it is a step with an index and a count."""
        return self.index is not None and self.count is not None

    @property
    def has_numbers(self) -> bool:
        """Whether it has numbers of its own to show."""
        return self.is_loop or self.current != 0 or self.total is not None

    @property
    def is_bar(self) -> bool:
        return self.has_numbers or self.is_numbered

    @property
    def numbers(self) -> tuple[float, float | None]:
        """Its `(current, total)`, or the last pair that made sense (15 of 10 makes none)."""
        self._honest = sensible(self.current, self.total) or self._honest
        return self._honest

    def complete(self) -> None:
        """Count it as done."""
        self.total = self.total or 1
        self.current = self.total


class Shown(NamedTuple):
    """The progress that a snapshot holds, and the section that is the bar."""

    current: float
    total: float | None
    step: Step | None
    bar: Section


def shown(sections: Sequence[Section]) -> Shown:
    """Return what a run shows in these sections: one at least, nested, outermost first."""
    bars = [section for section in sections if section.is_bar]
    if not bars:
        return Shown(0, None, _step(sections, bars), sections[-1])
    return Shown(*_numbers(bars), _step(sections, bars), bars[0])


def _numbers(bars: Sequence[Section]) -> tuple[float, float | None]:
    """Return the numbers of the outermost bar, scaled over all steps if it is a numbered step."""
    current, total = _own(bars)
    index = bars[0].index
    count = bars[0].count
    return (
        (current, total) if index is None or count is None else scaled(index, count, current, total)
    )


def _own(bars: Sequence[Section]) -> tuple[float, float | None]:
    """Return the outermost bar's own numbers; a step without any has those of its inner bars."""
    outermost, *inner = bars
    return outermost.numbers if outermost.has_numbers or not inner else _numbers(inner)


def _step(sections: Sequence[Section], bars: Sequence[Section]) -> Step | None:
    steps = [section for section in sections if section.is_step]
    # Beside the bar stands its own step, or the next section that counts.
    beside = bars if bars and (bars[0].is_numbered or len(bars) == 1) else bars[1:]
    if not steps and len(bars) < 2:
        return None
    of = beside[0] if beside and beside[0].is_numbered else steps[-1] if steps else beside[0]
    current, total = _own(beside) if beside else (0, None)
    return {
        "index": of.index,
        "count": of.count,
        "name": of.name,
        "current": current,
        "total": total,
    }


class Display:
    """What a run shows: the bar of its current sections, or the last one if all have ended."""

    def __init__(self, sections: list[Section]) -> None:
        """Set up over the run's list of its sections, itself first, which others change."""
        self._sections = sections
        self._base = sections[0]
        self._last: Section | None = None
        self._base_then: tuple[float, float | None] = (0, None)  # the run's, as the last bar ended
        self._bar = self._base
        self._number = 0

    def keep_last(self, section: Section) -> None:
        """Keep showing a bar that ends, until there is another or the run itself advances."""
        self._last = section
        self._base_then = (self._base.current, self._base.total)

    def forget_last(self) -> None:
        """Stop showing the bar that has ended."""
        self._last = None

    def seen(self) -> tuple[Shown, int]:
        """Return what is shown now and the number of its bar, which grows with each new bar."""
        seen = self._shown()
        if seen.bar is not self._bar:
            self._bar = seen.bar
            self._number += 1
        return seen, self._number

    def _shown(self) -> Shown:
        """Return what is shown: of the section begun first, and the one in it begun last."""
        sections = self._sections[1:]
        chain = []
        if sections:
            chain = next(
                section.lineage for section in reversed(sections) if sections[0] in section.lineage
            )[1:]
        if any(section.is_bar for section in chain) or (chain and not self._last):
            return shown(chain)
        has_spoken = not chain and (self._base.current, self._base.total) != self._base_then
        if has_spoken or not self._last:
            return shown([self._base])
        return shown([self._last])._replace(step=shown(chain).step if chain else None)
