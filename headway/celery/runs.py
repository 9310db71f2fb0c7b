"""Which run is speaking: a run is known to the threads and coroutines that it starts.

A coroutine has a copy of the context of what started it. A thread has an empty one, so it is given
the run as it is started, and so is what is handed to a pool of threads. A thread of which nothing
is known (a library in C has started it, or `multiprocessing.pool.ThreadPool`) speaks for the one
run of its process, unless that ever had two at once. None ever counts in another run.
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

from headway.bars import Part

T = TypeVar("T")


class Stopped(BaseException):
    """Ends a run that must not go on: it has been cancelled, or another one has taken over.

    No Exception, so that a task's own `except Exception` lets it pass. `verdict` is the record's,
    see `RunRecords.write`.
    """

    def __init__(self, verdict: str) -> None:
        super().__init__(verdict)
        self.verdict = verdict


class Run:
    """One run of a task's body."""

    def __init__(self, task: Any, request: Any) -> None:
        self.task = task
        self.request = request
        self.task_id: str = request.id
        # That it is in, in the order in which they began: itself, its steps and loops.
        self.parts = [Part(run=self)]
        # what it has said by `headway.progress`; None before its first word
        self.report: Any = None
        self.report_pipeline: Any = None  # what it says by `update_state`
        # The Retry or Ignore that it ends with, since its task has been handed over.
        self.successor: Any = None
        self.origin: Any = None  # of the programs that it starts, where that can be told
        self.lock = threading.Lock()
        self.has_ended = False
        self._verdict = ""
        self._was_told = False

    def open(self, part: Part) -> None:
        """Have a part be counted in."""
        part.is_open = True
        if self._verdict or self.has_ended:  # also by another thread meanwhile
            part.is_open = False

    def stop(self, verdict: str) -> None:
        """Note why it has to end; its next word will raise that."""
        self._verdict = verdict
        self._close()

    def check(self) -> None:
        """Raise Stopped when it has to end."""
        if self._verdict:
            self._was_told = True
            raise Stopped(self._verdict)

    def check_told(self) -> None:
        """Raise Stopped if it stopped any thread or coroutine: the result lacks their part."""
        if self._was_told:
            raise Stopped(self._verdict)

    def end(self) -> None:
        """Note that the body has returned; a thread that outlives it is not listened to."""
        self.has_ended = True
        self._close()

    def _close(self) -> None:
        for part in tuple(self.parts):
            part.is_open = False


UNKNOWN = Part()  # where a thread is of which nothing is known
NOWHERE = Part()  # where an eager task is: it has no record, whatever runs around it
HERE: ContextVar[Part] = ContextVar("here", default=UNKNOWN)


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
    """Return the run that the caller belongs to; None outside of one, and after its end."""
    here = HERE.get()
    if here is UNKNOWN:
        return _process.only()
    run: Run | None = here.run
    return None if run is None or run.has_ended else run


def here(run: Run) -> Part:
    """Return the innermost part of its run in which the caller is."""
    part = HERE.get()
    if part.run is not run:
        return run.parts[-1]
    while part.has_ended and part.parent:
        part = part.parent
    return part


def speaks_late(task_id: str) -> bool:
    """Whether the caller belongs to a run of this task that has ended."""
    run: Run | None = HERE.get().run
    return run is not None and run.has_ended and run.task_id == task_id


@contextmanager
def within(run: Run) -> Iterator[None]:
    """Have the block, and what it starts, belong to a run."""
    _follow_threads()
    before = HERE.set(run.parts[0])
    _process.add(run)
    try:
        yield
    finally:
        _process.runs.discard(run)
        HERE.reset(before)


@contextmanager
def outside() -> Iterator[None]:
    """Have the block belong to no run."""
    before = HERE.set(NOWHERE)
    try:
        yield
    finally:
        HERE.reset(before)


def detached(function: Callable[..., T]) -> T:
    """Call a function outside of any run, such as one that starts a thread for all runs."""
    return _call_in(UNKNOWN, function)


def bind(function: Callable[..., T]) -> Callable[..., T]:
    """Return a function that belongs to the caller's run, wherever it is called."""
    return update_wrapper(partial(_call_in, HERE.get(), function), function)


def _call_in(part: Part, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    before = HERE.set(part)
    try:
        return function(*args, **kwargs)
    finally:
        HERE.reset(before)


@cache
def _follow_threads() -> None:
    """Have threads, and the work of pools, belong to the run that starts or submits them."""
    start = threading.Thread.start
    submit: Callable[..., Any] = ThreadPoolExecutor.submit

    @wraps(start)
    def start_in_run(self: threading.Thread) -> None:
        part = HERE.get()
        if part is not UNKNOWN and self.ident is None:
            self.run = partial(_run_thread, part, self, self.run)  # type: ignore[method-assign]
        start(self)

    @wraps(submit)
    def submit_in_run(
        self: ThreadPoolExecutor, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        part = HERE.get()
        if part is UNKNOWN:
            return submit(self, function, *args, **kwargs)
        work = partial(_call_in, part, function)
        # The pool's threads belong to no run.
        return detached(partial(submit, self, work, *args, **kwargs))

    for owner, name, function in (
        (threading.Thread, "start", start_in_run),
        (ThreadPoolExecutor, "submit", submit_in_run),
    ):
        setattr(owner, name, function)


def _run_thread(part: Part, thread: threading.Thread, body: Callable[[], None]) -> None:
    del thread.run  # it would hold itself
    HERE.set(part)
    with suppress(Stopped):  # its run ends, which is no error
        body()


def _forget_runs() -> None:
    """Have a forked process speak for none of its parent's runs: it lacks their threads."""
    for run in tuple(_process.runs):
        run.end()
    _process.runs.clear()


os.register_at_fork(after_in_child=_forget_runs)
