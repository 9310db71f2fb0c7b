"""The snapshot of a task, its phases, and how Celery's states map to them.

Without Redis or Flask. Every endpoint and event carries this one shape: the 202 body, the status,
`watch`, the `snapshot` event, the list.
"""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from headway import masking
from headway.shapes import (
    FilesShown,
    PartCounts,
    Question,
    Resume,
    Step,
    StreamState,
    TaskError,
)

STRICT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str)
NO_NUMBERS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}  # as JavaScript says them
MAX_TEXT = 500
MAX_READ_CHARS = 10_000  # of a text that becomes one line
MAX_TITLE_CHARS = 200
# Line breaks, other control characters, and lone surrogates.
LINE_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
# Invisible marks, most of which reorder the text that follows.
BIDI_MARKS = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+")


def rfc3339(time: datetime) -> str:
    """Return an aware time as every answer and event has it: UTC, with milliseconds."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Phase(StrEnum):
    """The phase of a task, in Headway's own words."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    WAITING = "waiting"  # for a person's answer
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED})

STATE = {
    # The article's clients take any state but these five for an end.
    Phase.SCHEDULED: "PENDING",
    Phase.QUEUED: "PENDING",
    Phase.RETRYING: "PENDING",
    Phase.WAITING: "PENDING",
    Phase.RUNNING: "PROGRESS",
    Phase.CANCELLING: "PROGRESS",
    Phase.SUCCEEDED: "SUCCESS",
    Phase.FAILED: "FAILURE",
    Phase.CANCELLED: "REVOKED",
}

PHASE_OF_CELERY = {
    "PENDING": Phase.QUEUED,
    "RECEIVED": Phase.QUEUED,
    "RETRY": Phase.RETRYING,
    "SUCCESS": Phase.SUCCEEDED,
    "FAILURE": Phase.FAILED,
    "REVOKED": Phase.CANCELLED,
}


@dataclass(frozen=True)
class Snapshot:
    """What every reader sees of a task. Times are RFC 3339 UTC with milliseconds, or None."""

    task_id: str
    name: str
    title: str
    state: str
    phase: Phase
    current: float
    total: float | None
    status: str
    step: Step | None
    result_size: int | None  # bytes of the whole result, where `result` is a preview of it
    error: TaskError | None
    attempt: int
    max_attempts: int
    version: int
    queue_position: int | None
    queue: str | None
    parent_id: str | None  # the task that started this one
    parts: PartCounts | None  # those that it started
    created_at: str
    scheduled_for: str | None
    started_at: str | None
    updated_at: str
    finished_at: str | None
    streams: dict[str, StreamState]
    question: Question | None  # while waiting
    failures: int  # attempts that have failed
    resume: Resume | None  # of one that failed or was cancelled, and had saved
    files: FilesShown | None  # that it has given out
    result: Any = None  # the key is there in SUCCESS only

    @classmethod
    def from_json(cls, text: str) -> Snapshot:
        """Parse the JSON of a snapshot. Raises TypeError if a key is missing or unknown."""
        keys = json.loads(text)
        if ("result" in keys) != (keys.get("state") == STATE[Phase.SUCCEEDED]):
            raise TypeError("The key `result` is there in SUCCESS, and only there.")
        return cls(**keys | {"phase": Phase(keys["phase"])})

    @property
    def final(self) -> bool:
        return self.phase in FINAL

    @property
    def settled(self) -> bool:
        """Whether the task and all its parts have ended."""
        return self.final and (not self.parts or self.parts["ended"] == self.parts["count"])


def phase_of(celery_state: str) -> Phase:
    """Return the phase of a Celery state; a custom state is running."""
    return PHASE_OF_CELERY.get(celery_state, Phase.RUNNING)


def phase_by_hand(celery_state: str, *, begun: bool) -> Phase:
    """Return the phase of a state that a program has set by `update_state` or `store_result`.

    A final state ends the task. Any other state sends or runs nothing, so a task that has begun
    stays running; for one that has not, QUEUED means "unchanged".
    """
    phase = phase_of(celery_state)
    if phase in FINAL or phase == Phase.RUNNING:
        return phase
    return Phase.RUNNING if begun else Phase.QUEUED


def phases_of_state(state: str) -> set[Phase]:
    """Return the phases that show as one of the article's five states, none for another word."""
    return {phase for phase, word in STATE.items() if word == state}


def one_line(value: Any) -> str:
    """Return `value` as one line of at most MAX_TEXT characters, of its first MAX_READ_CHARS."""
    whole = str(value).strip()
    is_read = len(whole) <= MAX_READ_CHARS
    head = masking.mask(whole) if is_read else masking.head(whole, MAX_READ_CHARS)
    line = " ".join(head.split())  # masked before: a secret may hold spaces that go here
    return line if len(line) <= MAX_TEXT and is_read else masking.head(line, MAX_TEXT - 1) + "…"


def error_line(error: TaskError) -> str:
    """Return an error as "type: message"; a message that names the type itself says enough."""
    kind = error["type"]
    message = error["message"]
    return message if message.startswith(kind) else f"{kind}: {message}"


def visible_line(text: str) -> str:
    """Return `text` as one line without characters that are invisible, or reorder what follows."""
    return " ".join(BIDI_MARKS.sub("", LINE_BREAKS.sub(" ", text)).split())


def title_line(text: str) -> str:
    """Return `text` as a title: one line of visible characters, at most MAX_TITLE_CHARS."""
    line = masking.mask(visible_line(text))
    return line if len(line) <= MAX_TITLE_CHARS else line[: MAX_TITLE_CHARS - 1] + "…"


def is_number(value: Any) -> bool:
    """Whether `value` is a number in JSON and JavaScript: no boolean, NaN or beyond a double."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= sys.float_info.max
    )


def fragment(value: Any) -> str:
    """Return `value` as strict, compact JSON: NaN and other types become text."""
    if type(value) is int:  # starting the encoder is slow, and each report has some integers
        return str(value)
    try:
        text = STRICT.encode(value)
    except (ValueError, TypeError):  # NaN or infinity, or keys that are not text
        text = STRICT.encode(_finite(value))
    if text.isascii():
        return text
    # Lone surrogates, as in a file name that is not UTF-8, are replaced.
    return text.encode("utf-8", "replace").decode()


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return NO_NUMBERS[str(float(value))]
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
