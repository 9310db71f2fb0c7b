"""Celery's broker in a Redis: encodes messages, looks for them in queues, ends connections."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from celery import Celery
from kombu.connection import Connection
from kombu.exceptions import OperationalError
from kombu.messaging import Producer
from kombu.utils.json import dumps

from headway.celery.messages.captured import CapturingTransport
from headway.celery.messages.priorities import has_usual_lists
from headway.shapes import TaskMessage
from headway.store.checks import Finding, Mark
from headway.store.names import look_up
from headway.store.redis_url import BadURL, normalize_broker

CHECK_SECONDS = 2.0
SLICE = 1000  # messages read at a time, so that Redis is not held up


class FailFastCelery(Celery):
    """Celery that soon gives up on a broker that hangs; the outbox has the message all the same.

    A new connection to such a broker takes two timeouts: redis-py 8 ignores the first one in its
    handshake.
    """

    def connection_for_write(self, url: str | None = None, **options: Any) -> Any:
        """Return a connection to send by, as Celery's own does."""
        impatient = {"socket_timeout": 1, "max_retries": 0} | (
            options.pop("transport_options", None) or {}
        )
        url = normalize_broker(url or self.conf.broker_write_url)
        return super().connection_for_write(url, transport_options=impatient, **options)

    def connection_for_read(self, url: str | None = None, **options: Any) -> Any:
        """Return a connection to receive by, as Celery's own does.

        The URL is normalized here, because Celery prefers the environment's to any setting.
        """
        return super().connection_for_read(
            normalize_broker(url or self.conf.broker_read_url), **options
        )


class _Producer(Producer):
    """A producer that declares nothing: the list that is a queue needs no declaration."""

    def maybe_declare(self, entity: Any, retry: bool = False, **retry_policy: Any) -> None:
        """Do nothing; kombu would copy and bind the queue and its exchange."""


class MessageEncoder:
    """Encodes messages as a Redis broker's queues hold them, to write one together with its record.

    Celery makes them, with its routes and signals; `after_task_publish` then comes before the
    message is sent.
    """

    def __init__(self, celery: Celery) -> None:
        self._celery = celery
        self._connection = Connection(transport=CapturingTransport)
        self._producer = _Producer(self._connection, auto_declare=False)
        self._lock = threading.Lock()

    def write(self, task_id: str, message: TaskMessage) -> str:
        """Return a message, a Celery signature, as the text that its queue's list stores.

        "" for a message stored elsewhere: one for an exchange, or with a priority where the
        project has other steps of these than kombu.
        """
        with self._lock:
            self._celery.signature(message).apply_async(
                task_id=task_id, producer=self._producer, retry=False
            )
            return self._text()

    def encode(self, body: Any, options: Mapping[str, Any]) -> str:
        """Return the same for the message that a producer's `publish` would send."""
        with self._lock:
            self._producer.publish(body, **{**options, "retry": False})
            return self._text()

    def _text(self) -> str:
        message = self._connection.transport.captured
        properties = message["properties"]
        has_list = not properties["priority"] or has_usual_lists(self._celery.conf)
        return dumps(message) if has_list and not properties["delivery_info"]["exchange"] else ""


def message_encoder(celery: Celery, url: str) -> MessageEncoder | None:
    """Return an encoder if the broker's queues are at `url`.

    None otherwise, and if Celery sends an event with each message.
    """
    conf = celery.conf
    there = _is_at(url, conf.broker_write_url) and not conf.broker_use_ssl
    return MessageEncoder(celery) if there and not conf.task_send_sent_event else None


def _is_at(url: str, broker: str | Sequence[str] | None) -> bool:
    """Whether the only broker that a setting names is the one at this normalized URL."""
    named = broker if isinstance(broker, str) else ";".join(broker or ())
    try:
        return normalize_broker(named) == url
    except BadURL:  # of a project whose broker is its own affair
        return False


