"""The record of each task in Redis: the truth that every page, endpoint and Celery client reads.

One server-side script makes each change: it checks, versions, stores and publishes, atomically, in
one round trip. The scripts are in `headway/store/lua/`; `record.lua` says how a record lies in
Redis.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from uuid import uuid4

from kombu.utils.json import dumps

from headway.message_headers import as_asked, parent_of, send_of
from headway.settings import CANCEL_GRACE_SECONDS, LEASE_SECONDS
from headway.shapes import TaskMessage
from headway.snapshot import fragment, title_line
from headway.store.clock import RedisClock
from headway.store.connection import Client
from headway.store.effects import EffectRecords
from headway.store.files import FileRecords
from headway.store.functions import Functions
from headway.store.history import TaskHistory
from headway.store.keys import PLAIN, Keys
from headway.store.maintenance import MaintenanceRecords
from headway.store.messages import label, search_words
from headway.store.model import AlreadyUsed, ChangeResult, Outcome, Sent, StartResult, TooLate
from headway.store.outbox import Outbox
from headway.store.output import OutputRecords
from headway.store.owner_lists import OwnerLists
from headway.store.queries import Queries
from headway.store.results import ResultReader
from headway.store.runs import RunRecords
from headway.store.schedules import ScheduleRecords
from headway.store.tokens import TokenRecords
from headway.store.uploads import UploadRecords
from headway.turns import NO_TURN, Existing, Turn

TASK_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,127}\Z")
START_SECONDS = 2.0  # a start that takes Redis longer than this is refused, not begun late
PARTS_BATCH = 50  # parts that one call cancels: more would hold Redis up


class Records:
    """All reads and writes of records, over one Redis client.

    Every method raises Unavailable when Redis does not answer in time, or takes no writes.
    """

    def __init__(
        self,
        client: Client,
        ttl_days: float,
        lease_seconds: float = LEASE_SECONDS.default,
        cancel_grace_seconds: float = CANCEL_GRACE_SECONDS.default,
        keys: Keys = PLAIN,
    ) -> None:
        """Set how long a silent worker keeps its tasks, and how long a cancelled run may go on."""
        self.ttl = int(ttl_days * 24 * 3600 * 1000)  # milliseconds
        self.lease_seconds = lease_seconds
        self._lease = int(lease_seconds * 1e6)  # microseconds, as the next
        self._cancel_grace = int(cancel_grace_seconds * 1e6)
        self.keys = keys
        self.functions = Functions(client, keys)
        self.outbox = Outbox(self.functions, self.ttl, self._cancel_grace)
        self.runs = RunRecords(self.functions, self.ttl, self._lease)
        self.output = OutputRecords(self.functions, self.ttl)
        self.effects = EffectRecords(self.functions)
        self.files = FileRecords(self.functions, self.ttl)
        self.uploads = UploadRecords(self.functions, self.ttl)
        self.queries = Queries(self.functions, self.ttl)
        self.results = ResultReader(self.functions)
        self.history = TaskHistory(self.functions)
        self.clock = RedisClock(self.functions)
        self.lists = OwnerLists(self.functions)
        self.read = self.queries.read
        self.tokens = TokenRecords(self.functions)
        self.schedules = ScheduleRecords(self.functions)
        self.maintenance = MaintenanceRecords(self.functions, self.read, self.ttl, self._lease)

    @property
    def client(self) -> Client:
        """The Redis client that all of these use."""
        return self.functions.client

    @client.setter
    def client(self, client: Client) -> None:
        self.functions.client = client

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
        text = dumps(message)
        keys = [self.keys.record(task_id), self.keys.owner(owner)]
        digest = ""
        if key:
            keys.append(self.keys.once(owner, sha256(key.encode()).hexdigest()))
            asked = f"{dumps(as_asked(message))} {when}{resume_from}"
            digest = sha256(asked.encode()).hexdigest()
        name = fragment(message["task"])
        queue = message["options"]["queue"]
        args = [
            task_id,
            owner,
            queue,
            name,
            fragment(title_line(title)),
            max_attempts,
            text,
            self.ttl,
        ]
        send = send_of(message)
        begun = time.monotonic()
        lists = [self.keys.queue(queue, turn.priority), search_words(message)]
        turn_args = [turn.unique, turn.line, int(turn.replaces), self._cancel_grace, turn.priority]
        parts_args = [parent_of(message), former_part]
        sent = [digest, when, encoded, send, *lists, resume_from, *turn_args, *parts_args, *uploads]
        outcome, *found = self.functions.call(
            "create", keys, [*args, self.clock.after(START_SECONDS), *sent]
        )
        if outcome == Outcome.LATE and time.monotonic() - begun < START_SECONDS:
            self.clock.expire()  # it has been put forward
            outcome, *found = self.functions.call(
                "create", keys, [*args, self.clock.after(START_SECONDS), *sent]
            )
        if outcome == Outcome.LATE:
            raise TooLate
        if outcome == Outcome.CONFLICT:
            raise AlreadyUsed
        return StartResult(found[0], found[1], Outcome(outcome))

    def enqueue(self, task_id: str, sent: Sent, encoded: str = "") -> None:
        """Create the record of a task that Celery sends, unless it has one.

        `encoded` is the message in the form of its queue in this Redis, put there together with the
        record; "" if it is sent by other means. Raises Existing, and puts nothing there, for a
        unique task whose owner has an open one.
        """
        title = fragment(title_line(sent.title)) if sent.title else label(sent.name)
        about = [sent.owner, sent.queue, label(sent.name), title, sent.max_attempts]
        args = [
            task_id,
            *about,
            self.ttl,
            sent.when,
            sent.send,
            encoded,
            self.keys.queue(sent.queue, sent.priority),
            sent.unique,
            sent.parent,
            sent.priority,
        ]
        existing = self.functions.call("enqueue", [self.keys.record(task_id)], args)
        if existing:
            raise Existing(existing)

    def forget(self, task_id: str) -> None:
        """Delete everything that is kept of a task, whatever it does, as Celery's clients ask.

        Not its parts: each is a task of its own.
        """
        streams = self.queries.stream_names(task_id)
        self.client.delete(
            *(self.keys.stream(task_id, name) for name in streams),
            self.keys.record(task_id),
            self.keys.log(task_id),
            self.keys.points(task_id),
            self.keys.celery(task_id),
            self.keys.result(task_id),
        )

    def cancel(self, task_id: str) -> ChangeResult:
        """Cancel a task: "cancelled", or "cancelling" if it runs; else "final" or "unknown"."""
        return self._change("cancel", task_id, self._cancel_grace)

    def cancel_all(self, task_id: str) -> ChangeResult:
        """Cancel a task and its parts, as `cancel_parts`; of one that has ended its parts alone."""
        changed = self.cancel(task_id)
        if changed.outcome == Outcome.UNKNOWN or not self.cancel_parts(task_id):
            return changed
        [now] = self.read([task_id])
        outcome = changed.outcome if changed.snapshot else Outcome.CANCELLED
        return ChangeResult(outcome, now.snapshot if now else changed.snapshot)

    def cancel_parts(self, task_id: str) -> int:
        """Cancel the parts of a task that have not ended, and the parts of those, at any depth.

        Those that it starts from now on are cancelled at once. Returns how many were cancelled.
        """
        total = 0
        left = [task_id]
        known = {task_id}
        while left:
            parent = left.pop()
            keys = [self.keys.record(parent)]
            args = [parent, self.ttl, self._cancel_grace, PARTS_BATCH]
            looked = PARTS_BATCH
            while looked == PARTS_BATCH:
                looked, stopped, nested = self.functions.call("cancel_parts", keys, args)
                total += stopped
            left += [part for part in nested if part not in known]
            known.update(nested)
        return total

    def forget_ended(self, task_id: str) -> Outcome:
        """Delete what is kept of a task that has ended, and take it off its owner's list.

        Its parts are forgotten first, if all have ended. No message that comes late begins it
        again. Returns "forgotten"; else "not_final", "unknown", or "busy" while what depends on
        the task is being told of its end.
        """
        outcome = Outcome.PARTS
        while outcome == Outcome.PARTS:
            keys = [self.keys.record(task_id)]
            outcome, *parts = self.functions.call("forget", keys, [task_id])
            refused = {self.forget_ended(part) for part in parts} - {Outcome.FORGOTTEN}
            if refused:
                return refused.pop()
        return Outcome(outcome)

    def reschedule(self, task_id: str, when: str) -> ChangeResult:
        """Change the time of a scheduled or retrying task; `when` is as for `create`.

        The outcome is "scheduled" or, for now, "queued"; else "not_waiting" or "unknown".
        """
        return self._change("reschedule", task_id, when)

    def answer(self, task_id: str, question_id: str, value: str, by: str) -> ChangeResult:
        """Answer a task's question with a JSON text; `by` is who does.

        The outcome is "queued", or "replayed" where this was the answer; else "unknown",
        "not_asked", or "conflict" where another answer counted.
        """
        return self._change("answer", task_id, question_id, value, fragment(by))

    def _change(self, script: str, task_id: str, *args: Any) -> ChangeResult:
        outcome, *snapshot = self.functions.call(
            script, [self.keys.record(task_id)], [task_id, self.ttl, *args]
        )
        return ChangeResult(Outcome(outcome), snapshot[0] if snapshot else None)
