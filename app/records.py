"""The record of each task in Redis: the truth that every page, endpoint and Celery client reads.

One server-side script makes each change: it checks, versions, stores and publishes, atomically, in one round trip.
The scripts are in `app/lua/`; `record.lua` says how a record lies in Redis.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, cast
from uuid import uuid4

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.snapshot import Phase, fragment

SCRIPTS = Path(__file__).parent / "lua"
TASK_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,127}\Z")
UNFENCED = ""  # the token of a write that comes from no delivery
UNCLAIMED = "-"  # the token of a delivery that no worker marked: it may write where nobody has claimed

QUEUES = ("celery", "mail")
LEASE_SECONDS = 15.0
LOG_LINES = 1000  # kept of each task
START_SECONDS = 2.0  # a start that takes Redis longer than this is refused, not begun late

Unavailable = (
    redis.RedisError
)  # Redis is away, hung, full or read-only: nothing was changed, or only the reply was lost


class AlreadyUsed(Exception):
    """An idempotency key came again with another body."""


class TooLate(Exception):
    """Redis took the start only after its deadline, and refused it: nothing was started."""


@dataclass(frozen=True)
class Delivery:
    """Which delivery of a task's message writes: its token, and its place among the deliveries of one id."""

    token: str = UNFENCED
    order: int = 0


@dataclass(frozen=True)
class Stored:
    """A record as read: who owns it ("" for nobody), a tag that changes whenever the snapshot does, the JSON."""

    owner: str
    tag: str
    snapshot: str


@dataclass(frozen=True)
class Started:
    """The outcome of `create`: the task, its snapshot as JSON, whether it is new, for later, or known by its key."""

    task_id: str
    snapshot: str
    verdict: Literal["created", "scheduled", "replayed"]


def connect(url: str, timeout: float = 1.0) -> redis.Redis:
    """Return a client that gives up after `timeout` seconds, without retries.

    redis-py's own retries turn one second into 14.6 against a Redis that hangs.
    """
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
        protocol=2,
    )


def celery_meta(task_id: str, state: str, result: Any = None) -> str:
    """Return Celery's JSON for a task that has no outcome yet."""
    meta = {"status": state, "result": result, "traceback": None, "children": [], "date_done": None}
    return fragment(meta | {"task_id": task_id})


