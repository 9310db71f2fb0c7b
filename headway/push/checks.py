"""Tells what Headway publishes from anything else on its channels in Redis."""

from __future__ import annotations

import logging
import re
from itertools import count
from typing import Any, TypeAlias

from headway import strict_json
from headway.throttled import ThrottledLogger

logger = ThrottledLogger(logging.getLogger(__name__))

OTHERS = ("forgotten", "log", "stream", "files")

STAMP = re.compile(rb'\["snapshot",\{"task_id":"([^"]*)","version":([0-9]{1,18}),')

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

    Anything else is logged, and not for browsers.
    """
    if _is_of(name, stamp, _parse(message)):
        return True
    _count(f"room {name}")
    return False


def is_object(message: bytes) -> bool:
    """Whether a message of the common channel is an object, as python-socketio sends."""
    if isinstance(_parse(message), dict):
        return True
    _count("message queue")
    return False


def _is_of(name: str, stamp: Stamp, found: Any) -> bool:
    if not (isinstance(found, list) and len(found) == 2 and isinstance(found[1], dict)):
        return False
    kind, payload = found
    task_id = payload.get("task_id")
    if name.startswith("task:") and name != f"task:{task_id}":
        return False
    if kind == "snapshot":
        return isinstance(task_id, str) and stamp[0] == task_id
    return kind in OTHERS


def _parse(message: bytes) -> Any:
    """Return a parsed message; None if a browser could not parse it as JSON."""
    try:
        return strict_json.parse(message.decode())
    except ValueError:
        return None


def _count(where: str) -> None:
    logger.warning(
        "Refused %d unknown messages from Redis so far; the last one came in the %s",
        next(_refused),
        where,
    )