def timeouts(broker: str | Sequence[str] | None, seconds: float) -> dict[str, float]:
    """Return the transport options that give up on a broker that is silent for `seconds`.

    Empty unless that is a Redis: other transports do not accept them.
    """
    first = broker if isinstance(broker, str) else next(iter(broker or ()), "")
    is_redis = first.startswith(("redis://", "rediss://"))
    return {"socket_timeout": seconds, "socket_connect_timeout": seconds} if is_redis else {}


def findings(
    broker: str | Sequence[str] | None, connect: Callable[..., Any] = Connection
) -> Iterator[Finding]:
    """Yield whether a broker answers, for `headway doctor`."""
    options = timeouts(broker, CHECK_SECONDS)
    with connect(broker, connect_timeout=CHECK_SECONDS, transport_options=options) as connection:
        try:
            look_up(connection.hostname or "localhost")
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=CHECK_SECONDS)
        except TimeoutError as error:
            yield Finding(Mark.BAD, "broker", str(error))
        except OperationalError as error:
            why = type(
                error.__cause__ or error
            ).__name__  # not the library's message, which may hold the URL
            yield Finding(
                Mark.BAD, "broker", f"does not answer ({why}): see CELERY_BROKER_URL, or broker_url"
            )
        else:
            port = connection.port or connection.default_port
            yield Finding(Mark.GOOD, "broker", f"{connection.hostname}:{port} answers")


def missing(celery: Celery, queue: str, task_ids: Iterable[str]) -> set[str]:
    """Return which of the tasks have no message in this queue.

    Reads from the consumers' end, where the tasks that have waited longest are. Another broker than
    Redis redelivers by itself, so there none is missing. Raises kombu's OperationalError.
    """
    with celery.connection_for_read() as connection:
        if connection.transport.driver_type != "redis":
            return set()
        try:
            return _missing(connection.default_channel, queue, set(task_ids))
        except connection.connection_errors as error:
            raise OperationalError(str(error)) from error


def withdraw(celery: Celery, task_ids: Iterable[str]) -> None:
    """Remove unacknowledged messages of tasks whose workers died; they would come back in days.

    Raises kombu's OperationalError.
    """
    wanted = set(task_ids)
    with celery.connection_for_read() as connection:
        if connection.transport.driver_type != "redis":
            return
        channel = connection.default_channel
        try:
            for tag, entry in channel.client.hscan_iter(
                f"{channel.global_keyprefix}{channel.unacked_key}"
            ):
                if _task_id(entry) in wanted:
                    channel.qos._remove_from_indices(tag).execute()
        except connection.connection_errors as error:
            raise OperationalError(str(error)) from error


def break_off(connection: Any) -> None:
    """Shut down a worker's connection from another thread, so that its reads fail at once.

    The worker then connects again.
    """
    if connection is None or connection.transport.driver_type != "redis":
        return
    for channel in list(connection.transport.cycle._channels):
        for client in (channel.__dict__.get("client"), channel.__dict__.get("subclient")):
            sock = getattr(getattr(client, "connection", None), "_sock", None)
            if sock is not None:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)


def _task_id(text: str | bytes) -> str | None:
    """Return the task id in a queued or unacknowledged message; None without one."""
    try:
        found = json.loads(text)
        message = found[0] if isinstance(found, list) else found
        # Protocol 1 has no headers; in both, correlation_id is the task's id.
        task_id = message["headers"].get("id") or message["properties"]["correlation_id"]
    except (ValueError, LookupError, TypeError, AttributeError):  # not Celery's
        return None
    return task_id if isinstance(task_id, str) else None


def _missing(channel: Any, queue: str, wanted: set[str]) -> set[str]:
    for priority in channel.priority_steps:
        # Kombu's client adds the prefix to the keys of some commands, and not to LRANGE's.
        key = f"{channel.global_keyprefix}{channel._q_for_pri(queue, priority)}"
        end = -1
        while wanted and (messages := channel.client.lrange(key, end - SLICE + 1, end)):
            wanted -= {_task_id(message) for message in messages}
            end -= SLICE
    return wanted
