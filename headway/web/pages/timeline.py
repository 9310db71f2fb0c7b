"""A task's history in words: what happened when, and why an attempt ended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from headway import masking
from headway.display.labels import Labels, labels_for_page
from headway.display.languages import ENGLISH, Sentence, say, words_of
from headway.display.words import SIGNS
from headway.shapes import HistoryAnswer, HistoryEvent, SnapshotDict, TaskError
from headway.snapshot import Phase, error_line, visible_line

WORDS: dict[str, str] = {
    Phase.SCHEDULED: Sentence("Scheduled"),
    Phase.QUEUED: Sentence("Queued"),
    Phase.RETRYING: Sentence("Attempt {attempt} failed, the next waits"),
    Phase.WAITING: Sentence("Asked a person"),
    Phase.CANCELLING: Sentence("Asked to stop"),
    Phase.SUCCEEDED: Sentence("Done"),
    Phase.FAILED: Sentence("Failed"),
    Phase.CANCELLED: Sentence("Cancelled"),
}
# Without a worker that is known, and with one.
STARTED = (Sentence("Attempt {attempt} started"), Sentence("Attempt {attempt} started on {worker}"))
CONTINUED = (Sentence("Continued"), Sentence("Continued on {worker}"))
PAUSE_WORDS = {Phase.CANCELLING: Sentence("Asked to pause"), Phase.CANCELLED: Sentence("Paused")}
PENDING = "Pending..."


class Entry(NamedTuple):
    """A line of a timeline: `at` is RFC 3339, `after` the time since the request, as "+1.2 s"."""

    at: str
    after: str
    sign: str
    words: str
    why: str
    failed: bool = False  # whether `why` is an error
    due: str = ""  # when it goes on


def timeline(
    task: SnapshotDict,
    history: Sequence[HistoryEvent],
    requester: str = "",
    reader: str | None = None,
) -> list[Entry]:
    """Return a task's timeline, oldest first; of a snapshot as JSON and what is kept beside it.

    `requester` is who requested it, "" to say nothing of that. `reader` is who reads, None for one
    who may not know what was answered, and by whom.
    """
    start = task["created_at"]
    labels = labels_for_page(task["name"])
    who = visible_line(requester)
    requested = say("Requested by {who}", who=say(who)) if who else say("Requested")
    entries = [Entry(start, "", "✓", requested, "")]
    before: HistoryEvent | None = None
    for event in history or _from_snapshot(task):
        sign = SIGNS.get(event["phase"], "•")
        if event["phase"] == Phase.RUNNING:
            words = _started(event, before)
        else:
            phase_words = _phase_words(event["phase"], labels, task)
            words = say(phase_words, attempt=event["attempt"])
        before = event
        if event["answered"]:
            sign = "✓"
            words = _answered(event["answered"], reader)
        after = _after(start, event["at"])
        error = event["error"]
        failed = error is not None
        why = _why(event)
        waiting = waiting_at(event, labels)
        if error and waiting:
            words = waiting
            failed = False
            why = error["message"]
        due = "" if waiting else event["scheduled_for"] or ""
        entries.append(Entry(event["at"], after, sign, words, why, failed, due))
    return entries


def _started(event: HistoryEvent, before: HistoryEvent | None) -> str:
    """Return the words for the start of a run, of which `before` came last.

    Only after a failure it is another attempt; else the task goes on, as after an answer.
    """
    continues = event["attempt"] > 1 and before is not None and not before["error"]
    plain, with_worker = CONTINUED if continues else STARTED
    worker = event["worker"]
    return say(with_worker if worker else plain, attempt=event["attempt"], worker=worker)


def _phase_words(phase: str, labels: Labels, task: SnapshotDict) -> str:
    """Return the words for a phase; a task that can go on is paused where others are cancelled."""
    can_go_on = labels.get("pauses") and (task["resume"] or not task["finished_at"])
    own = PAUSE_WORDS.get(Phase(phase)) if can_go_on and phase in set(Phase) else None
    return own or WORDS.get(phase, phase)


def waiting_at(event: HistoryEvent, labels: Labels) -> str:
    """Return the task's own words for a planned wait, "" where an attempt has failed."""
    error = event["error"]
    if event["phase"] != Phase.RETRYING or not error:
        return ""
    return labels.get("waiting", {}).get(error["type"], "")


def _from_snapshot(task: SnapshotDict) -> Iterator[HistoryEvent]:
    """Yield what the snapshot alone tells, of a task that has no history yet."""
    nothing: HistoryEvent = {
        "at": "",
        "phase": "",
        "attempt": task["attempt"],
        "status": "",
        "error": None,
        "worker": None,
        "scheduled_for": None,
        "answered": None,
    }
    if task["started_at"]:
        yield {**nothing, "at": task["started_at"], "phase": Phase.RUNNING}
    if task["finished_at"]:
        error = task["error"]
        yield {**nothing, "at": task["finished_at"], "phase": task["phase"], "error": error}


def _answered(answered: HistoryAnswer, reader: str | None) -> str:
    by = answered["by"]
    if by is None:
        return say("Nobody answered in time")
    if reader is None:
        return say("Answered")
    who = say("you") if by == reader else say(visible_line(by))
    if "value" in answered:
        return say("Answered “{value}” by {who}", value=_shown(answered["value"]), who=who)
    return say("Answered by {who}", who=who)


def _shown(value: Any) -> str:
    """Return an answer as one line, with secrets masked."""
    known = masking.masked(value)
    line = known if isinstance(known, str) else json.dumps(known, ensure_ascii=False)
    return visible_line(line)  # the words beside it say who answered: no mark may reorder them


def _why(event: HistoryEvent) -> str:
    error = event["error"]
    if error:
        return error_line({**error, "message": _message(error)})
    status = event["status"]
    says = event["phase"] in (Phase.QUEUED, Phase.SUCCEEDED) and status != PENDING
    return status if says else ""


def _message(error: TaskError) -> str:
    """Return an error's message, one of Headway's own in the reader's language."""
    kind = error["type"]
    message = error["message"]
    is_own = ENGLISH.words["errors"].get(kind) == message
    return str(words_of("errors")[kind]) if is_own else say(message)


def _after(start: str, at: str) -> str:
    seconds = (datetime.fromisoformat(at) - datetime.fromisoformat(start)).total_seconds()
    if seconds < 60:
        return f"+{max(0.0, seconds):.2f}\u202fs"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"+{hours}:{minutes:02}:{rest:02}" if hours else f"+{minutes}:{rest:02}"
