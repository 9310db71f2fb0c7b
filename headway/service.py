"""Starts tasks, with given arguments or with those of another task."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from kombu.exceptions import OperationalError

from headway.celery.backend import LiveBackend
from headway.celery.following import chord_again, following
from headway.celery.starting import prepare
from headway.files.uploading import UnknownUpload, check, uploads_of
from headway.message_headers import HAS_LINES, PARENT, parent_of, with_headers
from headway.registry import TASK_TYPES, BadArguments, TaskType
from headway.shapes import TaskMessage
from headway.snapshot import Phase, Snapshot
from headway.state import state
from headway.store.errors import RedisUnavailable
from headway.store.model import Outcome, StartResult
from headway.store.records import Records
from headway.system import System

__all__ = [
    "TASK_TYPES",
    "BadArguments",
    "NotKept",
    "UnknownTask",
    "UnknownUpload",
    "due_at",
    "rerun",
    "rerun_failed_parts",
    "start",
    "start_kind",
]

logger = logging.getLogger(__name__)


class UnknownTask(LookupError):
    """No task of this name may be started."""


class NotKept(LookupError):
    """The arguments of a task are no longer available, or its code no longer takes them."""


def start(
    name: str,
    args: Mapping[str, Any],
    *,
    owner: str,
    key: str = "",
    countdown: float = 0.0,
    eta: datetime | None = None,
    priority: str | int | None = None,
) -> StartResult:
    """Start a task for `owner`: in `countdown` seconds, at `eta` (aware), or now.

    `priority` is "high", "normal" or "low", or a number of Celery's; None: the task's own. Another
    text raises TypeError.

    Where it is unique and the owner's is open, that one is returned. The record is written first.
    Once it is, the message will be sent: from here, or by maintenance. Raises UnknownTask,
    BadArguments, UnknownUpload, records.AlreadyUsed, records.TooLate or RedisUnavailable; nothing
    is started then.
    """
    kind = TASK_TYPES.get(name)
    if kind is None:
        raise UnknownTask(name)
    when = due_at(countdown, eta)
    return start_kind(state(), kind, args, owner=owner, key=key, when=when, priority=priority)


def start_kind(
    system: System,
    kind: TaskType,
    args: Mapping[str, Any],
    *,
    owner: str,
    key: str = "",
    when: str = "",
    priority: str | int | None = None,
) -> StartResult:
    """Start a task of any kind in a system; `when` is a time as `due_at` returns it.

    Raises what `start` raises.
    """
    prepared = kind.validate(args)
    uploads = uploads_of(system, kind, prepared, owner)
    check(system, kind, prepared, uploads)
    shown = {path: one.file.name for path, one in uploads.items()}  # by an id nobody knows a file
    title = kind.title_of({**args, **shown}, prepared)
    ordered, named = kind.call.split(prepared)
    return _start(
        system,
        kind.name,
        named,
        kind.queue,
        title,
        args=ordered,
        owner=owner,
        key=key,
        when=when,
        uploads=[one.id for one in uploads.values()],
        priority=priority,
    )


def rerun(task_id: str, *, owner: str, key: str = "", resume: bool = False) -> StartResult:
    """Start a new task with the same arguments as another.

    With `resume` it goes on where that one was saved, if it was; a task has one such continuation,
    which each further `resume` of it returns. A part that has failed or was cancelled gives it its
    place.

    Raises NotKept, UnknownUpload if an upload has expired, and what `start` raises.
    """
    return _rerun(state(), task_id, owner=owner, key=key, resume=resume)


def rerun_failed_parts(task_id: str, *, owner: str, limit: int) -> list[StartResult]:
    """Run the failed parts of a task again, at most `limit` of them, as `rerun` does.

    For the visitor's limits they are one start together. A part whose arguments are not kept stays
    as it is. Raises what `start` raises.
    """
    system = state()
    page, _ = system.records.lists.parts(task_id, limit, [Phase.FAILED])
    started: list[StartResult] = []
    for part in map(Snapshot.from_json, page):
        with suppress(NotKept):
            admitted = bool(started)
            started.append(_rerun(system, part.task_id, owner=owner, is_admitted=admitted))
    return started


def _rerun(
    system: System,
    task_id: str,
    *,
    owner: str,
    key: str = "",
    resume: bool = False,
    is_admitted: bool = False,
) -> StartResult:
    stored = system.records.outbox.message(task_id)
    if stored is None:
        raise NotKept(task_id)
    message, title = stored
    if "encoded" in message:  # its arguments are not JSON, but only JSON can be started
        raise NotKept(task_id)
    try:
        queue = message["options"].get("queue") or system.celery.conf.task_default_queue
        name = message["task"]
        kwargs = message["kwargs"]
        uploads = _uploads_of(system, name, message["args"], kwargs, owner)
        return _start(
            system,
            name,
            kwargs,
            queue,
            title,
            args=message["args"],
            owner=owner,
            # Two continuations would both do what comes after the save: send the same emails.
            key=f"resume {task_id}" if resume else key,
            resume_from=task_id if resume else "",
            uploads=uploads,
            former_part=task_id,
            is_admitted=is_admitted,
            rest=_rest_of(system, task_id, message),
        )
    except (KeyError, TypeError) as error:
        raise NotKept(task_id) from error


def _rest_of(system: System, task_id: str, message: TaskMessage) -> dict[str, Any]:
    """Return what a task in another's place is followed by: what has not followed that one.

    It is of the same parent, so that what follows it stands beside it, too.
    """
    options = message["options"]
    rest = following(options)
    if not rest and not options.get("chord"):
        return rest
    [former] = system.records.read([task_id])
    if former is None or Snapshot.from_json(former.snapshot).phase == Phase.SUCCEEDED:
        return {}
    rest |= chord_again(system.records.client, system.celery.backend, task_id, options)
    parent = parent_of(message)
    return {**rest, "headers": {PARENT: parent}} if parent else rest


def _uploads_of(
    system: System, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], owner: str
) -> list[str]:
    """Return the ids of the uploads among a message's arguments. Raises UnknownUpload."""
    kind = TASK_TYPES.get(name)
    if kind is None or not kind.uploads:
        return []
    found = uploads_of(system, kind, kind.call.joined(args, kwargs), owner)
    return [one.id for one in found.values()]


