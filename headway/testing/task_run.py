"""What one task showed, with assertions about it for tests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import dropwhile, groupby
from typing import Any

from headway.exceptions import HeadwayError
from headway.shapes import TaskError
from headway.snapshot import Phase, Snapshot, error_line
from headway.store.model import LogLine

MAX_SHOWN = 30  # snapshots, or log lines, of a failure message
UNSET: Any = object()
FRAME = re.compile(r'^(?=  File ")', re.MULTILINE)
LIBRARY = re.compile(r'^  File "[^"]*[/\\](celery[/\\]app|headway[/\\]celery)[/\\]')


class NotEnded(HeadwayError, AssertionError):
    """A task has not ended in time; the message says what was last seen of it."""


class Details:
    """Functions beside what snapshots hold; each takes the task's id, `answer` also the value."""

    def __init__(
        self,
        whole_result: Callable[[str], Any],
        traceback: Callable[[str], str | None],
        answer: Callable[[str, Any], None],
    ) -> None:
        self.whole_result = whole_result
        self.traceback = traceback
        self.answer = answer


class TaskRun:
    """A task as its viewers saw it: each snapshot and log line, oldest first; its streams."""

    def __init__(self, task_id: str, details: Details) -> None:
        self.task_id = task_id
        self.snapshots: list[Snapshot] = []
        self.log_lines: list[LogLine] = []
        self.streams: dict[str, str] = {}  # the text of each
        self._details = details

    @property
    def snapshot(self) -> Snapshot:
        """The newest snapshot. Raises AssertionError if there is none."""
        if not self.snapshots:
            raise AssertionError(f"Task {self.task_id} has shown nothing yet.")
        return self.snapshots[-1]

    @property
    def phases(self) -> list[Phase]:
        """The phases it went through; consecutive repeats count once."""
        return [phase for phase, _ in groupby(snapshot.phase for snapshot in self.snapshots)]

    @property
    def steps(self) -> list[str]:
        """The names of the steps it went through; consecutive repeats count once."""
        names = [snapshot.step["name"] for snapshot in self.snapshots if snapshot.step]
        return [name for name, _ in groupby(names)]

    @property
    def log(self) -> list[str]:
        """The texts of its log lines."""
        return [line["text"] for line in self.log_lines]

    @property
    def result(self) -> Any:
        """The whole result, as read from JSON; None unless the task has succeeded."""
        if self.snapshot.result_size is None:
            return self.snapshot.result
        return self._details.whole_result(self.task_id)

    @property
    def error(self) -> TaskError | None:
        """`{"type", "message"}` while failed or retrying, else None."""
        return self.snapshot.error

    @property
    def traceback(self) -> str:
        """The traceback of a failed task; "" if there is none."""
        return self._details.traceback(self.task_id) or ""

    def answer(self, value: Any) -> None:
        """Answer the task's question, as a person does, with a JSON value.

        With `headway_run` and `headway_eager` the task then runs until it ends or asks again.
        Raises ValueError for a value that does not answer it, HeadwayError if it asks nothing.
        """
        self._details.answer(self.task_id, value)

    def assert_succeeded(self, result: Any = UNSET) -> None:
        """Assert that the task has succeeded and, if one is given, with this result."""
        __tracebackhide__ = True
        self._assert_phase(Phase.SUCCEEDED)
        if result is not UNSET and self.result != result:
            self.fail(f"its result is {self.result!r}, not {result!r}")

    def assert_failed(self, error_type: str = "", message: str = "") -> None:
        """Assert that the task has failed, with this error type and this text in its message."""
        __tracebackhide__ = True
        self._assert_phase(Phase.FAILED)
        error = self.error or {"type": "", "message": ""}
        if error_type and error["type"] != error_type:
            self.fail(f"its error is of type {error['type']}, not {error_type}")
        if message not in error["message"]:
            self.fail(f"its error says {error['message']!r}, which does not hold {message!r}")

    def assert_cancelled(self) -> None:
        """Assert that the task has been cancelled."""
        __tracebackhide__ = True
        self._assert_phase(Phase.CANCELLED)

    def assert_phases(self, *phases: str) -> None:
        """Assert that the task went through exactly these phases, in this order."""
        __tracebackhide__ = True
        if self.phases != list(phases):
            self.fail(f"it went through {_listed(self.phases)}, not {_listed(phases)}")

    def assert_steps(self, *names: str) -> None:
        """Assert that the task went through exactly these steps, in this order."""
        __tracebackhide__ = True
        if self.steps != list(names):
            self.fail(f"its steps are {_listed(self.steps)}, not {_listed(names)}")

    def assert_showed(self, **values: Any) -> None:
        """Assert that one snapshot has all these values, as `current=3, total=10`.

        `step` may be a step's name. Raises TypeError for a key that no snapshot has.
        """
        __tracebackhide__ = True
        if unknown := values.keys() - Snapshot.__dataclass_fields__.keys():
            raise TypeError(f"A snapshot has no {', '.join(sorted(unknown))}.")
        if not any(_has(snapshot, values) for snapshot in self.snapshots):
            wanted = ", ".join(f"{name}={value!r}" for name, value in values.items())
            self.fail(f"no snapshot has {wanted}")

    def assert_logged(self, text: str) -> None:
        """Assert that a line of the log contains this text."""
        __tracebackhide__ = True
        if not any(text in line for line in self.log):
            self.fail(f"no line of its log holds {text!r}")

    def fail(self, why: str) -> None:
        """Raise an AssertionError that says why, and what the task showed."""
        __tracebackhide__ = True
        name = self.snapshots[-1].name if self.snapshots else "Task"
        raise AssertionError(f"{name}[{self.task_id}]: {why}.\n{self.story()}")

    def story(self) -> str:
        """Return what the task showed, a line for each snapshot, its log and its traceback."""
        parts = ["It showed:", *_cut(self._lines(), "snapshots")]
        if self.log_lines:
            lines = (f"  {line['level']} {line['text']}" for line in self.log_lines)
            parts += ["Its log:", *_cut(lines, "lines")]
        if self.snapshots and self.snapshot.phase == Phase.FAILED and self.traceback:
            parts += ["Its traceback:", _own_frames(self.traceback)]
        return "\n".join(parts)

    def _lines(self) -> list[str]:
        """Return a line for each snapshot; consecutive equal lines count once."""
        return [line for line, _ in groupby(map(_line_of, self.snapshots))]

    def _assert_phase(self, phase: Phase) -> None:
        __tracebackhide__ = True
        error = self.error
        if self.snapshot.phase != phase:
            why = f" ({error_line(error)})" if error else ""
            self.fail(f"it is {self.snapshot.phase}{why}, not {phase}")


