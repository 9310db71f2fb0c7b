"""Messages that wait in Redis until it is time to send them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from kombu.utils.json import dumps

from headway.message_headers import owner_of, parent_of
from headway.shapes import TaskMessage
from headway.store.damaged import members, unless_damaged
from headway.store.functions import Functions
from headway.store.messages import decoded, label, title_fragment
from headway.store.model import NO_SOURCE, Delivery, Outcome, Source
from headway.turns import NO_TURN, Existing, Turn


class Outbox:
    """The messages of tasks that wait for their time, or for maintenance to send them."""

    def __init__(self, functions: Functions, ttl: int, cancel_grace: int) -> None:
        self._functions = functions
        self._keys = functions.keys
        self._ttl = ttl
        self._cancel_grace = cancel_grace

    def mark_published(self, task_id: str) -> None:
        """Note that the task's message is with the broker."""
        self._functions.call("mark_published", [self._keys.record(task_id)], [task_id])

    def defer(
        self,
        task_id: str,
        generation: int,
        *,
        message: TaskMessage,
        max_attempts: int,
        when: str,
        run: Delivery,
        source: Source = NO_SOURCE,
        only_attended: bool = False,
        turn: Turn = NO_TURN,
    ) -> Outcome:
        """Keep a message, a Celery signature, until it is time to send it.

        `generation` is the message's own; `run` is the delivery that asks for its own next attempt,
        `Delivery()` for none. Returns "deferred", or "due" if it may be sent now, or why it is
        not kept, such as "busy" when another send of the same id has not ended. With
        `only_attended` that may be "unattended": no worker has swept for a minute, so nobody might
        send it. Raises Existing where one that `turn` says is unique is open.
        """
        task = [label(message["task"]), title_fragment(message), max_attempts]
        kept = [dumps(message), message["options"].get("queue", ""), self._ttl, when]
        whose = [owner_of(message), *turn.args(self._cancel_grace), parent_of(message)]
        args = [task_id, generation, *task, *kept, *run, *source.args, int(only_attended), *whose]
        reply = self._functions.call("defer", [self._keys.record(task_id)], args)
        if isinstance(reply, list):
            raise Existing(reply[1])
        return Outcome(reply)

    def take_due(self, task_id: str) -> TaskMessage | None:
        """Take a kept message that is due, to be sent now; None if it is not wanted.

        Once it is sent, call `mark_published`.
        """
        message = self._functions.call(
            "take_due", [self._keys.record(task_id)], [task_id, self._ttl]
        )
        return decoded(message) if message else None

    def passed_turns(self, task_id: str) -> list[str]:
        """Return which tasks are to be sent now that one of their line has ended."""
        return list(self._functions.call("passed_turns", [self._keys.record(task_id)], []))

    def successor_due(self, task_id: str) -> datetime | None:
        """Return when the next attempt that a task's present run asked for is due.

        None if it asked for none.
        """
        client = self._functions.client
        key = self._keys.shared("outbox")
        micros = unless_damaged(None, client.zscore, key, task_id)
        return None if micros is None else datetime.fromtimestamp(micros / 1e6, UTC)

    def message(self, task_id: str) -> tuple[TaskMessage, str] | None:
        """Return a task's Celery signature and its title; None where they have expired."""
        client: Any = self._functions.client
        message, static = client.hmget(self._keys.record(task_id), "message", "static")
        title = members(static).get("title")
        signature = decoded(message or "")
        return (signature, title) if signature and title and isinstance(title, str) else None
