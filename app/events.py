"""The doors of a socket: `watch`, `unwatch`, `watch_mine`. Each call is acknowledged, also when it is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from json import loads
from typing import Any, TypeAlias

from flask import Flask, current_app
from flask_socketio import join_room, leave_room

from app.access import current_owner, is_foreign
from app.api import MOST_IDS, get_records, read_mine
from app.connection import Unavailable
from app.extensions import socketio
from app.fanout import MINE, RoomManager
from app.hearing import Deaf
from app.records import room

Answer: TypeAlias = dict[str, Any]


def origin_allowed(origin: str | None, environ: dict[str, Any]) -> bool:
    """Engine.IO's question at the handshake: the same rule as for requests."""
    app: Flask = environ["flask.app"]
    with app.app_context():
        site, host = environ.get("HTTP_SEC_FETCH_SITE"), environ.get("HTTP_HOST", "")
        return not is_foreign(origin, site, environ["wsgi.url_scheme"], host)


def call(handler: Callable[[dict[str, Any]], Answer]) -> Callable[..., Answer]:
    """Give a handler its payload, an object; answer `{"error": {...}}` to anything else, and when Redis is away."""

    @wraps(handler)
    def guarded(payload: Any = None, *_: Any) -> Answer:
        if not isinstance(payload, dict):
            return _error("bad_payload", "Send one object.")
        try:
            return handler(payload)
        except BadPayload as bad:
            return _error("bad_payload", str(bad))
        except Deaf:
            return _error("unavailable", "Live updates are paused here. Ask again in a moment.")
        except Unavailable:
            return _error("unavailable", "Redis does not answer. Ask again in a moment.")

    return guarded


class BadPayload(ValueError):
    """A call's payload is not of its form; the message says what it takes."""


@socketio.on("watch")
@call
def watch(payload: dict[str, Any]) -> Answer:
    """`{"task_ids", "after": {task_id: seq}}` -> `{"snapshots", "logs", "missing"}`; from then on pushes arrive.

    Subscribed first and read after: what is written in between arrives twice rather than never.
    """
    after, task_ids, fanout = _after(payload), _task_ids(payload), _fanout()
    heard = fanout.heard(task_ids)
    found, missing = read_mine(task_ids, fanout.reader.read)
    for task_id in found:
        join_room(room("task", task_id))
    # What was read before this process heard of the task, or has been followed by news by now, is read again.
    late = [task_id for task_id, stored in found.items() if task_id not in heard or fanout.has_news(task_id, stored)]
    if late:
        fanout.confirm(room("task", task_id) for task_id in late)
        again, gone = read_mine(late, fanout.reader.read)
        found = {task_id: stored for task_id, stored in (found | again).items() if task_id not in gone}
        missing += gone
    logs = {task_id: get_records().tail(task_id, after[task_id]) for task_id in found if task_id in after}
    return {
        "snapshots": [loads(stored.snapshot) for stored in found.values()],
        "logs": logs,
        "missing": missing,
    }


@socketio.on("unwatch")
@call
def unwatch(payload: dict[str, Any]) -> Answer:
    """`{"task_ids"}` -> `{}`."""
    for task_id in _task_ids(payload):
        leave_room(room("task", task_id))
    return {}


@socketio.on("watch_mine")
@call
def watch_mine(payload: dict[str, Any]) -> Answer:
    """`{}` -> `{"snapshots"}`: the owner's newest 50; from then on these and all that the owner starts arrive."""
    owner = current_owner()
    if owner is None:
        return {"snapshots": []}
    name = room("owner", owner)
    join_room(name)
    _fanout().confirm([name])
    return {"snapshots": [loads(snapshot) for snapshot in get_records().owned(owner, MINE)[0]]}


def _fanout() -> RoomManager:
    fanout: RoomManager = current_app.extensions["fanout"]
    return fanout


def _task_ids(payload: dict[str, Any]) -> list[str]:
    task_ids = payload.get("task_ids")
    if not isinstance(task_ids, list) or len(task_ids) > MOST_IDS:
        raise BadPayload(f"task_ids must be a list of at most {MOST_IDS} ids.")
    return [task_id if isinstance(task_id, str) else str(task_id)[:40] for task_id in task_ids]


def _after(payload: dict[str, Any]) -> dict[str, int]:
    after = payload.get("after", {})
    if not isinstance(after, dict) or not all(type(seq) is int and 0 <= seq < 2**53 for seq in after.values()):
        raise BadPayload("after must give a log line's number by task id.")
    return after


def _error(code: str, message: str) -> Answer:
    return {"error": {"code": code, "message": message}}
