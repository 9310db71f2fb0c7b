"""Finds the section of a run that its code is in, and begins and ends such sections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from headway.bars import Section
from headway.celery.run import runs
from headway.celery.run.checkpoint import Checkpoint
from headway.celery.run.progress_buffer import ProgressBuffer
from headway.celery.run.progress_sender import FLUSHER, ProgressSender
from headway.celery.run.runs import HERE, Run


def find() -> Section | None:
    """Return the section of its run that the caller is in, None outside a task. Raises Stopped."""
    run = runs.present()
    if run is None:
        return None
    run.check()
    if run.buffer is None:
        _begin(run)
    return runs.here(run)


@contextmanager
def inside(section: Section) -> Iterator[None]:
    """Run the block, in this thread or coroutine, in a section of its run."""
    enter(section)
    try:
        yield
    except GeneratorExit:  # a loop was left early
        leave(section)
        raise
    except BaseException:
        leave(section, has_failed=True)
        raise
    else:
        leave(section)


def enter(section: Section) -> None:
    """Begin a section of the caller's run, in this thread or coroutine."""
    section.run.buffer.enter(section)
    HERE.set(section)


def leave(section: Section, *, has_failed: bool = False) -> None:
    """End a section, maybe in another thread than it began in, or after one that began in it."""
    if section.run.relay is not None:
        section.run.relay.catch_up(section)
    try:
        section.run.buffer.leave(section, has_failed=has_failed)
    finally:
        if HERE.get().run is section.run:
            HERE.set(runs.here(section.run))


def _begin(run: Run) -> None:
    """Start buffering and sending a run's reports."""
    with run.lock:
        if run.buffer is None:
            run.checkpoint = Checkpoint(run)
            buffer = ProgressBuffer(run)
            run.sender = ProgressSender(run, buffer)
            run.buffer = buffer  # last: another thread takes it for the sign that all is there
            run.open(run.sections[0])
            FLUSHER.add(run.sender)
