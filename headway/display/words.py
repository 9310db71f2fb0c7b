"""The words for a task that a page shows before its script runs, and that a terminal prints.

The words themselves are in static/js/card-words.js, which the script reads, and in catalogues.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import floor

from headway.display.formats import SPACE, format_number, format_percent, format_size, format_took
from headway.display.labels import Labels
from headway.display.languages import ENGLISH, Sentence, current, words_of
from headway.display.parts import PARTS_FAILED, as_shown, has_open_parts, has_said_nothing, phase_of
from headway.display.tables import count_rows
from headway.display.times import format_time, format_when
from headway.shapes import SnapshotDict, Step, TaskError
from headway.snapshot import Phase

MAX_LINE = 80  # characters of a result that stands in a line
PENDING = "Pending..."  # the article's word for a task that waits for its first worker
CANCELLED = "Cancelled"  # Headway's status of a cancelled task, which the headline says better
# What Headway itself says in a status: the record's functions, and state_fields.py.
STATUSES = (
    Sentence(CANCELLED),
    Sentence("Waits for its turn"),
    Sentence("Worker lost, trying again"),
    Sentence("Worker lost, goes on where it was"),
    Sentence("Worker lost, goes on at {percent} %"),
    Sentence("Goes on where it was"),
    Sentence("Goes on at {percent} %"),
)
SIGNS: dict[str, str] = ENGLISH.words["signs"]


@dataclass(frozen=True)
class Reading:
    """The texts of a task's card; "" where there is nothing to say."""

    phase: str  # as shown: see as_shown
    finished_at: str  # the same
    percent: int | None
    sign: str
    figure: str  # beside the bar
    headline: str
    text: str
    numbers: str
    when: str  # it ended
    result_link: str  # to a result that is stored apart
    table_link: str  # to a result that is a table


def read(task: SnapshotDict, labels: Labels) -> Reading:
    """Return the texts of a task's card, as words.js does, but without times that count on."""
    task = as_shown(task)
    part = percent(task)
    phase = phase_of(task)
    size = task.get("result_size")
    is_table = count_rows(task.get("result"), size) is not None
    figure = "" if part is None or (part == 0 and phase != Phase.RUNNING) else format_percent(part)
    return Reading(
        phase=phase,
        finished_at=task.get("finished_at") or "",
        percent=part,
        sign=SIGNS.get(phase, words_of("unknown_sign")),
        figure=figure,
        headline=_lead(task, labels, part),
        text=_joined(parts(task), _text(task, labels)),
        numbers=_numbers(task, labels),
        when=format_when(task.get("finished_at")),
        result_link="" if is_table else show_all(size),
        table_link=words_of("card")["show_table"] if is_table else "",
    )


def show_all(size: int | None) -> str:
    """Return the words of the link to a result that is kept apart; "" for none."""
    return _fill(words_of("card")["show_all"], size=format_size(size)) if size else ""


def parts(task: SnapshotDict) -> str:
    """Return how a task's parts are doing; "" where it has none, or the headline says it."""
    counts = task.get("parts")
    if not counts or _error(task)["type"] == PARTS_FAILED:
        return ""
    words = words_of("parts")
    kinds = [kind for kind in ("failed", "waiting") if counts.get(kind)]
    first = counts["first_failed"]
    title = first["title"] if first else ""
    ended = current().counted(words["ended"], counts["count"])
    return _joined(
        _fill(words["open"], **counts) if has_open_parts(task) else ended,
        *(_fill(words[kind], title=title, **counts) for kind in kinds),
    )


def percent(task: SnapshotDict) -> int | None:
    """Return the progress in whole percent, None if unknown; only a success shows 100."""
    if phase_of(task) == Phase.SUCCEEDED:
        return 100
    current = task.get("current") or 0
    total = task.get("total") or 0
    if total <= 0 or (task.get("state") != "PENDING" and has_said_nothing(task)):
        return None
    return min(99, max(0, floor(min(100, 100 * current / total) + 1e-9)))


def headline(task: SnapshotDict, labels: Labels) -> str:
    """Return the phase in words, with its number if it has one."""
    words = words_of("headlines")
    phase = phase_of(task)
    part = percent(task)
    failures = task.get("failures") or 0
    if phase == Phase.RUNNING:
        return words[phase] if part is None else format_percent(part)
    if phase == Phase.RETRYING:
        return waiting(task, labels) or _fill(words[phase], **next_attempt(task))
    if phase == Phase.SUCCEEDED:
        done = words["succeeded_in" if task.get("attempt") == 1 else phase]  # else in_all
        return labels.get("succeeded") or _fill(done, time=_took(task))
    counts = task.get("parts")
    if counts and _error(task)["type"] == PARTS_FAILED:
        return _fill(words["parts_failed"], **counts)
    if phase == Phase.FAILED and failures > 1 and not waiting(task, labels):
        return _fill(words["failed_again"], failures=failures)
    if phase == Phase.CANCELLED:
        return _cancelled(task, labels, part)
    if phase == Phase.CANCELLING and labels.get("pauses"):
        return str(words["pausing"])
    return str(words.get(phase, phase.capitalize()))


def _cancelled(task: SnapshotDict, labels: Labels, part: int | None) -> str:
    words = words_of("headlines")
    if not task.get("started_at"):
        return str(words["cancelled_unstarted"])
    resume = task.get("resume") if labels.get("pauses") else None
    what = "paused" if resume else "cancelled"
    if part is None and resume:
        part = resume["percent"]  # its next run had not said where it is
    return (
        str(words[what])
        if part is None
        else _fill(words[f"{what}_at"], percent=format_percent(part))
    )


