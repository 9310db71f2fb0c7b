"""Finds what lies damaged in Redis: a damaged part of a record must not damage a whole answer."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any, cast

from headway import strict_json
from headway.files.store import KEY
from headway.files.types import MEDIA_TYPE, is_file_name
from headway.shapes import AttemptFailure, HistoryEvent
from headway.snapshot import STATE, Phase, rfc3339
from headway.store.errors import Reason, RedisUnavailable
from headway.store.model import LogLine, Point
from headway.throttled import ThrottledLogger
from headway.values import MAX_NUMBER

Check = Callable[[Any], bool]

logger = ThrottledLogger(logging.getLogger(__name__))

PHASES = frozenset(Phase)
LAST_MS = 253_402_300_800_000  # the end of year 9999, the last that a datetime can hold


def is_intact(snapshot: str) -> bool:
    """Whether a snapshot is the JSON of one, with values that can be shown."""
    return bool(_read([snapshot], _is_snapshot))


def log_lines(texts: Iterable[str]) -> list[LogLine]:
    """Return those lines of a log that are intact, of their JSON."""
    return _read(texts, _fits(LOG_LINE))


def history_events(texts: Iterable[str]) -> list[HistoryEvent]:
    """Return those events of a history that are intact, of their JSON (see history.lua)."""
    events = []
    for at, *values in _read(texts, _is_event):
        when = rfc3339(datetime.fromtimestamp(at / 1000, UTC))
        events.append(cast(HistoryEvent, {"at": when, **dict(zip_longest(EVENT, values))}))
    return events


def points(texts: Iterable[str]) -> list[Point]:
    """Return those points that are intact, of their JSON."""
    return [Point(*values) for values in _read(texts, _is_point)]


def attempt_failure(text: str) -> AttemptFailure | None:
    """Return why an attempt failed, of its JSON; None where that is damaged."""
    return next(iter(_read([text], _fits(FAILURE))), None)


def task_file(text: str) -> dict[str, Any] | None:
    """Return what is noted of a file, of its JSON; None where that is damaged."""
    return next(iter(_read([text], _fits(FILE))), None)


def members(text: object) -> dict[str, Any]:
    """Return the members of an object whose JSON lacks its braces, {} where that is damaged."""
    found = strict_json.parse_or_text(f"{{{text or ''}}}")
    return found if isinstance(found, dict) else {}


def count(text: object) -> int:
    """Return the count in a field, 0 if the field is missing or holds no number."""
    digits = str(text or "")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 16 else 0


def unless_damaged(missing: Any, read: Callable[..., Any], *args: Any) -> Any:
    """Return what a command reads from Redis; `missing` where its key holds another type."""
    try:
        return read(*args)
    except RedisUnavailable as error:
        if error.reason is not Reason.WRONG_TYPE:
            raise
    logger.warning("A key in Redis holds another type than Headway gave it, and is not read")
    return missing


def _read(texts: Iterable[str], is_sound: Check) -> list[Any]:
    found = []
    for text in texts:
        try:
            value = strict_json.parse(text)
        except ValueError:
            value = None
        if is_sound(value):
            found.append(value)
        else:
            logger.warning("What lies in Redis is damaged, and not shown: %r", text[:100])
    return found


def _fits(shape: Mapping[str, Check], optional: Iterable[str] = ()) -> Check:
    """Return a check of objects: these keys, of which some may lack, and each with such a value."""
    needed = shape.keys() - set(optional)

    def fits(value: Any) -> bool:
        if not isinstance(value, dict) or not needed <= value.keys() <= shape.keys():
            return False
        for key, item in value.items():  # noqa: SIM110  # a generator takes twice as long
            if not shape[key](item):
                return False
        return True

    return fits


def _or_null(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _matches(pattern: re.Pattern[str]) -> Check:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and -MAX_NUMBER <= value <= MAX_NUMBER


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_phase(value: Any) -> bool:
    return isinstance(value, str) and value in PHASES


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_point(value: Any) -> bool:
    match value:
        case [at, current, total]:
            amounts = [current] if total is None else [current, total]
            return _is_count(at) and all(_is_number(one) and one >= 0 for one in amounts)
    return False


def _is_event(value: Any) -> bool:
    match value:
        case [at, _phase, _attempt, _status, *_] if _is_count(at) and at < LAST_MS:
            values = zip_longest(EVENT.values(), value[1:])
            return len(value) <= 1 + len(EVENT) and all(fits(item) for fits, item in values)
    return False


def _is_snapshot(value: Any) -> bool:
    if not _fits_snapshot(value):
        return False
    state = STATE[Phase(value["phase"])]
    return bool(value["state"] == state and ("result" in value) == (state == "SUCCESS"))


def _are_streams(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_stream, value.values()))


STREAM = {
    "length": _is_count,
    "closed": lambda value: isinstance(value, bool),
    "epoch": _is_count,
    "format": lambda value: value == "markdown",
    "file": _is_text,
}
ERROR = {"type": _is_text, "message": _is_text}
QUESTION = {
    "id": _is_text,
    "text": _is_text,
    "choices": _or_null(lambda value: isinstance(value, list)),
    "schema": _or_null(lambda value: isinstance(value, dict)),
    "asked_at": _is_time,
    "expires_at": _or_null(_is_time),
    "reminded_at": _or_null(_is_time),
}
SHOWN = {"name": _is_text, "size": _is_count}
FILES = {"count": _is_count, "first": lambda value: isinstance(value, list)}
RESUME = {"percent": _or_null(_is_count), "task_id": _is_text}
ANSWERED = {"by": _or_null(_is_text), "value": lambda _: True}
FAILED_PART = {"task_id": _is_text, "title": _is_text, "error": _or_null(_fits(ERROR))}
PARTS = {
    "count": _is_count,
    "ended": _is_count,
    "failed": _is_count,
    "waiting": _is_count,
    "progress": _is_number,
    "first_failed": _or_null(_fits(FAILED_PART)),
}
STEP = {
    "index": _or_null(_is_number),
    "count": _or_null(_is_number),
    "name": _is_text,
    "current": _is_number,
    "total": _or_null(_is_number),
}
SNAPSHOT = {
    "task_id": _is_text,
    "name": _is_text,
    "title": _is_text,
    "state": _is_text,
    "phase": _is_phase,
    "current": _is_number,
    "total": _or_null(_is_number),
    "status": _is_text,
    "step": _or_null(_fits(STEP)),
    "result": lambda _: True,
    "result_size": _or_null(_is_count),
    "error": _or_null(_fits(ERROR)),
    "attempt": _is_count,
    "max_attempts": _is_count,
    "version": _is_count,
    "queue_position": _or_null(_is_count),
    "queue": _or_null(_is_text),
    "parent_id": _or_null(_is_text),
    "parts": _or_null(_fits(PARTS)),
    "streams": _are_streams,
    "question": _or_null(_fits(QUESTION)),
    "failures": _is_count,
    "resume": _or_null(_fits(RESUME, optional={"task_id"})),
    "files": _or_null(lambda value: _fits(FILES)(value) and all(map(_fits(SHOWN), value["first"]))),
    "created_at": _is_time,
    "scheduled_for": _or_null(_is_time),
    "started_at": _or_null(_is_time),
    "updated_at": _is_time,
    "finished_at": _or_null(_is_time),
}
_fits_snapshot = _fits(SNAPSHOT, optional={"result"})
_is_stream = _fits(STREAM, optional={"format", "file"})
LOG_LINE = {"seq": _is_count, "at": _is_time, "level": _is_text, "text": _is_text}
EVENT = {  # what follows its time, in order
    "phase": _is_phase,
    "attempt": _is_count,
    "status": _is_text,
    "error": _or_null(_fits(ERROR)),
    "worker": _or_null(_is_text),
    "scheduled_for": _or_null(_is_time),
    "answered": _or_null(_fits(ANSWERED, optional={"value"})),
}
FILE = {
    "at": _is_time,
    "name": is_file_name,
    "size": _is_count,
    "type": _matches(MEDIA_TYPE),
    "key": _matches(KEY),
}
FAILURE = {"traceback": _is_text, "environment": _is_text}
