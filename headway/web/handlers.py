"""The events that a socket's client may send: `watch`, `unwatch`, `watch_mine`.

Each is acknowledged, even when it is refused. The handlers are registered at python-socketio's
server itself: Flask-SocketIO makes a request context for each event, which costs more than the
event.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import wraps
from json import loads
from typing import Any, TypeAlias

from flask import Flask
from werkzeug.exceptions import HTTPException

from headway.limits import LimitReached, counted
from headway.push.resync import MINE
from headway.push.revocations import LOGIN, Login
from headway.push.subscriber import SubscriptionTimeout
from headway.snapshot import Phase
from headway.state import state_of
from headway.store.errors import SENTENCES, RedisUnavailable
from headway.store.keys import room
from headway.store.model import LogPage, StreamPage
from headway.web.api.payloads import TASK_IDS
from headway.web.api.reading import read_mine
from headway.web.requests.limiting import count_event, owner_of_socket
from headway.web.requests.owners import cookie_sessions
from headway.web.requests.viewers import Viewer, current_viewer, viewer_of

logger = logging.getLogger(__name__)

NAMESPACE = "/"

MAX_STREAM_BYTES = 128 * 1024  # of text in one answer
MAX_LOG_BYTES = 128 * 1024  # of lines; a client with too much to take is disconnected

Answer: TypeAlias = dict[str, Any]
Had: TypeAlias = dict[str, tuple[int, int | None]]  # offset and epoch by a stream's name


class TooManyWatches(Exception):
    """A websocket would watch more tasks than it may; the message says how many these are."""


class BadPayload(ValueError):
    """A malformed payload; the message says what the event takes."""


BAD_STREAMS = "streams must give a byte offset by task id and by a stream's name."


def guarded(handler: Callable[[str, dict[str, Any]], Answer]) -> Callable[..., Answer]:
    """Wrap a handler so that it gets an object as payload and its errors are acknowledged.

    The acknowledgement is `{"error": {...}}` for any other payload, and when Redis is away.
    """

    @wraps(handler)
    def answer(sid: str, payload: Any = None, *_: Any) -> Answer:
        if not isinstance(payload, dict):
            return _error("bad_payload", "Send one object.")
        try:
            return handler(sid, payload)
        except tuple(FAILURES) as failure:
            return next(of(failure) for kind, of in FAILURES.items() if isinstance(failure, kind))
        except Exception:
            logger.exception("A websocket's %s could not be answered", handler.__name__)
            return _error("internal_error", "Something went wrong here. It has been logged.")

    return answer


class SocketHandlers:
    """Handles the events of an app's sockets."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._records = state_of(app).records
        self._fanout = state_of(app).manager

    def open(self) -> None:
        """Register the handlers at the app's Socket.IO server."""
        server = self._fanout.server
        for handler in (self.watch, self.unwatch, self.watch_mine):
            server.on(handler.__name__, guarded(handler))

    def watch(self, sid: str, payload: dict[str, Any]) -> Answer:
        """Watch tasks, whose pushes arrive from then on, and return what they show now.

        `{"task_ids", "after": {task_id: seq}, "streams": {task_id: {name: offset}}}` ->
        `{"snapshots", "logs", "streams", "missing"}`. Subscribes first and reads after that: a
        write in between arrives twice rather than never.
        """
        after = _after(payload)
        had = _streams(payload)
        task_ids = _task_ids(payload)
        self._count(sid, "reads", task_ids)
        viewer = self._viewer(sid)
        fanout = self._fanout
        subscriptions = fanout.subscriptions(task_ids)
        found, missing = read_mine(task_ids, viewer, fanout.reader.read)
        for task_id in found:
            fanout.enter_room(sid, NAMESPACE, room("task", task_id))
        # Read again what was read before this process had subscribed to the task, or while its last
        # other viewer left, and what is outdated by a push.
        kept = dict(fanout.subscriptions(found).items() & subscriptions.items())
        late = [
            task_id
            for task_id, one in found.items()
            if task_id not in kept or fanout.has_news(task_id, one)
        ]
        if late:
            fanout.confirm(room("task", task_id) for task_id in late)
            again, gone = read_mine(late, viewer, fanout.reader.read)
            found = {
                task_id: stored
                for task_id, stored in (found | again).items()
                if task_id not in gone
            }
            missing += gone
        return {
            "snapshots": [loads(stored.snapshot) for stored in found.values()],
            "logs": self._read_logs({id: after[id] for id in found if id in after}),
            "streams": self._read_streams({id: had[id] for id in found if id in had}),
            "missing": missing,
        }

    def _read_logs(self, after: dict[str, int]) -> dict[str, LogPage]:
        """Return the newest lines of these tasks, MAX_LOG_BYTES in all, the same share for each."""
        share = MAX_LOG_BYTES // max(1, len(after))
        read = self._records.queries.read_log
        return {task_id: read(task_id, seq, share) for task_id, seq in after.items()}

    def _read_streams(self, had: dict[str, Had]) -> dict[str, dict[str, StreamPage]]:
        """Return these tasks' streams, MAX_STREAM_BYTES of text in all."""
        left = MAX_STREAM_BYTES
        found: dict[str, dict[str, StreamPage]] = {}
        for task_id, of_task in had.items():
            pages = self._records.queries.read_streams(task_id, of_task, max_bytes=left)
            left -= sum(page["next"] - page["offset"] for page in pages.values())
            found[task_id] = pages
        return found

    def unwatch(self, sid: str, payload: dict[str, Any]) -> Answer:
        """Stop watching tasks: `{"task_ids"}` -> `{}`."""
        for task_id in _task_ids(payload):
            self._fanout.leave_room(sid, NAMESPACE, room("task", task_id))
        return {}

    def watch_mine(self, sid: str, payload: dict[str, Any]) -> Answer:
        """Watch all tasks of the owner, also those started later, and return the newest 50.

        `{}` -> `{"snapshots", "counts"}`: before the newest, older ones that have not ended, and
        how many are kept in each phase. With a token for some tasks, it watches those.
        """
        self._count(sid, "lists")
        viewer = self._viewer(sid)
        if viewer.granted_ids:
            snapshots = self.watch(sid, {"task_ids": [*viewer.granted_ids]})["snapshots"]
            phases = [snapshot["phase"] for snapshot in snapshots]
            return {
                "snapshots": snapshots,
                "counts": {phase.value: phases.count(phase) for phase in Phase},
            }
        if viewer.grant is not None and self._records.tokens.is_revoked(viewer.grant):
            viewer = viewer._replace(grant=None)
        counts = dict.fromkeys((phase.value for phase in Phase), 0)
        if viewer.lists is None:
            return {"snapshots": [], "counts": counts}
        name = room("owner", viewer.lists)
        self._fanout.enter_room(sid, NAMESPACE, name)
        self._fanout.confirm([name])
        found = self._records.lists.newest_and_open(viewer.lists, MINE)[0]
        counted = self._records.lists.counts(viewer.lists)
        return {"snapshots": [loads(snapshot) for snapshot in found], "counts": counts | counted}

    def _count(self, sid: str, kind: str, task_ids: Sequence[str] = ()) -> None:
        """Count an event, and what it watches besides. Raises LimitReached, TooManyWatches."""
        limits = state_of(self._app).limits
        if not limits.are_on:
            return
        rooms = {room("task", task_id) for task_id in task_ids}
        watched = {
            each for each in self._fanout.get_rooms(sid, NAMESPACE) if each.startswith("task:")
        }
        if len(rooms | watched) > limits.max_watches:
            raise TooManyWatches(
                f"A websocket watches at most {counted(limits.max_watches, 'task')}: "
                "unwatch some, then watch these."
            )
        count_event(self._app, kind, self._fanout.server.get_environ(sid) or {})

    def _viewer(self, sid: str) -> Viewer:
        """Return the viewer of a socket: its handshake's visitor, or as the owner loader says."""
        environ = self._fanout.server.get_environ(sid)
        if environ is None:  # the socket has ended
            return Viewer(None)
        sessions = cookie_sessions(self._app)
        if sessions is None or self._app.config["HEADWAY_VISIBLE"] is not None:
            with self._app.request_context(environ):
                viewer = current_viewer()
            if viewer.owner and LOGIN not in environ:
                environ[LOGIN] = Login(viewer.owner, time.time())
            return viewer
        return viewer_of(self._app, environ, owner_of_socket(self._app, environ))