def waiting(task: SnapshotDict, labels: Labels) -> str:
    """Return the label for a wait that uses up no attempt, by the error's type; "" for none."""
    return labels.get("waiting", {}).get(_error(task).get("type", ""), "")


def failure(task: SnapshotDict, labels: Labels) -> str:
    """Return why a task failed, in one plain sentence."""
    error = _error(task)
    kind = error.get("type", "")
    own = labels.get("errors", {}).get(kind) or words_of("errors").get(kind)
    return str(own or current().translated(error.get("message", "")))


def _error(task: SnapshotDict) -> TaskError:
    return task.get("error") or {"type": "", "message": ""}


def starts_at(time: str, labels: Labels) -> str:
    """Return the sentence that says when a task starts."""
    starts = labels.get("starts", words_of("starts"))
    return _fill(words_of("texts")["scheduled"], starts=starts, time=time)


def next_attempt(task: SnapshotDict) -> dict[str, int]:
    """Return the number of the next attempt, and of how many: `{"attempt", "attempts"}`."""
    # Runs that stopped to ask, or with their worker, are no failed attempts.
    attempt = (task.get("failures") or 0) + 1
    return {"attempt": attempt, "attempts": max(task.get("max_attempts") or 1, attempt)}


def _lead(task: SnapshotDict, labels: Labels, part: int | None) -> str:
    phase = phase_of(task)
    if phase == Phase.RUNNING and part is not None:
        return ""  # the number stands beside the bar
    lead = headline(task, labels)
    has_reason = phase == Phase.RETRYING and _text(task, labels)
    return _fill(words_of("leads")["plain"], headline=lead) if has_reason else lead


def _text(task: SnapshotDict, labels: Labels) -> str:
    words = words_of("texts")
    phase = phase_of(task)
    status = current().translated(task.get("status") or "")
    if phase == Phase.SCHEDULED:
        return starts_at(_clock(task), labels)
    if phase == Phase.QUEUED:
        ahead = task.get("queue_position")
        count = _fill(words["ahead"], count=ahead) if ahead else ""
        is_first = task.get("status") in (None, "", PENDING)
        return _joined(words["queued"] if is_first else status, count)
    if phase == Phase.RETRYING:
        return current().translated(_error(task).get("message", ""))
    if phase == Phase.WAITING and (question := task.get("question")):
        return current().translated(question["text"])
    if phase == Phase.FAILED:
        return failure(task, labels)
    if phase == Phase.SUCCEEDED:
        return _joined("" if status == labels.get("succeeded") else status, _short_result(task))
    if phase == Phase.CANCELLED:
        return "" if task.get("status") == CANCELLED else status
    return _joined(_step(task), status)


def _numbers(task: SnapshotDict, labels: Labels) -> str:
    words = words_of("numbers")
    phase = phase_of(task)
    if phase == Phase.RETRYING:
        return _fill(words["waiting" if waiting(task, labels) else "retrying"], time=_clock(task))
    if phase == Phase.WAITING and (question := task.get("question")):
        until = format_time(question["expires_at"])
        return _fill(words["until"], time=until) if until else ""
    if phase == Phase.RUNNING and not _is_numbered(task.get("step")):
        return _count(task)
    if phase == Phase.SUCCEEDED and (task.get("attempt") or 0) > 1:
        return _fill(words["in_all"], time=_took(task, task.get("created_at")))
    if phase == Phase.SUCCEEDED and labels.get("succeeded") and task.get("attempt") == 1:
        return _fill(words["succeeded_in"], time=_took(task))
    return ""


def _short_result(task: SnapshotDict) -> str:
    result = task.get("result")
    rows = count_rows(result, task.get("result_size"))
    if rows is not None:
        return current().counted(words_of("texts")["rows"], rows)
    if not isinstance(result, int | float | str):
        return ""
    text = str(result).lower() if isinstance(result, bool) else str(result)
    if len(text) > MAX_LINE and not task.get("result_size"):
        return ""
    line = text if len(text) <= MAX_LINE else text[: MAX_LINE - 1] + "…"
    return _fill(words_of("texts")["result"], result=line)


def _step(task: SnapshotDict) -> str:
    step = task.get("step")
    if not step:
        return ""
    place = ""
    if _is_numbered(step):
        place = _fill(words_of("texts")["step"], index=step["index"], count=step["count"])
    own = (step.get("current"), step.get("total"))
    is_bar = not place and own == (task.get("current"), task.get("total"))
    return " ".join(filter(None, (place, step.get("name"), "" if is_bar else _count(step))))


def _is_numbered(step: Step | None) -> bool:
    """Whether the task's own numbers count all steps together."""
    return bool(step and step.get("index") and step.get("count"))


def _count(part: SnapshotDict | Step) -> str:
    current = part.get("current") or 0
    total = part.get("total")
    if total is None:
        return format_number(current) if current else ""
    return f"{format_number(current)}{SPACE}/{SPACE}{format_number(total)}" if total > 1 else ""


def _took(task: SnapshotDict, begun: str | None = None) -> str:
    end = task.get("finished_at") or task.get("updated_at")
    start = begun or task.get("started_at") or end
    if not start or not end:
        return ""
    took = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return format_took(max(0, round(took.total_seconds() * 1000)))


def _clock(task: SnapshotDict) -> str:
    return format_time(task.get("scheduled_for"))


def _fill(words: str, **values: object) -> str:
    return words.format(**values)


def _joined(*parts: str) -> str:
    return " · ".join(filter(None, parts))
