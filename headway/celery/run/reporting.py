"""Finds the part of a run that its code is in, and begins and ends such parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from headway.bars import Part
from headway.celery.run import runs
from headway.celery.run.checkpoint import Checkpoint
from headway.celery.run.progress_sender import FLUSHER, ProgressSender
from headway.celery.run.report import ProgressBuffer
from headway.celery.run.runs import HERE, Run


def find() -> Part | None:
    """Return the part of its run that the caller is in, None outside a task. Raises Stopped."""
    run = runs.present()
    if run is None:
        return None
    run.check()
    if run.report is None:
        _begin(run)
    return runs.here(run)


@contextmanager
def inside(part: Part) -> Iterator[None]:
    """Run the block, in this thread or coroutine, in a part of its run."""
    enter(part)
    try:
        yield
    except GeneratorExit:  # a loop was left early
        leave(part)
        raise
    except BaseException:
        leave(part, has_failed=True)
        raise
    else:
        leave(part)


def enter(part: Part) -> None:
    """Begin a part of the caller's run, in this thread or coroutine."""
    part.run.report.enter(part)
    HERE.set(part)


def leave(part: Part, *, has_failed: bool = False) -> None:
    """End a part, maybe in another thread than it began in, and after a part that began in it."""
    if part.run.relay is not None:
        part.run.relay.catch_up(part)
    try:
        part.run.report.leave(part, has_failed=has_failed)
    finally:
        if HERE.get().run is part.run:
            HERE.set(runs.here(part.run))


def _begin(run: Run) -> None:
    """Start buffering and sending a run's reports."""
    with run.lock:
        if run.report is None:
            run.checkpoint = Checkpoint(run)
            report = ProgressBuffer(run)
            run.sender = ProgressSender(run, report)
            run.report = report  # last: another thread takes it for the sign that all is there
            run.open(run.parts[0])
            FLUSHER.add(run.sender)