class Records:
    """All reads and writes of records, over one Redis client.

    Every method raises `Unavailable` when Redis does not answer in time.
    """

    def __init__(self, client: redis.Redis, ttl_days: float) -> None:
        self.client = client
        self.ttl = int(ttl_days * 24 * 3600 * 1000)  # milliseconds
        head = (SCRIPTS / "record.lua").read_text()
        self._scripts = {
            path.stem: client.register_script(head + path.read_text())
            for path in SCRIPTS.glob("*.lua")
            if path.stem != "record"
        }

    def _run(self, script: str, keys: Sequence[str], args: Iterable[Any]) -> Any:
        return self._scripts[script](keys=keys, args=list(args))

    # Starting

    def create(
        self,
        *,
        owner: str,
        message: Mapping[str, Any],
        title: str,
        max_attempts: int,
        key: str = "",
        when: str = "",
    ) -> Started:
        """Make the record of a task that is not sent yet; `message` is `{"name", "args", "kwargs", "queue"}`.

        `when` is "" for now, "+<microseconds>" from now, or "<microseconds>" on Redis's clock. The same `key` of the
        same owner gives the same task again. Raises AlreadyUsed when that came with another message, TooLate.
        """
        task_id = str(uuid4())
        body = fragment([message, when])
        deadline = self.now() + int(START_SECONDS * 1e6)
        once = f"headway:once:{owner}:{sha256(key.encode()).hexdigest()}" if key else ""
        verdict, *found = self._run(
            "create",
            [_record(task_id), f"headway:owner:{owner}", once],
            [
                task_id,
                owner,
                message["queue"],
                fragment(message["name"]),
                fragment(title),
                max_attempts,
                fragment(message),
                celery_meta(task_id, "PENDING"),
                self.ttl,
                deadline,
                sha256(body.encode()).hexdigest(),
                when,
            ],
        )
        if verdict == "late":
            raise TooLate
        if verdict == "conflict":
            raise AlreadyUsed
        return Started(found[0], found[1], verdict)

    def sent(self, task_id: str) -> None:
        """Note that the task's message is with the broker."""
        self.client.zrem("headway:outbox", task_id)

    def due(self, limit: int = 100) -> list[tuple[str, dict[str, Any]]]:
        """Return `(task_id, message)` of what has to be sent now; call `sent` for each one that was."""
        head, tail = celery_meta("\0", "PENDING").split(json.dumps("\0")[1:-1])
        flat = self._run("due", [], [limit, self.ttl, head, tail])
        return [(task_id, json.loads(message)) for task_id, message in zip(flat[::2], flat[1::2], strict=True)]

    # Writing

    def claim(self, task_id: str, delivery: Delivery, *, name: str, max_attempts: int, hostname: str) -> str:
        """Give the task to this delivery: "claimed", or why not ("final", "stale", "running")."""
        meta = celery_meta(task_id, "STARTED", {"hostname": hostname})
        names = [fragment(name), fragment(name), max_attempts]
        lease = int(LEASE_SECONDS * 1e6)
        return cast(
            str,
            self._run(
                "claim",
                [_record(task_id)],
                [task_id, delivery.token, delivery.order, *names, meta, self.ttl, lease],
            ),
        )

    def write(
        self,
        task_id: str,
        delivery: Delivery,
        phase: Phase,
        fields: Mapping[str, Any],
        *,
        meta: str,
        name: str,
        max_attempts: int,
        retry_in: float = 0.0,
        write_id: str = "",
    ) -> bool:
        """Store a change and publish it; `fields` are public keys of the snapshot, `retry_in` is in seconds.

        False when the record refuses it: the task has ended, or a newer delivery has taken over. A write repeated
        with its `write_id`, because the first reply was lost, is True again.
        """
        names = [fragment(name), fragment(name), max_attempts]
        flat = [part for key, value in {**fields, "phase": phase}.items() for part in (key, fragment(value))]
        verdict = self._run(
            "write",
            [_record(task_id)],
            [task_id, delivery.token, delivery.order, *names, meta, self.ttl, int(retry_in * 1e6), write_id, *flat],
        )
        return bool(verdict == "written")

    def log(self, task_id: str, delivery: Delivery, lines: Iterable[tuple[str, str]]) -> bool:
        """Append `(level, text)` lines to the task's log and publish them; False when the record refuses."""
        flat = [part for level, line in lines for part in (fragment(level), fragment(line))]
        keys = [_record(task_id), _log(task_id)]
        return bool(self._run("log", keys, [task_id, delivery.token, delivery.order, LOG_LINES, *flat]) == "written")

    def renew(self, held: Iterable[tuple[str, str]]) -> None:
        """Renew the leases of `(task_id, token)` pairs."""
        flat = [part for pair in held for part in pair]
        if flat:
            self._run("renew", [], [int(LEASE_SECONDS * 1e6), *flat])

    def release(self, held: Iterable[tuple[str, str]]) -> None:
        """Give up the leases of `(task_id, token)` pairs, so that others may claim the tasks at once."""
        flat = [part for pair in held for part in pair]
        if flat:
            self._run("release", [], flat)

    def forget(self, task_id: str) -> None:
        """Drop all that is kept of a task."""
        self.client.delete(_record(task_id), _log(task_id), f"celery-task-meta-{task_id}")

    # Reading

    def read(self, task_ids: Sequence[str]) -> list[Stored | None]:
        """Return the records of well-formed ids in one round trip, None for each one that is unknown or expired."""
        if not task_ids:
            return []
        found = self._run("read", [_record(task_id) for task_id in task_ids], [])
        return [Stored(*values) if values else None for values in found]

    def owned(
        self, owner: str, limit: int, phases: Iterable[Phase] = (), cursor: tuple[str, str] = ("", "")
    ) -> tuple[list[str], tuple[str, str] | None]:
        """Return snapshots (JSON) of the owner's tasks, newest first, and the cursor of the next page, if any."""
        words = "".join(f"{phase}|" for phase in phases)
        score, last, *page = self._run("list", [f"headway:owner:{owner}"], [limit, words and f"|{words}", *cursor])
        return page, (score, last) if score else None

    def tail(self, task_id: str, after: int) -> dict[str, Any]:
        """Return `{"lines", "first_seq", "last_seq"}`: the kept log lines after `after`, and what is kept."""
        first, last, *lines = self._run("tail", [_record(task_id), _log(task_id)], [after])
        return {"lines": [json.loads(line) for line in lines], "first_seq": int(first), "last_seq": int(last)}

    # The system

    def now(self) -> int:
        """Return Redis's clock in microseconds."""
        seconds, micros = self.client.time()
        return seconds * 1_000_000 + micros

    def greet(self, worker: str, slots: int, seconds: float) -> None:
        """Count `worker` and its slots in for so many seconds; 0 counts it out."""
        if seconds:
            self.client.zadd("headway:workers", {f"{worker} {slots}": self.now() + int(seconds * 1e6)})
        else:
            self.client.zrem("headway:workers", f"{worker} {slots}")

    def overview(self) -> dict[str, Any]:
        """Return `{"now", "workers", "slots", "queued"}`."""
        now, workers, slots, queued = self._run("overview", [], [self.ttl, *QUEUES])
        return {"now": json.loads(now), "workers": workers, "slots": slots, "queued": queued}


Room = Literal["task", "owner"]


def room(kind: Room, name: str) -> str:
    """Return the room of a task or of an owner; its channel in Redis carries the message queue's name before it."""
    return f"{kind}:{name}"


def _record(task_id: str) -> str:
    return f"headway:task:{task_id}"


def _log(task_id: str) -> str:
    return f"headway:log:{task_id}"