def _task_ids(payload: dict[str, Any]) -> list[str]:
    task_ids = payload.get("task_ids")
    if not isinstance(task_ids, list) or len(task_ids) > TASK_IDS.most:
        raise BadPayload(f"task_ids must be a list of at most {TASK_IDS.most} ids.")
    return [task_id if isinstance(task_id, str) else str(task_id)[:40] for task_id in task_ids]


def _after(payload: dict[str, Any]) -> dict[str, int]:
    after = payload.get("after", {})
    if not isinstance(after, dict) or not all(
        type(seq) is int and 0 <= seq < 2**53 for seq in after.values()
    ):
        raise BadPayload("after must give a log line's number by task id.")
    return after


def _streams(payload: dict[str, Any]) -> dict[str, Had]:
    """Return how much of which streams a client has, by task id."""
    found: dict[str, Had] = {}
    by_task = payload.get("streams", {})
    if not isinstance(by_task, dict):
        raise BadPayload(BAD_STREAMS)
    for task_id, by_name in by_task.items():
        if not isinstance(by_name, dict):
            raise BadPayload(BAD_STREAMS)
        found[task_id] = {name: _had(value) for name, value in by_name.items()}
    return found


def _had(value: Any) -> tuple[int, int | None]:
    """Return offset and epoch, of an offset or `{"offset", "epoch"}`."""
    if not isinstance(value, dict):
        return _number(value), None
    epoch = value.get("epoch")
    return _number(value.get("offset")), None if epoch is None else _number(epoch)


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        raise BadPayload(BAD_STREAMS)
    return value


def _error(code: str, message: str) -> Answer:
    return {"error": {"code": code, "message": message}}


def _unavailable(error: RedisUnavailable) -> Answer:
    return _error("unavailable", f"{SENTENCES[error.reason]}. Try again in a moment.")


def _refused_by_app(refusal: HTTPException) -> Answer:
    code = refusal.name.lower().replace(" ", "_")
    return _error(code, refusal.description or refusal.name)


# How calls that end with these exceptions are acknowledged.
FAILURES: dict[type[Exception], Callable[[Any], Answer]] = {
    # JSON may say so, and Redis can store no such name.
    UnicodeEncodeError: lambda _: _error("bad_payload", "A text holds half a surrogate pair."),
    BadPayload: lambda bad: _error("bad_payload", str(bad)),
    TooManyWatches: lambda error: _error("too_many_watches", str(error)),
    LimitReached: lambda reached: _error("rate_limited", str(reached)),
    SubscriptionTimeout: lambda _: _error(
        "unavailable", "Live updates are paused. Try again in a moment."
    ),
    RedisUnavailable: _unavailable,
    HTTPException: _refused_by_app,  # as by `abort(401)` in an owner loader
}
