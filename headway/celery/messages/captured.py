"""Task messages as Celery makes them, captured before they are sent, and their due times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import wraps
from inspect import signature
from numbers import Real
from typing import Any

from celery import Celery
from celery.app.task import Context
from celery.worker.strategy import proto1_to_proto2
from kombu import serialization
from kombu.compression import compress
from kombu.connection import Connection
from kombu.entity import Exchange
from kombu.message import Message
from kombu.transport import virtual

from headway.celery.messages.encoded import SERIALIZER, serializer_of
from headway.store.records import TASK_ID


class CapturingChannel(virtual.Channel):
    """A channel that keeps the last message published on it and delivers none."""

    def basic_publish(
        self, message: dict[str, Any], exchange: str, routing_key: str, **_: Any
    ) -> None:
        self._inplace_augment_message(message, exchange, routing_key)
        self.connection.captured = message

    def exchange_declare(self, *args: Any, **_: Any) -> None:
        """Do nothing: nothing is delivered here."""

    queue_declare = queue_bind = exchange_declare


class CapturingTransport(virtual.Transport):
    Channel = CapturingChannel
    captured: dict[str, Any]


class OutboxProducer:
    """A producer for one task's message, which it hands to `put` instead of a broker.

    So Celery does all that it does for a message: checks, routes, signals, `expires`, the result
    and its parent.
    """

    def __init__(self, put: Callable[[Message], None]) -> None:
        self.connection = Connection(transport=CapturingTransport)
        self._put: Callable[[Message], None] | None = put

    def publish(
        self,
        body: Any,
        routing_key: str = "",
        exchange: Any = "",
        headers: dict[str, Any] | None = None,
        serializer: str | None = None,
        compression: str | None = None,
        **properties: Any,
    ) -> None:
        """Hand a message to `put`, once.

        What Celery publishes next is its task-sent event, which is sent with it later.
        """
        put = self._put
        self._put = None
        if put is None:
            return
        headers = {} if headers is None else headers
        content_type, encoding, text = serialization.dumps(body, serializer)
        if compression:
            text, headers["compression"] = compress(text, compression)
        name = exchange.name if isinstance(exchange, Exchange) else exchange
        put(
            Message(
                text,
                content_type=content_type,
                content_encoding=encoding,
                delivery_info={"exchange": name or "", "routing_key": routing_key},
                properties=properties,
                headers=headers,
                accept=[content_type],
            )
        )


def request_of(message: Message) -> Context:
    """Return the request that a worker makes of a message, in either of Celery's protocols."""
    (args, kwargs, embed), headers = _parts_of(message)
    properties = message.properties
    info = {"priority": properties.get("priority"), "redelivered": False}
    info |= {key: message.delivery_info.get(key) for key in ("exchange", "routing_key")}
    known = {
        "args": args,
        "kwargs": kwargs,
        "properties": properties,
        "reply_to": properties.get("reply_to"),
    }
    known[SERIALIZER] = serializer_of(message.content_type)
    return Context(headers, delivery_info=info, **known, **(embed or {}))


def id_of(message: Any) -> str | None:
    """Return the id of the task that a message names, None where it names none.

    In Celery's protocol 1 it is not in the headers, and these name no task.
    """
    headers = message.headers if isinstance(message.headers, Mapping) else {}
    task_id = headers.get("id")
    if task_id is None and "task" not in headers:
        task_id = (message.properties or {}).get("correlation_id")
    return task_id if isinstance(task_id, str) and TASK_ID.match(task_id) else None


def readable_request_of(message: Any) -> Context:
    """Return the request of a message, without its body if that cannot be read."""
    try:
        (args, kwargs, embed), headers = _parts_of(message)
        known = {**headers, **embed, "args": args, "kwargs": kwargs}
    except Exception:  # another content type, other types
        known = message.headers
    return Context({**known, "delivery_info": message.delivery_info or {}})


def _parts_of(message: Any) -> tuple[Any, Any]:
    """Return the body and the headers of a message, in the form of Celery's protocol 2."""
    payload = message.payload
    if isinstance(payload, dict):
        body, headers, *_ = proto1_to_proto2(message, dict(payload))
        return body, headers
    return payload, message.headers


def without_times(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of `apply_async` without a `countdown` and an `eta`."""
    return {key: value for key, value in options.items() if key not in ("countdown", "eta")}


def is_for_another_broker(options: Mapping[str, Any], app: Celery) -> bool:
    """Whether `apply_async` with these options sends to another broker than the app's."""
    producer = options.get("producer") or options.get("publisher")
    connection = options.get("connection") or (producer and producer.connection)
    if not connection:
        return False
    ours = app.connection_for_write()
    return bool(connection.as_uri(include_password=True) != ours.as_uri(include_password=True))


def expiry_of(task: Any, app: Celery) -> dict[str, str]:
    """Return when a task that is sent now expires, as an option of its message; {} for never.

    A number of seconds counts from now, not from when its message is sent again.
    """
    expires = getattr(task, "expires", None)
    if isinstance(expires, Real):
        expires = app.now() + timedelta(seconds=float(expires))
    return {"expires": expires.isoformat()} if isinstance(expires, datetime) else {}


def due_time(countdown: Any, eta: Any, app: Celery) -> str:
    """Return when a message is due, as `Outbox.defer` takes it: "" for now.

    A countdown takes precedence over an eta.

    Raises ValueError for an invalid time or one beyond the year 9999, TypeError for another type.
    """
    if countdown:
        if not isinstance(countdown, Real):
            raise TypeError(
                f"countdown must be a number of seconds, not {type(countdown).__name__}"
            )
        seconds = _seconds("countdown", countdown)
        return f"+{seconds * 1e6:.0f}" if seconds > 0 else ""
    return eta_in_micros(eta, app) if eta else ""


def name_bad_times(app: Celery) -> None:
    """Have each of an app's sends name a `countdown` or an `expires` that is out of range.

    The tasks of a client are Celery's own, whose error tells neither the name nor the value, and is
    an OverflowError for most.
    """
    amqp = app.amqp
    for version, make in amqp.task_protocols.items():
        amqp.task_protocols[version] = _naming_bad_times(getattr(make, "__wrapped__", make))
    amqp.__dict__.pop("create_task_message", None)  # a cached property, to be made again


def _naming_bad_times(make: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(make)
    def make_message(*args: Any, **options: Any) -> Any:
        try:
            return make(*args, **options)
        except (ValueError, OverflowError):
            given = signature(make).bind(*args, **options).arguments
            for name in ("countdown", "expires"):
                if isinstance(given.get(name), Real):
                    _seconds(name, given[name])
            raise

    return make_message


def _seconds(name: str, value: Any) -> float:
    """Return a number of seconds from now. Raises ValueError if that is no time."""
    try:
        seconds = float(value)
        datetime.now(UTC) + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        raise ValueError(f"{name} is out of range: {value!r:.40}") from None
    return seconds


def eta_in_micros(eta: date | str, app: Celery) -> str:
    """Return a time in microseconds on Redis's clock; without a zone it is in Celery's timezone.

    Raises ValueError for an invalid time, TypeError for another type.
    """
    if not isinstance(eta, date | str):
        raise TypeError(f"eta must be a time, not {type(eta).__name__}")
    when = eta if isinstance(eta, datetime) else datetime.fromisoformat(str(eta))
    aware = when if when.tzinfo else when.replace(tzinfo=app.timezone)
    return f"{aware.timestamp() * 1e6:.0f}"
