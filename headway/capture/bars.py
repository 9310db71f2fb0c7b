"""Shows the bars of other libraries as sections of the run in which they were made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from headway.bars import Section
from headway.capture.captured import Captured, captured
from headway.celery.run.progress_buffer import UNSET
from headway.celery.run.sections import enter, find, leave
from headway.snapshot import MAX_READ_CHARS, one_line
from headway.values import as_number, as_text

T = TypeVar("T")


class Bar:
    """Another library's bar, as a loop of its run: nested in the loops that are open by then."""

    def __init__(
        self, around: Section, name: Any, current: Any, total: Any, owner: Captured | None = None
    ) -> None:
        self._section = Section(_text(name), as_number(total), parent=around, is_loop=True)
        self._section.current = as_number(current) or 0
        self._name = name
        self._owner = owner
        if owner is not None:
            owner.bars.add(self)
        enter(self._section)

    @property
    def current(self) -> float:
        """How far it is."""
        return self._section.current

    def show(self, name: Any, current: Any, total: Any) -> None:
        """Show these values, as far as they make sense."""
        section = self._section
        if section.has_ended or section.run.has_ended:
            return
        number = as_number(current)
        if total == section.total:
            section.current = section.current if number is None else number
        else:
            number = UNSET if number is None else number
            section.run.buffer.say(section, number, as_number(total))
        if name != self._name:
            self._name = name
            self._rename(_text(name))

    def check(self) -> None:
        """Raise Stopped if the run has to end."""
        if not self._section.is_open and not self._section.run.has_ended:
            self._section.run.check()

    def counted(self, items: Iterator[T]) -> Iterator[T]:
        """Yield from an iterator, and count its items one by one."""
        section = self._section
        for item in items:
            yield item
            if not section.is_open:
                self.check()
            section.current += 1

    def close(self) -> None:
        """End the bar; it stays on show until there is another."""
        if self._owner is not None:
            self._owner.bars.discard(self)
        section = self._section
        if section.has_ended:
            return
        was_outermost = self._is_outermost
        leave(section)
        next_bar = next((other for other in section.run.sections if other.is_loop), None)
        if was_outermost and next_bar is not None and not section.run.has_ended:
            section.run.buffer.say(next_bar, status=next_bar.name)

    def _rename(self, name: str) -> None:
        self._section.name = name
        if self._is_outermost:
            self._section.run.buffer.say(self._section, status=name)

    @property
    def _is_outermost(self) -> bool:
        return not any(other.is_loop for other in self._section.lineage[:-1])


def new_bar(name: Any, current: Any, total: Any) -> Bar | None:
    """Begin a bar of the caller's run, None where it is not captured. Raises Stopped."""
    owner = captured()
    around = find() if owner is not None else None
    return Bar(around, name, current, total, owner) if owner is not None and around else None


def _text(name: Any) -> str:
    return one_line(as_text(name, MAX_READ_CHARS) or "")
