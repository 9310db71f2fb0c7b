"""Tells what Headway publishes from anything else on its channels in Redis."""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from functools import lru_cache
from itertools import count
from typing import Any, TypeAlias

from headway import strict_json
from headway.throttled import ThrottledLogger

logger = ThrottledLogger(logging.getLogger(__name__))

OTHERS = ("forgotten", "log", "stream", "files")

STAMP = re.compile(rb'\["snapshot",\{"task_id":"([^"]*)","version":([0-9]{1,18}),')

# Matches an event up to the last member that most reports change; `record.lua` writes these first.
# The rest is usually the same in a task's next report, so it is parsed once and remembered: parsing
# each event whole took a third of the time that Python spends on its delivery.
_STRING = r'"[^"\\\x00-\x1f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*)*"'
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_SINGLE = f"(?:{_STRING}|{_NUMBER}|null)"
_MEMBER = f"{_STRING}:{_SINGLE}"
_CHANGING = re.compile(
    r'\["snapshot",\{"task_id":"[^"\\\x00-\x1f]*","version":(?:0|[1-9][0-9]{0,17}),'
    rf'"state":{_STRING},"phase":{_STRING},'
    rf'"current":{_SINGLE},"total":{_SINGLE},"status":{_STRING},'
    rf'"step":(?:null|\{{{_MEMBER}(?:,{_MEMBER})*\}}),"updated_at":{_STRING},'
)
MAX_CACHED_CHARS = 2000  # of the rest of an event; longer ones are parsed each time
MAX_CACHED = 4000

Stamp: TypeAlias = tuple[str, int]  # of a snapshot: task id and version

_refused = count(1)


def stamp_of(message: bytes) -> Stamp:
    """Return the stamp of a snapshot event, ("", 0) of any other message.

    `record.lua` writes these two keys first.
    """
    found = STAMP.match(message)
    return (found[1].decode(errors="replace"), int(found[2])) if found else ("", 0)


def is_event(name: str, message: bytes, stamp: Stamp) -> bool:
    """Whether a message with this stamp is an event of this room: a snapshot, or one of OTHERS.

    Anything else is to be refused, and not for browsers.
    """
    kind, task_id = _kind_and_task(message, stamp)
    if name.startswith("task:") and name != f"task:{task_id}":
        return False
    if kind == "snapshot":
        return isinstance(task_id, str) and stamp[0] == task_id
    return kind in OTHERS


def _kind_and_task(message: bytes, stamp: Stamp) -> tuple[Any, Any]:
    """Return an event's kind and its task's id; (None, None) for what is no event."""
    try:
        text = message.decode()
    except ValueError:
        return None, None
    if changing := _CHANGING.match(text):
        rest = text[changing.end() :]
        if len(rest) <= MAX_CACHED_CHARS and _completes_snapshot(rest):
            return "snapshot", stamp[0]
    found = _parse(text)
    if not (isinstance(found, list) and len(found) == 2 and isinstance(found[1], dict)):
        return None, None
    return found[0], found[1].get("task_id")


@lru_cache(MAX_CACHED)
def _completes_snapshot(rest: str) -> bool:
    """Whether these are the last members of a snapshot event, none of them another task id."""
    found = _parse("{" + rest[:-1]) if rest.endswith("]") else None
    return isinstance(found, dict) and bool(found) and "task_id" not in found


def is_object(message: bytes) -> bool:
    """Whether a message of the common channel is an object, as python-socketio sends."""
    with suppress(ValueError):
        if isinstance(_parse(message.decode()), dict):
            return True
    refuse("message queue")
    return False


def refuse(where: str) -> None:
    """Count and log a message that is not for browsers."""
    logger.warning(
        "Refused %d unknown messages from Redis so far; the last one came in the %s",
        next(_refused),
        where,
    )


def _parse(text: str) -> Any:
    """Return a parsed text; None if a browser could not parse it as JSON."""
    try:
        return strict_json.parse(text)
    except ValueError:
        return None
