"""Finds the run that the calling thread or coroutine belongs to.

A coroutine has a copy of the context that started it. A thread has an empty one, so it is given
the run when it is started, as is work that is submitted to a pool of threads. A thread of unknown
origin (started by a C library or `multiprocessing.pool.ThreadPool`) belongs to the only run of its
process, unless the process ever had two at once. So nothing is ever counted in another run.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache, partial, update_wrapper, wraps
from typing import Any, TypeVar

from headway.bars import Section
from headway.store.model import Outcome

T = TypeVar("T")


class Stopped(BaseException):
    """Ends a run that must not go on: it has been cancelled, or another one has taken over.

    The calls of `progress` raise it. It is not an Exception, so a task's own `except Exception`
    lets it pass.
    """

    def __init__(self, outcome: Outcome) -> None:
        """`outcome` is the record's, see `RunRecords.write`."""
        super().__init__(outcome)
        self.outcome = outcome


class Run:
    """One run of a task's body."""

    is_child = False  # whether it is another process's, for which this one reports

    def __init__(self, task: Any, request: Any) -> None:
        self.task = task
        self.request = request
        self.task_id: str = request.id
        # The open sections, in the order in which they began: the run itself, its steps and loops.
        self.sections = [Section(run=self)]
        # The ProgressBuffer of `headway.progress`; None before its first report.
        self.buffer: Any = None
        self.sender: Any = None  # the ProgressSender of that, likewise
        self.checkpoint: Any = None  # the Checkpoint of `headway.progress`, likewise
        self.streams: Any = None  # its RunStreams; None before the first one
        self.report_sender: Any = None  # the ReportSender of `update_state`
        self.relay: Any = None  # the Relay of its child processes, once a function is bound
        self.captured: Any = None  # the Captured of `headway.capture`, while output is captured
        # The Retry or Ignore that it has to end with, once its task has been handed over.
        self.successor: Any = None
        # Of `progress.once`: a lock for each name, and the names of the effects under way that
        # nobody could look up if the run ended within them.
        self.effects: dict[str, threading.RLock] = {}
        self.must_finish: set[str] = set()
        self.origin: Any = None  # of the programs that it starts; None where that is unknown
        self.lock = threading.Lock()
        self.has_ended = False
        # Why it has to end, once it does.
        self._outcome: Outcome | None = None
        self._has_raised = False

    def open(self, section: Section) -> None:
        """Let a section be counted in."""
        section.is_open = True
        if self._outcome or self.has_ended:  # another thread may have set them meanwhile
            section.is_open = False

    def stop(self, outcome: Outcome) -> None:
        """Note why it has to end; its next report raises that."""
        self._outcome = outcome
        self._close()

    @property
    def must_stay(self) -> bool:
        """Whether no save may end it: it has a next attempt, or is within an effect."""
        return self.successor is not None or bool(self.must_finish)

    def check(self) -> None:
        """Raise Stopped if it has to end."""
        if self._outcome:
            self._has_raised = True
            raise Stopped(self._outcome)

    def check_raised(self) -> None:
        """Raise Stopped if it stopped a thread or coroutine: the result lacks their part."""
        if self._outcome and self._has_raised:
            raise Stopped(self._outcome)

    def end(self) -> None:
        """Note that the body has returned; reports of threads that outlive it are ignored."""
        self.has_ended = True
        self._close()

    def _close(self) -> None:
        for section in tuple(self.sections):
            section.is_open = False


UNKNOWN = Section()  # the place of a thread of unknown origin
NOWHERE = Section()  # the place of an eager task: it has no record, even inside a run
HERE: ContextVar[Section] = ContextVar("here", default=UNKNOWN)


class _Process:
    """The runs of this process."""

    def __init__(self) -> None:
        self.runs: set[Run] = set()
        self.had_two = False  # at once

    def add(self, run: Run) -> None:
        self.runs.add(run)
        self.had_two = self.had_two or len(self.runs) > 1

    def only(self) -> Run | None:
        runs = tuple(self.runs)
        return runs[0] if len(runs) == 1 and not self.had_two else None


_process = _Process()


def present() -> Run | None:
    """Return the run that the caller belongs to; None outside of runs and after the run's end."""
    here = HERE.get()
    if here is UNKNOWN:
        return _process.only()
    run: Run | None = here.run
    return None if run is None or run.has_ended else run


def here(run: Run) -> Section:
    """Return the innermost section of the run that the caller is in."""
    section = HERE.get()
    if section.run is not run:
        return run.sections[-1]
    while section.has_ended and section.parent:
        section = section.parent
    return section


def of_this_process() -> tuple[Run, ...]:
    """Return the runs of this process."""
    return tuple(_process.runs)


def speaks_late(task_id: str) -> bool:
    """Whether the caller belongs to a run of this task that has ended."""
    run: Run | None = HERE.get().run
    return run is not None and run.has_ended and run.task_id == task_id


@contextmanager
def within(run: Run) -> Iterator[None]:
    """Make the block, and what it starts, belong to a run."""
    _follow_threads()
    before = HERE.set(run.sections[0])
    _process.add(run)
    try:
        yield
    finally:
        _process.runs.discard(run)
        HERE.reset(before)


@contextmanager
def outside() -> Iterator[None]:
    """Make the block belong to no run."""
    before = HERE.set(NOWHERE)
    try:
        yield
    finally:
        HERE.reset(before)


def detached(function: Callable[..., T]) -> T:
    """Call a function outside of any run, for example to start a thread that serves all runs."""
    return call_in(UNKNOWN, function)


def bind(function: Callable[..., T]) -> Callable[..., T]:
    """Return the function bound to the caller's run, wherever it is called."""
    return update_wrapper(partial(call_in, HERE.get(), function), function)


def call_in(section: Section, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Call a function in a section of a run."""
    before = HERE.set(section)
    try:
        return function(*args, **kwargs)
    finally:
        HERE.reset(before)


@cache
def _follow_threads() -> None:
    """Make threads, and the work of pools, belong to the run that starts or submits them."""
    start = threading.Thread.start
    submit: Callable[..., Any] = ThreadPoolExecutor.submit

    @wraps(start)
    def start_in_run(self: threading.Thread) -> None:
        section = HERE.get()
        if section is not UNKNOWN and self.ident is None:
            self.run = partial(_run_thread, section, self, self.run)  # type: ignore[method-assign]
        start(self)

    @wraps(submit)
    def submit_in_run(
        self: ThreadPoolExecutor, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        section = HERE.get()
        if section is UNKNOWN:
            return submit(self, function, *args, **kwargs)
        work = partial(call_in, section, function)
        # The pool's threads belong to no run.
        return detached(partial(submit, self, work, *args, **kwargs))

    for owner, name, function in (
        (threading.Thread, "start", start_in_run),
        (ThreadPoolExecutor, "submit", submit_in_run),
    ):
        setattr(owner, name, function)


def _run_thread(section: Section, thread: threading.Thread, body: Callable[[], None]) -> None:
    del thread.run  # it would keep itself alive
    HERE.set(section)
    with suppress(Stopped):  # its run ends, which is no error
        body()


def _forget_runs() -> None:
    """End the parent's runs in a forked process, which lacks their threads."""
    for run in tuple(_process.runs):
        run.end()
    _process.runs.clear()


os.register_at_fork(after_in_child=_forget_runs)
