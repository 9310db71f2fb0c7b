"""Counts the items of a loop as they are done, and goes on where an earlier run left it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from headway.bars import Section
from headway.celery.run.loops import MAX_CURSOR_BYTES, loop_around
from headway.celery.run.report_values import name_of
from headway.celery.run.sections import find, inside
from headway.json_values import encoded
from headway.values import as_number, length_of

T = TypeVar("T")


def track(
    iterable: Iterable[T] | Callable[[Any], Iterable[T]],
    status: str,
    total: float | None,
    resume: bool,
    resume_from: Callable[[T], Any] | None,
) -> Iterator[T]:
    """Yield the items of a loop; see `headway.progress.track`."""
    if resume and callable(iterable) and resume_from is None:
        raise TypeError("A loop over a function of the last key needs resume_from=, not resume=.")
    around = find()
    if around is None:
        yield from iterable(None) if callable(iterable) else iterable
        return
    loop = None
    if resume or resume_from:
        loop = around.run.checkpoint.loop(name_of(status), loop_around(around))
    if callable(iterable):
        items: Iterable[T] = iterable(loop.last if loop else None)
    else:
        items = loop.rest(iterable) if loop else iterable
    total = length_of(iterable) if total is None else as_number(total)
    section = Section(name_of(status), total, parent=around, is_loop=True)
    if loop is not None:
        section.loop = loop
        section.current = loop.done
    with inside(section):
        for item in items:
            yield item
            if not section.is_open:
                section.run.check()
            section.current += 1
            if loop is not None:
                _advance(section, resume_from(item) if resume_from else None)


def _advance(section: Section, key: Any) -> None:
    """Count an item of a resumable loop as done, and store it if that is due."""
    cursor = encoded(key, MAX_CURSOR_BYTES, "What resume_from returns")
    if section.run.checkpoint.advance(section.loop, cursor):
        section.run.sender.save()
    else:
        section.run.sender.save_if_due()
