"""Creates a task's record as Celery sends it, so that its owner's page shows it at once.

If the message goes to a queue in the records' Redis, message and record are one write; otherwise
the record follows the message. A task that Headway itself starts has its record already.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from math import inf
from typing import Any
from weakref import WeakKeyDictionary

from celery import Celery
from kombu.connection import Connection

from headway.celery.messages.broker import MessageEncoder, message_encoder
from headway.celery.messages.captured import OutboxProducer, eta_in_micros, is_for_another_broker
from headway.celery.messages.priorities import give_number, has_usual_lists, step_of
from headway.message_headers import OWNER, PARENT, RECORDED, SEND, TITLE, TURN
from headway.store.errors import RedisUnavailable
from headway.store.model import Sent
from headway.store.records import TASK_ID, Records
from headway.store.redis_url import BadURL
from headway.throttled import ThrottledLogger
from headway.turns import NO_TURN, Existing

logger = logging.getLogger(__name__)
throttled = ThrottledLogger(logger)

AWAY_SECONDS = 5.0  # for which sends do not wait for a Redis that has just failed to answer one


class Recorder:
    """Publishes an app's messages and creates the records of their tasks."""

    def __init__(
        self, app: Celery, records: Records, url: str, max_attempts_of: Callable[[str], int]
    ) -> None:
        """Take the records' URL, and a function from a task's name to its number of attempts."""
        self._app = app
        self._records = records
        self._url = url
        self._max_attempts_of = max_attempts_of
        self._is_ours: WeakKeyDictionary[Connection, bool] = WeakKeyDictionary()
        self._away_until = -inf

    def publish(self, producer: Any, body: Any, options: Mapping[str, Any]) -> Any:
        """Publish a message as `producer` does, and create the record of its task.

        There is no record if the message is not a new task's, or the records' Redis is away.
        Raises Existing for a unique task whose owner has an open one.
        """
        turn = (options.get("headers") or {}).pop(TURN, NO_TURN)
        sent = self._sent(producer, options)
        if sent is None:
            return producer.publish(body, **options)
        if not turn.line:  # for a line no worker is there: it is sent at once
            sent = sent._replace(unique=turn.unique)
        task_id = options["headers"]["id"]
        by_name = sent.queue and (not sent.priority or has_usual_lists(self._app.conf))
        encoded = self.encoder.encode(body, options) if by_name and self.encoder else ""
        if encoded and self._record(task_id, sent, encoded):
            return None
        published = producer.publish(body, **options)
        self._record(task_id, sent)
        return published

    def _sent(self, producer: Any, options: Mapping[str, Any]) -> Sent | None:
        """Return what is published; None if its task is to get no record here."""
        headers = options.get("headers") or {}
        task_id = headers.get("id")
        name = headers.get("task")
        eta = headers.get("eta")
        if not isinstance(task_id, str) or not TASK_ID.match(task_id) or not isinstance(name, str):
            return None
        if headers.get(RECORDED) == task_id or headers.get("retries"):
            return None
        if time.monotonic() < self._away_until or not self._is_to_our_broker(producer):
            return None
        try:
            when = eta_in_micros(eta, self._app) if eta else ""
        except (TypeError, ValueError):
            return None
        texts = (headers.get(key) for key in (TITLE, OWNER, SEND, PARENT))
        title, owner, send, parent = (text if isinstance(text, str) else "" for text in texts)
        queue = options.get("routing_key") if options.get("exchange") == "" else ""
        step = step_of(options.get("priority"), self._app.conf)
        attempts = self._max_attempts_of(name)
        about = (name, title, owner, queue or "", when, send, attempts)
        return Sent(*about, parent=parent, priority=step)

    def _is_to_our_broker(self, producer: Any) -> bool:
        connection = producer.connection
        known = self._is_ours.get(connection)
        if known is None:
            known = not is_for_another_broker({"producer": producer}, self._app)
            self._is_ours[connection] = known
        return known

    @cached_property
    def encoder(self) -> MessageEncoder | None:
        """The encoder of messages if the broker is the records' Redis, else None."""
        with suppress(BadURL, AttributeError):  # other forms that Celery takes, such as a list
            return message_encoder(self._app, self._url)
        return None

    def _record(self, task_id: str, sent: Sent, encoded: str = "") -> bool:
        """Create a record, and with it send the message if that is encoded.

        Returns False if that fails: a send must not fail because of its record. Raises Existing.
        """
        if time.monotonic() < self._away_until:
            return False
        try:
            self._records.starts.enqueue(task_id, sent, encoded)
        except Existing:
            raise
        except RedisUnavailable as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            throttled.warning("Tasks are sent without a record, until they are claimed: %s", error)
            return False
        except Exception:
            logger.exception("Task %s has no record until it is claimed", task_id)
            return False
        return True


class RecordingProducer:
    """A kombu producer that creates the records of the tasks it publishes."""

    def __init__(self, producer: Any, recorder: Recorder) -> None:
        self._producer = producer
        self._recorder = recorder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def publish(self, body: Any, **options: Any) -> Any:
        """Publish a message, as kombu's does."""
        return self._recorder.publish(self._producer, body, options)


def record_sends(app: Celery, recorder: Recorder) -> None:
    """Send an app's messages from now on through this recorder, which replaces an earlier one.

    Every way to send a task ends at `app.amqp.send_task_message`, with all headers and routes set.
    """
    amqp = app.amqp

    def make_sender() -> Callable[..., Any]:
        send = type(amqp)._create_task_sender(amqp)

        def send_recorded(producer: Any, name: str, *args: Any, **options: Any) -> Any:
            give_number(name, options, app)
            if not isinstance(producer, OutboxProducer):
                producer = RecordingProducer(producer, recorder)
            return send(producer, name, *args, **options)

        return send_recorded

    amqp._create_task_sender = make_sender
    amqp.__dict__.pop("send_task_message", None)  # a cached property, to be made again
