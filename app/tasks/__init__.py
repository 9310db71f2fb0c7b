"""The tasks that people may start, and the one way to start one.

A kind of work is a file of its own here; the import below is what puts it on the list.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from celery import Celery
from flask import current_app
from kombu.exceptions import OperationalError

from app.records import Records, Started, Unavailable
from app.tasks import long, mail
from app.tasks.kinds import KINDS, BadArguments

__all__ = ["KINDS", "BadArguments", "UnknownKind", "long", "mail", "send", "start"]

logger = logging.getLogger(__name__)


class UnknownKind(LookupError):
    """No task of that name may be started."""


def start(
    name: str,
    args: Mapping[str, Any],
    *,
    owner: str,
    key: str = "",
    countdown: float = 0.0,
    eta: datetime | None = None,
) -> Started:
    """Start a task for `owner`: in `countdown` seconds, at `eta` (aware), or now.

    The record comes first: once it stands, the message is sent, if not from here then by a keeper.
    Nothing is started when it raises UnknownKind, BadArguments, records.AlreadyUsed, records.TooLate or
    records.Unavailable.
    """
    kind = KINDS.get(name)
    if kind is None:
        raise UnknownKind(name)
    prepared = kind.prepare(args)
    message = {"name": name, "args": [], "kwargs": prepared, "queue": kind.queue}
    records: Records = current_app.extensions["records"]
    celery: Celery = current_app.extensions["celery"]
    started = records.create(
        owner=owner,
        message=message,
        title=kind.title_of(args, prepared),
        max_attempts=current_app.config["MAX_ATTEMPTS"],
        key=key,
        when=_when(countdown, eta),
    )
    if started.verdict == "created":
        _send_now(celery, records, started.task_id, message)
    return started


def send(celery: Celery, task_id: str, message: Mapping[str, Any]) -> None:
    """Hand a task's message to the broker; raises kombu's OperationalError when that does not answer."""
    celery.send_task(
        message["name"],
        args=message["args"],
        kwargs=message["kwargs"],
        queue=message["queue"],
        task_id=task_id,
        retry=False,
    )


def _send_now(celery: Celery, records: Records, task_id: str, message: Mapping[str, Any]) -> None:
    try:
        send(celery, task_id, message)
        records.sent(task_id)
    except (OperationalError, Unavailable) as error:
        logger.warning("Task %s stands in the outbox; a keeper will send it: %s", task_id, error)


def _when(countdown: float, eta: datetime | None) -> str:
    if eta is not None:
        return f"{eta.timestamp() * 1e6:.0f}"
    return f"+{countdown * 1e6:.0f}" if countdown else ""