def _has(snapshot: Snapshot, values: dict[str, Any]) -> bool:
    for name, value in values.items():
        shown = getattr(snapshot, name)
        if name == "step" and isinstance(value, str):
            shown = shown and shown["name"]
        if shown != value:
            return False
    return True


def _line_of(snapshot: Snapshot) -> str:
    words = [f"{snapshot.phase:<10}", _of(snapshot.current, snapshot.total)]
    if snapshot.error:
        words.append(error_line(snapshot.error))
    elif snapshot.status:
        words.append(snapshot.status)
    if step := snapshot.step:
        place = "" if step["index"] is None else f" {_of(step['index'], step['count'])}"
        words.append(f"[step{place} {step['name']!r} at {_of(step['current'], step['total'])}]")
    return "  " + "  ".join(words)


def _of(current: float, total: float | None) -> str:
    return f"{current:g}/{'?' if total is None else format(total, 'g')}"


def _own_frames(traceback: str) -> str:
    """Return a traceback without the frames of Celery and Headway that it begins with."""
    head, *frames = FRAME.split(traceback.rstrip())
    own = list(dropwhile(LIBRARY.search, frames))
    return head + "".join(own or frames)


def _cut(lines: Iterable[str], what: str) -> list[str]:
    """Return at most MAX_SHOWN lines: the first and the last ones, and how many are left out."""
    found = list(lines)
    if not found:
        return ["  nothing"]
    half = MAX_SHOWN // 2
    if len(found) <= MAX_SHOWN:
        return found
    return [*found[:half], f"  ... {len(found) - 2 * half} more {what}", *found[-half:]]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
