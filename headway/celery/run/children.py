"""Lets processes that a run starts report for it: through a function that the run has bound.

A bound function that reaches another process, pickled or by a fork, sends what it reports to the
run's process, in datagrams: each arrives whole or not at all, so the death of a child breaks
nothing. There they count as the run's own, under its fence.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import update_wrapper
from types import SimpleNamespace
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

from headway.bars import Section
from headway.celery.run import runs
from headway.celery.run.programs import folder_prefix
from headway.celery.run.progress_buffer import UNSET
from headway.celery.run.progress_sender import FLUSHER
from headway.celery.run.runs import HERE, Run, call_in, detached
from headway.celery.run.sections import find
from headway.celery.storing.fencing import FENCE

P = ParamSpec("P")
T = TypeVar("T")
MAX_BYTES = 64 * 1024  # of a datagram
CATCH_UP_SECONDS = 1.0
CLOSE_SECONDS = 5.0
END = b""


class Address(NamedTuple):
    """Where a child reports to."""

    path: str
    section: int
    task_id: str


class Bound(Generic[P, T]):
    """A function that reports for a section of a run, wherever it is called."""

    def __init__(self, function: Callable[P, T], section: Section, relay: Relay) -> None:
        self._function = function
        self._section = section
        self._relay = relay
        self._number = relay.number_of(section)
        self._pid = os.getpid()
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        if os.getpid() == self._pid:
            return call_in(self._section, self._function, *args, **kwargs)
        address = self._relay.address(self._number)  # this is a fork
        return _call_in_child(address, self._function, args, kwargs)

    def __reduce__(self) -> Any:
        """Pickle it for another process, from which it reports to this one."""
        self._relay.listen()
        return InChild, (self._relay.address(self._number), self._function)


class InChild(Generic[P, T]):
    """A bound function as another process has it."""

    def __init__(self, address: Address | None, function: Callable[P, T]) -> None:
        self._address = address
        self._function = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        return _call_in_child(self._address, self._function, args, kwargs)

    def __reduce__(self) -> Any:
        return InChild, (self._address, self._function)


def bind(function: Callable[P, T]) -> Callable[P, T]:
    """Return the function bound to the caller's run, wherever it is called."""
    section = find()
    if section is None:
        return runs.bind(function)
    run = section.run
    with run.lock:
        if run.relay is None:
            run.relay = Relay(run)
    return Bound(function, section, run.relay)


class Relay:
    """Takes the reports of a run's child processes; it listens once there may be any."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._sections: list[Section] = []  # those to which functions are bound
        self._folder = ""
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._marks: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def number_of(self, section: Section) -> int:
        """Return by which number children name this section."""
        with self._lock:
            if section not in self._sections:
                self._sections.append(section)
            return self._sections.index(section)

    def address(self, section: int) -> Address | None:
        """Return where a child reports for a section, None if nothing listens."""
        return Address(self._path, section, self._run.task_id) if self._folder else None

    def listen(self) -> None:
        """Begin to take reports."""
        with self._lock:
            if self._socket is not None or self._run.has_ended:
                return
            token = getattr(self._run.request, FENCE, "")
            self._folder = tempfile.mkdtemp(prefix=folder_prefix(token))
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.bind(self._path)
            self._thread = threading.Thread(target=self._receive, name="children", daemon=True)
            detached(self._thread.start)

    def catch_up(self, section: Section) -> None:
        """Wait until what has been sent so far for a section that is about to end is taken."""
        if (
            section in self._sections
            and self._socket
            and threading.current_thread() != self._thread
        ):
            mark = os.urandom(8).hex()
            taken = self._marks[mark] = threading.Event()
            self._send(json.dumps({"mark": mark}).encode())
            taken.wait(CATCH_UP_SECONDS)

    def close(self) -> None:
        """Take what has been sent so far, and end."""
        if self._socket is None or self._thread is None:
            return
        self._send(END)
        self._thread.join(CLOSE_SECONDS)
        self._socket.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _send(self, data: bytes) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, suppress(OSError):
            sender.settimeout(CATCH_UP_SECONDS)
            sender.sendto(data, self._path)

    @property
    def _path(self) -> str:
        return os.path.join(self._folder, "reports")

    def _receive(self) -> None:
        assert self._socket is not None
        while (data := self._socket.recv(MAX_BYTES)) != END:
            with suppress(ValueError, LookupError, TypeError):  # not of a child of ours
                self._take(**json.loads(data))

    def _take(
        self, section: int = 0, n: float = 0, said: Any = None, line: Any = None, mark: str = ""
    ) -> None:
        """Report for the run what a child has sent."""
        place = self._sections[section]
        if n and place.is_open:
            place.current += n
        if said and not place.has_ended:
            self._run.buffer.say(place, **said)
        if line:
            self._run.buffer.log(*line)
        if mark:
            self._marks.pop(mark).set()


class OfTheTaskAlone:
    """Stands for what a child process has not; it says so."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(
            "Of a process that the task has started, only progress.update, set, log and capture "
            "reach the task. Save, stream and ask in the task itself."
        )


