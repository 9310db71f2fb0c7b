"""Kombu's Redis transport, with what Headway needs beyond it.

`headway/celery/backend.py` registers it by name in place of kombu's own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import count
from queue import Empty
from typing import Any

from celery import Celery, _state, current_app
from kombu.transport import redis, virtual

from headway.celery.backend import LiveBackend
from headway.celery.messages.captured import id_of, readable_request_of
from headway.celery.messages.priorities import HIGH_STEP, steps_with_high
from headway.store.errors import RedisUnavailable
from headway.throttled import ThrottledLogger

logger = logging.getLogger(__name__)
throttled = ThrottledLogger(logger)

# Of a connection and of Redis. Among kombu's is KeyError too, which a key that is missing raises.
ERRORS = tuple(
    {*redis.Transport.connection_errors, *redis.Transport.channel_errors} - {KeyError, LookupError}
)

_refused = count(1)  # messages of this process


class Message(virtual.Message):
    """Kombu's message, which refuses an entry that could not be acknowledged."""

    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:
        """Read a queue's entry. Raises whatever a malformed one leads to."""
        super().__init__(payload, channel=channel, **options)
        if not isinstance(self.delivery_tag, str):
            raise TypeError("The delivery tag is no text.")
        for name in ("exchange", "routing_key"):
            self.delivery_info[name]
        channel.has_message = True


class Channel(redis.Channel):
    """Kombu's channel, which can be closed at any moment and cancels what it purges.

    Its queues have one more step of priority. What is no message is refused and counted: kombu
    raises its error in the worker's loop, which ends the worker.
    """

    Message = Message
    has_message = False  # of what has been read last: an error is now that of who handles it
    min_priority = HIGH_STEP

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.priority_steps = steps_with_high(self.priority_steps)

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        """Return the parameters of a connection.

        Raises ConnectionError if the channel has lost its connection. Kombu's own raises
        AttributeError, which Celery does not take for a lost connection: it would end the worker
        while a broken channel is closed and gives back its messages.
        """
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("The connection to the broker has been closed.")
        return dict(super()._connparams(asynchronous))

    def _brpop_read(self, **options: Any) -> Any:
        return self._read(super()._brpop_read, **options)

    def _receive_one(self, connection: Any) -> Any:
        with suppress(Empty):  # raised, it would leave unread what has come after it
            return self._read(super()._receive_one, connection)
        return False

    def _read(self, read: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Read and deliver one message. Raises Empty for an entry that is no message."""
        self.has_message = False
        try:
            return read(*args, **options)
        except (Empty, *ERRORS):
            raise
        except Exception as error:
            if self.has_message:
                raise
            throttled.warning(
                "Refused %d unreadable messages so far; the last one: %s",
                next(_refused),
                type(error).__name__,
            )
            raise Empty from None

    def _purge(self, queue: str) -> int:
        """Empty a queue, cancel its messages' tasks, and return how many messages there were."""
        with self.conn_or_acquire() as client, client.pipeline() as pipe:
            for key in (self._q_for_pri(queue, priority) for priority in self.priority_steps):
                pipe.lrange(f"{self.global_keyprefix}{key}", 0, -1).delete(key)
            raw = [message for messages in pipe.execute()[::2] for message in messages]
        self._cancel(raw)
        return len(raw)

    def _cancel(self, raw: Iterable[bytes]) -> None:
        backends = self._backends()
        for text in raw:
            try:
                message = self.Message(json.loads(text), channel=self)
                if task_id := id_of(message):
                    request = readable_request_of(message)
                    knowing = [each for each in backends if _knows(each, task_id)]
                    for backend in knowing or backends:
                        backend.mark_as_revoked(task_id, "Purged from its queue", request)
            except Exception:  # one message must not affect the others
                logger.exception("The task of a purged message is not cancelled")

    def _backends(self) -> list[LiveBackend]:
        """Return the live backends of this process's apps that send to this broker.

        Celery's current app may be another project's, and in another thread is its default one: it
        is asked only where none sends to the broker by this address.
        """
        senders = [app for app in list(_state._get_active_apps()) if self._is_broker_of(app)]
        return _live_backends(senders or [current_app])

    def _is_broker_of(self, app: Celery) -> bool:
        try:
            theirs = app.connection_for_write()
        except Exception:  # another project's settings may be wrong
            return False
        ours = self.connection.client
        return bool(
            ours.as_uri(include_password=True) == theirs.as_uri(include_password=True)
            and self.global_keyprefix == theirs.transport_options.get("global_keyprefix", "")
        )


def _live_backends(apps: Iterable[Celery]) -> list[LiveBackend]:
    found = []
    for app in apps:
        with suppress(Exception):  # another project's settings may be wrong
            found.append(app.backend)
    return [backend for backend in found if isinstance(backend, LiveBackend)]


def _knows(backend: LiveBackend, task_id: str) -> bool:
    """Whether a backend has a task's record; one whose Redis is away does not."""
    with suppress(RedisUnavailable):
        return backend.records.read([task_id]) != [None]
    return False


class Transport(redis.Transport):
    """Kombu's transport, which closes all its channels even if one raises."""

    Channel = Channel

    def close_connection(self, connection: Any) -> None:
        """Close all channels."""
        for channels in (self._avail_channels, self.channels):
            while channels:
                with suppress(*self.connection_errors):
                    channels.pop().close()
        super().close_connection(connection)
