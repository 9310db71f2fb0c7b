"""Makes the records of tasks that are started."""

from __future__ import annotations

import time
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import uuid4

from kombu.utils.json import dumps

from headway.message_headers import as_asked, parent_of, send_of
from headway.shapes import TaskMessage
from headway.snapshot import fragment, title_line
from headway.store.clock import RedisClock
from headway.store.functions import Functions
from headway.store.messages import label, search_words
from headway.store.model import AlreadyUsed, Outcome, Sent, StartResult, TooLate
from headway.turns import NO_TURN, Existing, Turn

START_SECONDS = 2.0  # a start that takes Redis longer than this is refused, not begun late


REFUSALS = {Outcome.LATE: TooLate, Outcome.CONFLICT: AlreadyUsed}


class CreateArgs(NamedTuple):
    """What create.lua is called with, in its order and by its names; uploads' ids follow.

    Packed into one JSON text they would cost Redis 3 us more at each start.
    """

    id: str
    owner: str
    queue: str
    name: str
    title: str
    max_attempts: int
    message: str
    ttl: int
    deadline: int
    digest: str
    at: str
    encoded: str
    send: str
    list: str
    words: str
    source: str
    unique: str
    line: str
    replaces: int
    grace: int
    priority: int
    parent: str
    former_part: str


class EnqueueArgs(NamedTuple):
    """What enqueue.lua is called with, likewise."""

    id: str
    owner: str
    queue: str
    name: str
    title: str
    max_attempts: int
    ttl: int
    at: str
    send: str
    message: str
    list: str
    unique: str
    parent: str
    priority: int


class Starts:
    """Creates records: of what Headway starts, and of what Celery sends."""

    def __init__(
        self, functions: Functions, clock: RedisClock, ttl: int, cancel_grace: int
    ) -> None:
        self._functions = functions
        self._keys = functions.keys
        self._clock = clock
        self._ttl = ttl
        self._cancel_grace = cancel_grace

    def create(
        self,
        *,
        owner: str,
        message: TaskMessage,
        title: str,
        max_attempts: int,
        key: str = "",
        when: str = "",
        task_id: str = "",
        encoded: str = "",
        resume_from: str = "",
        former_part: str = "",
        turn: Turn = NO_TURN,
        uploads: Sequence[str] = (),
    ) -> StartResult:
        """Create the record of a task; `message` is its Celery signature, with a queue.

        `when` is "" for now, "+<microseconds>" from now, or "<microseconds>" on Redis's clock.
        `encoded` is the message in the queue's own form, put there together with the record;
        without it the message is not sent yet. `resume_from` is a task like it at whose last
        save it goes on, if there is one; `former_part` is one that has failed and whose place
        it takes among the parts of a task. The same `key` of the same owner gives the same task.
        Where `turn` says that another is open already, that one is returned, or replaced.
        `uploads` are the ids of those among its arguments, which are kept as long as the task.
        Raises AlreadyUsed if the key came with another message, TooLate after START_SECONDS.
        """
        task_id = task_id or str(uuid4())
        once, digest = self._once(owner, key, message, f"{when}{resume_from}")
        queue = message["options"]["queue"]
        args = CreateArgs(
            id=task_id,
            owner=owner,
            queue=queue,
            name=fragment(message["task"]),
            title=fragment(title_line(title)),
            max_attempts=max_attempts,
            message=dumps(message),
            ttl=self._ttl,
            deadline=self._clock.after(START_SECONDS),
            digest=digest,
            at=when,
            encoded=encoded,
            send=send_of(message),
            list=self._keys.queue(queue, turn.priority),
            words=search_words(message),
            source=resume_from,
            unique=turn.unique,
            line=turn.line,
            replaces=int(turn.replaces),
            grace=self._cancel_grace,
            priority=turn.priority,
            parent=parent_of(message),
            former_part=former_part,
        )
        keys = [self._keys.record(task_id), *once]
        outcome, *found = self._create_in_time(keys, args, uploads)
        if outcome in REFUSALS:
            raise REFUSALS[outcome]
        return StartResult(found[0], found[1], Outcome(outcome))

    def _once(self, owner: str, key: str, message: TaskMessage, how: str) -> tuple[list[str], str]:
        """Return the key in Redis of an idempotency key, if there is one, and a digest of a start.

        The same key may come again with the same digest only.
        """
        if not key:
            return [], ""
        of_key = sha256(key.encode()).hexdigest()
        asked = f"{dumps(as_asked(message))} {how}"
        return [self._keys.once(owner, of_key)], sha256(asked.encode()).hexdigest()

    def _create_in_time(self, keys: Sequence[str], args: CreateArgs, uploads: Sequence[str]) -> Any:
        """Call the script, which refuses once its deadline has passed."""
        began = time.monotonic()
        reply = self._functions.call("create", keys, [*args, *uploads])
        if reply[0] == Outcome.LATE and time.monotonic() - began < START_SECONDS:
            self._clock.expire()  # it has been put forward
            args = args._replace(deadline=self._clock.after(START_SECONDS))
            reply = self._functions.call("create", keys, [*args, *uploads])
        return reply

    def enqueue(self, task_id: str, sent: Sent, encoded: str = "") -> None:
        """Create the record of a task that Celery sends, unless it has one.

        `encoded` is the message in the form of its queue in this Redis, put there together with the
        record; "" if it is sent by other means. Raises Existing, and puts nothing there, for a
        unique task whose owner has an open one.
        """
        title = fragment(title_line(sent.title)) if sent.title else label(sent.name)
        args = EnqueueArgs(
            id=task_id,
            owner=sent.owner,
            queue=sent.queue,
            name=label(sent.name),
            title=title,
            max_attempts=sent.max_attempts,
            ttl=self._ttl,
            at=sent.when,
            send=sent.send,
            message=encoded,
            list=self._keys.queue(sent.queue, sent.priority),
            unique=sent.unique,
            parent=sent.parent,
            priority=sent.priority,
        )
        existing = self._functions.call("enqueue", [self._keys.record(task_id)], args)
        if existing:
            raise Existing(existing)
