"""A worker's side of the broker by hand: messages are taken, claimed, given back after their
time, restored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from celery import Celery
from celery.app.task import Context

from headway.celery.storing.fencing import FENCE
from headway.celery.storing.publishing import record_sends
from headway.celery.worker.delivery import keep_until_due
from tests import plain_celery as plain


@contextmanager
def by_protocol(version: int, app: Celery) -> Iterator[None]:
    """Have an app send its messages by a version of Celery's protocol.

    What makes them is chosen at an app's first message, by the setting.
    """
    amqp = app.amqp
    before = amqp.create_task_message
    amqp.create_task_message = amqp.task_protocols[version]
    yield
    amqp.create_task_message = before


class Hand:
    """What one worker of tests/plain_celery.py does with its messages, without one."""

    def __init__(self) -> None:
        self.backend = plain.celery.backend
        # Each thread has a backend of its own; the latest one's recorder sends for all of them.
        record_sends(plain.celery, self.backend.recorder)
        self.records = self.backend.records
        self.redis = self.records.client
        self._connection = plain.celery.connection_for_read()
        self._channel = self._connection.channel()
        self._channel.do_restore = False  # a worker that is killed restores nothing

    def close(self) -> None:
        self._channel.qos._on_collect.cancel()
        self._connection.release()

    def take(self, queue: str = "celery") -> Any:
        """Take the next message, which then is not acknowledged; None for an empty queue."""
        message = self._channel.basic_get(queue)
        if message is not None:
            message.headers[FENCE] = uuid4().hex  # as `mark_delivery` does
        return message

    def claim(self, message: Any) -> str:
        """Claim as a pool process does that got this message."""
        task = plain.celery.tasks[message.headers["task"]]
        with running_as(task, message):
            return str(self.backend.claims.claim(message.headers["id"], task))

    def defer(self, message: Any) -> bool:
        """Defer a message until its time, as a worker does that got it."""
        return keep_until_due(plain.celery.tasks[message.headers["task"]], message)

    def unacked(self) -> list[str]:
        """Return the ids of the tasks whose messages the broker holds."""
        return [json.loads(entry)[0]["headers"]["id"] for entry in self.redis.hvals("unacked")]

    def let_time_pass(self) -> None:
        """Have the broker give back what was not acknowledged within its visibility timeout."""
        for tag in self.redis.zrange("unacked_index", 0, -1):
            self.redis.zadd("unacked_index", {tag: 1000}, xx=True)
        self._channel.qos.restore_visible(interval=1)

    def let_record_expire(self, task_id: str) -> None:
        self.redis.delete(
            f"headway:task:{task_id}", f"headway:log:{task_id}", f"celery-task-meta-{task_id}"
        )

    def lose_worker(self, task_id: str) -> None:
        """Have the lease of a run end, and maintenance see it."""
        self.redis.zadd("headway:leases", {task_id: 1})
        self.keep()

    def keep(self) -> list[str]:
        """Do a round of maintenance, as if rounds were done all the time.

        Returns whose messages were sent.
        """
        self.redis.set("headway:last_sweep", self.records.clock.now())
        self.redis.delete("headway:grace")
        due = self.records.maintenance.sweep("leader").due
        for task_id, message in due:
            self.backend.outbox.send(task_id, message)
            self.records.outbox.mark_published(task_id)
        return [task_id for task_id, _ in due]

    def snapshot(self, task_id: str) -> dict[str, Any]:
        [stored] = self.records.read([task_id])
        return json.loads(stored.snapshot) if stored else {}

    def phase(self, task_id: str) -> str:
        [stored] = self.records.read([task_id])
        return str(json.loads(stored.snapshot)["phase"]) if stored else "none"


@contextmanager
def running_as(task: Any, message: Any) -> Iterator[Context]:
    """Let `task` run for a message, in this thread."""
    args, kwargs, embed = message.payload
    details = {"properties": message.properties, "delivery_info": message.delivery_info}
    request = {**message.headers, "args": args, "kwargs": kwargs, **details, **embed}
    task.push_request(**request, called_directly=False)
    try:
        yield task.request
    finally:
        task.pop_request()
