"""Celery's broker where it is a Redis: what its queues hold, and how a connection to it is broken off."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

SLICE = 1000  # messages read at a time, so that Redis is not held up


def missing(celery: Celery, queue: str, task_ids: Iterable[str]) -> set[str]:
    """Return which of the tasks have no message in this queue.

    Reads from the end that is taken from, for the tasks that have waited longest are there. A broker that is no Redis
    delivers again by itself: none is missing. Raises kombu's OperationalError.
    """
    with celery.connection_for_read() as connection:
        if connection.transport.driver_type != "redis":
            return set()
        try:
            return _missing(connection.default_channel, queue, set(task_ids))
        except connection.connection_errors as error:
            raise OperationalError(str(error)) from error


def break_off(connection: Any) -> None:
    """End the reads of a worker's connection from another thread: they fail at once, and the worker connects anew."""
    if connection is None or connection.transport.driver_type != "redis":
        return
    for channel in list(connection.transport.cycle._channels):
        for client in (channel.__dict__.get("client"), channel.__dict__.get("subclient")):
            sock = getattr(getattr(client, "connection", None), "_sock", None)
            if sock is not None:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)


def _missing(channel: Any, queue: str, wanted: set[str]) -> set[str]:
    for priority in channel.priority_steps:
        key, end = channel._q_for_pri(queue, priority), -1
        while wanted and (messages := channel.client.lrange(key, end - SLICE + 1, end)):
            wanted -= {json.loads(message)["headers"].get("id") for message in messages}
            end -= SLICE
    return wanted
