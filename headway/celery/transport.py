"""Kombu's Redis transport, with what Headway needs beyond it.

`headway/celery/backend.py` registers it by name in place of kombu's own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from celery import current_app
from kombu.transport import redis

from headway.celery.backend import LiveBackend
from headway.celery.messages.captured import id_of, readable_request_of
from headway.celery.messages.priorities import HIGH_STEP, steps_with_high

logger = logging.getLogger(__name__)


class Channel(redis.Channel):
    """Kombu's channel, which can be closed at any moment and cancels what it purges.

    Its queues have one more step of priority.
    """

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

    def _purge(self, queue: str) -> int:
        """Empty a queue, cancel its messages' tasks, and return how many messages there were."""
        with self.conn_or_acquire() as client, client.pipeline() as pipe:
            for key in (self._q_for_pri(queue, priority) for priority in self.priority_steps):
                pipe.lrange(f"{self.global_keyprefix}{key}", 0, -1).delete(key)
            raw = [message for messages in pipe.execute()[::2] for message in messages]
        self._cancel(raw)
        return len(raw)

    def _cancel(self, raw: Iterable[bytes]) -> None:
        backend = current_app.backend
        if not isinstance(backend, LiveBackend):
            return
        for text in raw:
            try:
                message = self.Message(json.loads(text), channel=self)
                if task_id := id_of(message):
                    request = readable_request_of(message)
                    backend.mark_as_revoked(task_id, "Purged from its queue", request)
            except Exception:  # one message must not affect the others
                logger.exception("The task of a purged message is not cancelled")


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
