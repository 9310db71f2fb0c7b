"""The record of each task in Redis: the truth that every page, endpoint and Celery client reads.

One server-side script makes each change: it checks, versions, stores and publishes, atomically, in
one round trip. The scripts are in `headway/store/lua/`; `record.lua` says how a record lies in
Redis.
"""

from __future__ import annotations

import re
from typing import Any

from headway.settings import CANCEL_GRACE_SECONDS, LEASE_SECONDS
from headway.snapshot import fragment
from headway.store.clock import RedisClock
from headway.store.connection import Client
from headway.store.devices import DeviceRecords
from headway.store.effects import EffectRecords
from headway.store.files import FileRecords
from headway.store.functions import Functions
from headway.store.history import TaskHistory
from headway.store.keys import PLAIN, Keys
from headway.store.maintenance import MaintenanceRecords
from headway.store.model import ChangeResult, Outcome
from headway.store.outbox import Outbox
from headway.store.output import OutputRecords
from headway.store.owner_lists import OwnerLists
from headway.store.queries import Queries
from headway.store.results import ResultReader
from headway.store.runs import RunRecords
from headway.store.schedules import ScheduleRecords
from headway.store.sockets import SocketRecords
from headway.store.starts import Starts
from headway.store.tokens import TokenRecords
from headway.store.uploads import UploadRecords

TASK_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,127}\Z")
PARTS_BATCH = 50  # parts that one call cancels: more would hold Redis up


class Records:
    """All reads and writes of records, over one Redis client.

    Every method raises RedisUnavailable when Redis does not answer in time, or takes no writes.
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
        self.starts = Starts(self.functions, self.clock, self.ttl, self._cancel_grace)
        self.lists = OwnerLists(self.functions)
        self.read = self.queries.read
        self.devices = DeviceRecords(self.functions)
        self.tokens = TokenRecords(self.functions)
        self.sockets = SocketRecords(self.functions)
        self.schedules = ScheduleRecords(self.functions)
        self.maintenance = MaintenanceRecords(self.functions, self.read, self.ttl, self._lease)

    @property
    def client(self) -> Client:
        """The Redis client that all of these use."""
        return self.functions.client

    @client.setter
    def client(self, client: Client) -> None:
        self.functions.client = client

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
        """Change the time of a scheduled or retrying task; `when` is as for `Starts.create`.

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