def due_at(countdown: float, eta: datetime | None) -> str:
    """Return a time in microseconds as `Starts.create` takes it: Unix time, "+delay" or ""."""
    if eta is not None:
        return f"{eta.timestamp() * 1e6:.0f}"
    return f"+{countdown * 1e6:.0f}" if countdown else ""


def _start(
    system: System,
    name: str,
    kwargs: Mapping[str, Any],
    queue: str,
    title: str,
    *,
    args: Sequence[Any] = (),
    owner: str,
    key: str,
    when: str = "",
    resume_from: str = "",
    uploads: Sequence[str] = (),
    former_part: str = "",
    is_admitted: bool = False,
    priority: str | int | None = None,
    rest: Mapping[str, Any] | None = None,
) -> StartResult:
    records = system.records
    celery = system.celery
    if not is_admitted:
        system.admit(name, queue, owner, args, kwargs)
    task_id, message, turn, earliest = prepare(
        celery, name, args, kwargs, queue=queue, owner=owner, priority=priority, rest=rest
    )
    if lines := system.fair_lines(queue, owner):
        turn = turn._replace(line=f"{turn.line} {lines}".lstrip())
        message = with_headers(message, {**message["options"]["headers"], HAS_LINES: True})
    when = when or earliest
    encoder = None if when or rest else system.encoder
    encoded = encoder.write(task_id, message) if encoder else ""
    started = records.starts.create(
        owner=owner,
        message=message,
        title=title,
        max_attempts=system.max_attempts,
        key=key,
        when=when,
        task_id=task_id,
        encoded=encoded,
        resume_from=resume_from,
        former_part=former_part,
        turn=turn,
        uploads=uploads,
    )
    if started.outcome == Outcome.CREATED and not encoded:
        _send_now(celery.backend, records, started.task_id, message)
    return started


def _send_now(backend: LiveBackend, records: Records, task_id: str, message: TaskMessage) -> None:
    try:
        backend.outbox.send(task_id, message)
        records.outbox.mark_published(task_id)
    except (OperationalError, RedisUnavailable) as error:
        logger.warning("Task %s stands in the outbox; maintenance will send it: %s", task_id, error)
