"""Kills the programs that a task's run has started, when the run is broken off.

A kill of the run's process does not reach them. They are found in Linux's /proc by the run's mark,
an environment variable that they inherit, or where that is missing by their parent or process
group: each process of a pool has a group of its own. Elsewhere they go on. Their run is known where
a process runs one task at a time: under prefork and solo. /proc tells the start of a process to
10 ms, so an unmarked one that an earlier run left so shortly before counts as the present run's.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from billiard.pool import TimeoutHandler
from billiard.process import current_process
from celery import signals

PROC = Path("/proc")
IS_LINUX = (PROC / "self" / "environ").exists()
MARK = "HEADWAY_RUN"  # the environment variable; its value is the token of the run's delivery
TICKS = os.sysconf("SC_CLK_TCK")
TERM_SECONDS = 0.1  # as billiard waits
MAX_WAITS = 20  # sweeps that wait for a process that was told to end
END_SECONDS = 1.0
POLL_SECONDS = 0.02
READINGS = 3  # of two clocks one after the other: in one of them nothing comes between


class Process(NamedTuple):
    pid: int
    parent: int
    group: int
    session: int
    started: int  # clock ticks since the machine's start


class Origin(NamedTuple):
    """A run of a task's body, as far as it concerns its programs."""

    pid: int  # the process that runs it
    token: str  # of its delivery
    since: float  # `clock` at its start


def folder_prefix(token: str) -> str:
    """Return how the folder begins in which the children of a run of this delivery find it.

    Short: a socket's whole path may have 107 bytes.
    """
    return f"headway-{token[:10]}-"


class _BrokenOff:
    """A run whose process has been told to end."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.found = find(origin)  # now, while their parents live
        self.waits = 0


_one_at_a_time = False  # whether this process runs one task at a time
_broken_off: list[_BrokenOff] = []
_sweeping = threading.Lock()


@signals.worker_process_init.connect
def prepare_process(**_: object) -> None:
    """Note that this process runs one task at a time; one of a pool gets a group of its own."""
    global _one_at_a_time
    _one_at_a_time = True
    if IS_LINUX and current_process().daemon:  # not the worker itself, under solo
        with suppress(OSError):
            os.setpgid(0, 0)


def spare_groups() -> None:
    """Have a hard time limit kill a run's process alone, not the whole group.

    billiard kills the group of a process that leads one, and with it what earlier tasks have left
    there to go on.
    """
    TimeoutHandler._trywaitkill = _kill_process


def _kill_process(_: TimeoutHandler, process: Any) -> None:
    with suppress(OSError):
        process.terminate()
        process.join(TERM_SECONDS)
        if process.exitcode is None:
            os.kill(process.pid, signal.SIGKILL)


def clock() -> float:
    """Return the seconds since the machine's start, the clock of process starts in /proc."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if IS_LINUX else 0.0


def clock_at(monotonic: float) -> float:
    """Return a time of `time.monotonic` as one of `clock`."""
    return monotonic + max(clock() - time.monotonic() for _ in range(READINGS))


@contextmanager
def marked(token: str) -> Iterator[Origin | None]:
    """Mark programs that the block starts as this run's; yield None where that is impossible."""
    if not (IS_LINUX and _one_at_a_time):
        yield None
        return
    os.environ[MARK] = token
    try:
        yield Origin(os.getpid(), token, clock())
    finally:
        os.environ.pop(MARK, None)


def find(origin: Origin) -> list[Process]:
    """Return a run's living programs, parents before their children."""
    earliest = int(origin.since * TICKS)
    rest = [each for each in processes() if each.started >= earliest and each.pid != origin.pid]
    marks = {each.pid: _mark_of(each.pid) for each in rest}
    rest = [each for each in rest if marks[each.pid] in ("", origin.token)]
    found: list[Process] = []
    known = {origin.pid}
    while new := [p for p in rest if marks[p.pid] or p.group == origin.pid or p.parent in known]:
        found += new
        known |= {each.pid for each in new}
        rest = [each for each in rest if each.pid not in known]
    return found


def end(origin: Origin | None) -> None:
    """Kill a run's programs and those that they start meanwhile; do nothing without an origin."""
    deadline = time.monotonic() + END_SECONDS
    while origin and _kill(find(origin)) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def end_after(origin: Origin) -> None:
    """Have `sweep` kill a run's programs once its process is gone.

    The process has just been told to end, or is about to be.
    """
    if IS_LINUX and all(left.origin != origin for left in _broken_off):
        _broken_off.append(_BrokenOff(origin))


def sweep() -> None:
    """Kill the programs that broken-off runs have left; call this now and then."""
    if not _sweeping.acquire(blocking=False):
        return
    try:
        for left in list(_broken_off):
            left.waits += 1
            if _read(left.origin.pid) and left.waits < MAX_WAITS:
                continue
            if not _kill({*left.found, *find(left.origin)}):
                _remove_folder(left.origin)
                _broken_off.remove(left)
    finally:
        _sweeping.release()


def _remove_folder(origin: Origin) -> None:
    """Remove what a run has left that nobody could end."""
    for folder in Path(tempfile.gettempdir()).glob(f"{folder_prefix(origin.token)}*"):
        shutil.rmtree(folder, ignore_errors=True)


def sweep_all() -> None:
    """Kill all programs that broken-off runs have left, before the worker ends."""
    deadline = time.monotonic() + END_SECONDS
    while _broken_off and time.monotonic() < deadline:
        sweep()
        time.sleep(POLL_SECONDS)


def processes() -> list[Process]:
    """Return the living processes of this machine, oldest first."""
    pids = [int(name) for name in os.listdir(PROC) if name.isdigit()] if IS_LINUX else []
    return sorted(filter(None, map(_read, pids)), key=lambda process: process.started)


def _kill(found: Iterable[Process]) -> bool:
    """Kill those of these processes that are still alive; return whether any was."""
    living = [each for each in found if (now := _read(each.pid)) and now.started == each.started]
    for each in living:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(each.pid, signal.SIGKILL)
    return bool(living)


def _read(pid: int) -> Process | None:
    """Return a process; None if it is gone or a zombie."""
    try:
        # Its name may hold anything.
        _, _, fields = (PROC / str(pid) / "stat").read_text().rpartition(")")
    except (OSError, ValueError):
        return None
    state, parent, group, session, *rest = fields.split()
    return (
        None
        if state in "ZX"
        else Process(pid, int(parent), int(group), int(session), int(rest[15]))
    )


def _mark_of(pid: int) -> str:
    try:
        variables = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:  # another user's, or gone
        return ""
    prefix = f"{MARK}=".encode()
    return next(
        (each.removeprefix(prefix).decode() for each in variables if each.startswith(prefix)), ""
    )
