"""What workers and their maintenance do with the records of all tasks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from itertools import chain
from uuid import uuid4

from kombu.utils.json import dumps

from headway.snapshot import rfc3339
from headway.store.damaged import count, unless_damaged
from headway.store.errors import Reason, RedisUnavailable
from headway.store.functions import Functions
from headway.store.messages import decoded
from headway.store.model import Paused, Sweep, TaskRecord
from headway.store.queries import READ_BATCH
from headway.store.restored import NOT_SEEN, Seen

UNCONFIRMED_BATCH = 1000  # tasks of each queue
UNUSED_US = 24 * 3600 * 1_000_000  # for which nobody has called a library that is deleted

Read = Callable[[Sequence[str]], list[TaskRecord | None]]


class MaintenanceRecords:
    """Heartbeats of workers, and sweeps for lost, due and ended tasks."""

    def __init__(self, functions: Functions, read: Read, ttl: int, lease: int) -> None:
        self._functions = functions
        self._keys = functions.keys
        self._read = read
        self._ttl = ttl
        self._lease = lease

    def heartbeat(
        self,
        worker: str,
        slots: int,
        running: Iterable[tuple[str, str]],
        received: Iterable[str],
        *,
        name: str = "",
        queues: Sequence[str] = (),
        taking: bool = True,
    ) -> list[str]:
        """Record that a worker is alive and what it holds, for as long as a lease lasts.

        `worker` is the id of its process, `running` are `(task_id, token)` of what it runs,
        `received` the ids of what it has received and not started, `queues` those that it consumes.
        A worker that is not `taking` ends once it has run these, and is not counted. Returns the
        ids of other workers of the same name.
        """
        pairs = [part for pair in running for part in pair]
        takes = dumps(list(queues)) if queues else ""
        about = [worker, slots, name or worker, takes, self._lease if taking else 0, self._lease]
        namesakes: list[str] = self._functions.call(
            "heartbeat", [], [*about, len(pairs) // 2, *pairs, *received]
        )
        return namesakes

    def deregister(self, worker: str, slots: int) -> None:
        """Remove a worker that has stopped."""
        self._functions.client.zrem(self._keys.shared("workers"), f"{worker} {slots}")
        self._functions.client.delete(self._keys.worker(worker))

    def release(self, running: Iterable[tuple[str, str]], sent_again: Collection[str] = ()) -> None:
        """Release the tasks that a stopping worker runs, given as `(task_id, token)`.

        Other workers may run them at once, and no attempt is used up; a cancelled task ends.
        `sent_again` are the ids of those whose messages the broker has no more.
        """
        runs = [(task_id, token, "1" * (task_id in sent_again)) for task_id, token in running]
        self._functions.call("release_runs", [], [self._ttl, *chain.from_iterable(runs)])

    def sweep(self, worker: str, limit: int = 100, seen: Seen = NOT_SEEN) -> Sweep:
        """Sweep once: requeue what is lost and return what is due; see Sweep.

        One worker at a time holds the leader lock; the others get only what is overdue. Everything
        is paused if `seen` is a later state of Redis than this one.
        """
        args = [worker, limit, self._ttl, self._lease, *seen, uuid4().hex]
        found = self._functions.call("sweep", [], args)
        due, exhausted, overdue, ended, broken, state, set_aside = found
        epoch, sweeps, paused, is_cut = state
        return Sweep(
            [(task_id, decoded(text)) for task_id, text in zip(due[::2], due[1::2], strict=True)],
            [
                (task_id, token, decoded(text) if text else None)
                for task_id, token, text in zip(
                    exhausted[::3], exhausted[1::3], exhausted[2::3], strict=True
                )
            ],
            set(overdue),
            [
                (task_id, decoded(text))
                for task_id, text in zip(ended[::2], ended[1::2], strict=True)
            ],
            dict(zip(broken[::2], broken[1::2], strict=True)),
            Seen(epoch, sweeps),
            set_aside,
            bool(paused),
            len(due) // 2 == limit or bool(is_cut),
        )

    def may_notify(self, task_id: str) -> bool:
        """Whether the caller has to notify the dependents of an ended task.

        False if they have been notified, or another process is doing so.
        """
        return bool(self._functions.call("may_notify", [], [task_id]))

    def mark_notified(self, task_id: str) -> None:
        """Note that a task's dependents have been notified of its end."""
        self._functions.client.zrem(self._keys.shared("unnotified"), task_id)

    def unconfirmed(self) -> dict[str, list[str]]:
        """Return the tasks whose message should be with the broker: their ids by queue.

        Of each queue, those among UNCONFIRMED_BATCH that wait longest.
        """
        flat = self._functions.call("unconfirmed", [], [UNCONFIRMED_BATCH])
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def republish(self, task_ids: Iterable[str]) -> None:
        """Have the messages of tasks that are still queued published again."""
        self._functions.call("republish", [], list(task_ids))

    def delete_unused_libraries(self) -> None:
        """Delete the function libraries that no process of this project has called for a day.

        They are those of earlier versions. One that is called after all, as by another project in
        this Redis, is loaded again by that call. Does nothing for a user who may not delete them.
        """
        for digest in self._functions.call("unused_libraries", [], [UNUSED_US]):
            try:
                self._functions.delete_library(digest)
            except RedisUnavailable as error:
                if error.reason is Reason.NO_RIGHT:
                    return
                raise
            self._functions.client.zrem(self._keys.shared("libraries"), digest)

    def epoch(self) -> str:
        """Return the id of the data that Redis holds, "" where none has been given yet."""
        key = self._keys.shared("epoch")
        return str(unless_damaged(None, self._functions.client.get, key) or "")

    def paused(self) -> Paused | None:
        """Return since when all is paused after a restore from a backup; None where it is not."""
        client = self._functions.client
        key = self._keys.shared("paused")
        since, data_of = unless_damaged(("", ""), client.hmget, key, "since", "data_of")
        return Paused(_time(str(since)), _time(str(data_of))) if since and data_of else None

    def unended(self) -> list[str]:
        """Return the snapshots (JSON) of all tasks that wait or run."""
        client = self._functions.client
        queues = unless_damaged((), client.smembers, self._keys.shared("queues"))
        sets = [self._keys.shared("outbox"), self._keys.shared("leases")]
        sets += [self._keys.waiting(str(queue)) for queue in queues]
        found = [unless_damaged((), client.zrange, name, 0, -1) for name in sets]
        ids = sorted({str(task_id) for some in found for task_id in some})
        stored = [
            self._read(ids[begin : begin + READ_BATCH]) for begin in range(0, len(ids), READ_BATCH)
        ]
        return [one.snapshot for some in stored for one in some if one is not None]

    def resume(self) -> bool:
        """Let restored tasks go on; False if nothing is paused."""
        return bool(self._functions.call("resume", [], []))


def _time(micros: str) -> str:
    return rfc3339(datetime.fromtimestamp(count(micros) / 1e6, UTC))
