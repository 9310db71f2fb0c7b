"""Shows the bars of other libraries as parts of the run in which they were made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from headway.bars import Part
from headway.capture.captured import Captured, captured
from headway.celery.run.report import UNSET
from headway.celery.run.reporting import enter, find, leave
from headway.snapshot import MAX_READ_CHARS, one_line
from headway.values import as_number, as_text

T = TypeVar("T")


class Bar:
    """Another library's bar, as a loop of its run: nested in the loops that are open by then."""

    def __init__(
        self, around: Part, name: Any, current: Any, total: Any, owner: Captured | None = None
    ) -> None:
        self._part = Part(_text(name), as_number(total), parent=around, is_loop=True)
        self._part.current = as_number(current) or 0
        self._name = name
        self._owner = owner
        if owner is not None:
            owner.bars.add(self)
        enter(self._part)

    @property
    def current(self) -> float:
        """How far it is."""
        return self._part.current

    def show(self, name: Any, current: Any, total: Any) -> None:
        """Show these values, as far as they make sense."""
        part = self._part
        if part.has_ended or part.run.has_ended:
            return
        number = as_number(current)
        if total == part.total:
            part.current = part.current if number is None else number
        else:
            number = UNSET if number is None else number
            part.run.report.say(part, number, as_number(total))
        if name != self._name:
            self._name = name
            self._rename(_text(name))

    def check(self) -> None:
        """Raise Stopped if the run has to end."""
        if not self._part.is_open and not self._part.run.has_ended:
            self._part.run.check()

    def counted(self, items: Iterator[T]) -> Iterator[T]:
        """Yield from an iterator, and count its items one by one."""
        part = self._part
        for item in items:
            yield item
            if not part.is_open:
                self.check()
            part.current += 1

    def close(self) -> None:
        """End the bar; it stays on show until there is another."""
        if self._owner is not None:
            self._owner.bars.discard(self)
        part = self._part
        if part.has_ended:
            return
        was_outermost = self._is_outermost
        leave(part)
        next_bar = next((other for other in part.run.parts if other.is_loop), None)
        if was_outermost and next_bar is not None and not part.run.has_ended:
            part.run.report.say(next_bar, status=next_bar.name)

    def _rename(self, name: str) -> None:
        self._part.name = name
        if self._is_outermost:
            self._part.run.report.say(self._part, status=name)

    @property
    def _is_outermost(self) -> bool:
        return not any(other.is_loop for other in self._part.lineage[:-1])


def new_bar(name: Any, current: Any, total: Any) -> Bar | None:
    """Begin a bar of the caller's run, None where it is not captured. Raises Stopped."""
    owner = captured()
    around = find() if owner is not None else None
    return Bar(around, name, current, total, owner) if owner is not None and around else None


def _text(name: Any) -> str:
    return one_line(as_text(name, MAX_READ_CHARS) or "")