class ChildRun(Run):
    """The run that a child process reports for, as the child has it."""

    is_child = True

    def __init__(self, address: Address) -> None:
        super().__init__(OfTheTaskAlone(), SimpleNamespace(id=address.task_id))
        self.checkpoint = OfTheTaskAlone()


class ChildReport:
    """Sends what a child process reports; of its own loops and steps nothing is shown."""

    def __init__(self, run: Run, address: Address) -> None:
        self._run = run
        self._base = run.sections[0]
        self._address = address
        self._sent: float = 0
        self._lock = threading.RLock()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def say(
        self, section: Section, current: Any = UNSET, total: Any = UNSET, status: Any = UNSET
    ) -> None:
        """Send those of these values that are set, unless they are of a loop of the child's."""
        values = {"current": current, "total": total, "status": status}
        said = {name: value for name, value in values.items() if value is not UNSET}
        if section is self._base:
            self.flush()
            self._send(said=said)

    def enter(self, section: Section) -> None:
        """Begin a section, which counts for itself."""
        self._run.sections.append(section)
        self._run.open(section)

    def leave(self, section: Section, *, has_failed: bool = False) -> None:
        """End a section."""
        section.is_open = False
        section.has_ended = True
        self._run.sections.remove(section)

    def log(self, level: str, text: str) -> None:
        """Send a log line."""
        self._send(line=(level, text))

    def flush(self, **_: Any) -> None:
        """Send how far the child has come since the last time."""
        with self._lock:
            n = self._base.current - self._sent
            self._sent += n
        if n:
            self._send(n=n)

    def ask(self) -> None:
        """Do nothing: only the task itself learns whether it has to end."""

    def close(self) -> None:
        """Send the rest."""
        FLUSHER.remove(self)
        self.flush()
        self._socket.close()

    def fail(self, what: str) -> None:
        """Do nothing: a run that has ended hears its children no more."""

    def _send(self, **report: Any) -> None:
        data = json.dumps({"section": self._address.section, **report}).encode()
        with suppress(OSError):
            self._socket.sendto(data, self._address.path)


def _call_in_child(
    address: Address | None, function: Callable[..., T], args: Any, kwargs: Any
) -> T:
    """Call a function in a child process of the run, for which it reports."""
    around = HERE.get().run
    if address is None or (around is not None and not around.has_ended):
        return function(*args, **kwargs)
    run = ChildRun(address)
    run.buffer = run.sender = ChildReport(run, address)
    run.open(run.sections[0])
    FLUSHER.add(run.sender)
    try:
        return call_in(run.sections[0], function, *args, **kwargs)
    finally:
        run.sender.close()
        run.end()


def _listen_for_forks() -> None:
    """Have the runs listen whose functions a fork takes along, without pickling them."""
    for run in runs.of_this_process():
        if run.relay is not None:
            run.relay.listen()


os.register_at_fork(before=_listen_for_forks)
