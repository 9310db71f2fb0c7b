"""What a page says of a run at a glance: how long it waited and ran, and which attempt it was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from headway.display.formats import format_took
from headway.display.languages import Sentence
from headway.shapes import HistoryEvent, SnapshotDict
from headway.snapshot import Phase


def facts(task: SnapshotDict, history: Sequence[HistoryEvent] = ()) -> list[Sentence]:
    """Return the facts, in the order in which they came about.

    How long it ran counts from the start of the first attempt, as far back as `history` knows it,
    without the time in which a person had not answered yet.
    """
    found = []
    started = _first_start(task, history)
    finished = task["finished_at"]
    is_first = task["attempt"] == 1  # of a later attempt it is not known apart
    if started and is_first and task["phase"] != Phase.RETRYING:  # nor when that was due at first
        due = max(task["created_at"], task["scheduled_for"] or "")
        found.append(Sentence("Waited {time}", time=format_took(_ms(due, started))))
    if started and finished:
        ran = _ms(started, finished) - _ms_asked(history)
        found.append(Sentence("Ran {time}", time=format_took(ran)))
    if (attempt := _attempt(task)) > 1:
        found.append(Sentence("Attempt {attempt}", attempt=attempt))
    return found


def _attempt(task: SnapshotDict) -> int:
    """Return which attempt this is or was: a run that went on after an answer was no other one."""
    has_failed = task["phase"] in (Phase.RETRYING, Phase.FAILED)
    return task["failures"] + (0 if has_failed else 1)


def _first_start(task: SnapshotDict, history: Sequence[HistoryEvent]) -> str | None:
    if task["attempt"] <= 1:
        return task["started_at"]
    begun = (each for each in reversed(history) if each["phase"] == Phase.RUNNING)
    return next((each["at"] for each in begun if each["attempt"] == 1), None)


def _ms_asked(history: Sequence[HistoryEvent]) -> int:
    """Return how long, in ms, the questions of a task were open that have been answered."""
    return sum(
        _ms(asked["at"], answered["at"])
        for asked, answered in pairwise(history)
        if asked["phase"] == Phase.WAITING
    )


def _ms(one: str, other: str) -> int:
    passed = datetime.fromisoformat(other) - datetime.fromisoformat(one)
    return max(0, round(passed.total_seconds() * 1000))
