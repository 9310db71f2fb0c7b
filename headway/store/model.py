"""Types of what goes into the store and comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Any, Literal, NamedTuple, TypedDict

from headway.shapes import Changes, TaskMessage
from headway.snapshot import Phase
from headway.store.restored import Seen

UNFENCED = ""  # the token of a write that comes from no delivery
# The token of a delivery that no worker marked: it may write to an unclaimed record.
UNCLAIMED = "-"
MAX_CALL_BYTES = 64 * 1024  # of a text that is sent to Redis, and published, in one piece
PIECE_BYTES = 512 * 1024  # of a larger one, which is sent and read piece by piece


class Outcome(StrEnum):
    """What became of what a record was asked for; the methods of the store say which may come."""

    # Of a start
    CREATED = "created"
    SCHEDULED = "scheduled"
    REPLAYED = "replayed"  # known by its idempotency key
    IN_LINE = "in_line"  # sent once its turn has come
    EXISTING = "existing"  # one that is unique is open already
    LATE = "late"
    CONFLICT = "conflict"  # the idempotency key came with another body, or an answer late
    # Of a claim
    CLAIMED = "claimed"
    EARLY = "early"  # no sweep has seen Redis since it was away
    EXPIRED = "expired"
    LOST = "lost"  # another run of the same delivery had the task
    PAUSED = "paused"
    RUNNING = "running"
    WAITING = "waiting"  # for an answer: of the question, too
    # Of a read of what a task saved, and of an effect that it has once
    READ = "read"
    DONE = "done"
    # Of a write, and of a person's change
    NOT_ASKED = "not_asked"
    WRITTEN = "written"
    CANCELLING = "cancelling"  # stored, and the run has to stop
    CANCELLED = "cancelled"
    QUEUED = "queued"
    NOT_WAITING = "not_waiting"
    NOT_FINAL = "not_final"
    PARTS = "parts"  # not yet: some of its parts have to be forgotten first
    FORGOTTEN = "forgotten"
    UNKNOWN = "unknown"
    FULL = "full"  # a stream takes no more
    SPILLS = "spills"  # a stream is about to be full: its file is to be begun
    SPILLED = "spilled"  # a stream is full, and its file takes the rest
    UNSTAGED = "unstaged"  # Redis has lost what was staged for it
    UNSTORED = ""  # a report did not reach Redis
    # Refused: another run has the task, or none may have it
    FINAL = "final"
    STALE = "stale"
    SUPERSEDED = "superseded"
    EXHAUSTED = "exhausted"  # no attempt is left
    # Of a lost run
    REQUEUED = "requeued"  # also of a run that a planned stop ended at its save
    # Of a message that is for later
    BUSY = "busy"  # another send of its id has not ended; or its end is still being told
    DUE = "due"
    KNOWN = "known"
    DEFERRED = "deferred"
    UNATTENDED = "unattended"  # no worker sweeps


class Priority(StrEnum):
    """What of a queue is served before others."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


EffectStep = Literal["look", "begin", "begin again", "done", "failed"]

# Of a write that took place
STORED = frozenset({Outcome.WRITTEN, Outcome.CANCELLING, Outcome.CANCELLED})


class AlreadyUsed(Exception):
    """An idempotency key was used before with another body."""


class TooLate(Exception):
    """A start reached Redis after its deadline and was refused: nothing was started."""


class ResultGone(Exception):
    """A large result expired while it was being read."""


class LogLine(TypedDict):
    """A line of a task's log; `at` is RFC 3339, `seq` counts the task's lines from 1."""

    seq: int
    at: str
    level: str
    text: str


class LogPage(TypedDict):
    """Lines of a log, and the seq of the first and the last line that are kept."""

    lines: list[LogLine]
    first_seq: int
    last_seq: int


class StreamPage(TypedDict):
    """Text of a stream from an offset on; offsets and lengths are in bytes of UTF-8.

    `next` is where the text ends. Bytes that were read under another `epoch` are to be read again.
    """

    offset: int
    text: str
    next: int
    length: int
    closed: bool
    epoch: int


class Point(NamedTuple):
    """How far a task was at a time, in milliseconds since 1970; `total` None: unknown."""

    at: int
    current: float
    total: float | None


class QueueLoad(TypedDict):
    """How many tasks wait in a queue, and how many workers take from it."""

    queued: int
    workers: int


class Overview(TypedDict):
    """The system at a glance; `now` is RFC 3339, `slots` those of all workers, `queues` by name."""

    now: str
    workers: int
    slots: int
    queued: int
    queues: dict[str, QueueLoad]
    paused: bool


class Delivery(NamedTuple):
    """A delivery of a task's message: its token, and its generation.

    That grows with each retry and replacement of one id.
    """

    token: str = UNFENCED
    generation: int = 0


class Source(NamedTuple):
    """Where a message comes from.

    `send` is the id of its send ("" unknown); `recorded` whether it says that its task had a
    record; `held` where the broker holds it, as "<hash> <index> <delivery tag>", or "" if that is
    not this Redis.
    """

    send: str = ""
    recorded: bool = False
    held: str = ""

    @property
    def args(self) -> list[Any]:
        return [self.send, int(self.recorded), self.held]


NO_SOURCE = Source()


class Sent(NamedTuple):
    """A message that Celery sends: `queue` is "" if unknown, `when` as for `Starts.create`."""

    name: str
    title: str  # "" for the name
    owner: str  # "" for nobody
    queue: str
    when: str
    send: str
    max_attempts: int
    unique: str = ""  # digest of what it is unique by
    parent: str = ""  # the task that started it
    priority: int = 0  # step of its queue


# What notifies a task's dependents of its end: the process that writes the end, maintenance, or the
# next one that receives the task's message.
NotifiedBy = Literal["writer", "maintenance", "receiver"]


class Save(NamedTuple):
    """What a run saves with a report: a JSON `text`, "" for nothing.

    `number` is which save of its task it is. That, which the text holds, and `written` tell one
    that Redis sees late, see saves.is_late in saves.lua.
    """

    text: str = ""
    number: int = 0
    written: str = ""


class StateWrite(NamedTuple):
    """A change that a run makes to its record."""

    task_id: str
    delivery: Delivery
    phase: Phase
    fields: Changes
    meta: str | bytes  # the same in Celery's form
    name: str
    max_attempts: int
    retry_in: float = 0.0  # seconds
    most_failures: float = inf  # after which there is no retry
    is_wait: bool = False  # a retry that follows no failure, see retry_later
    write_id: str = ""  # tells a write repeated because its reply was lost from a new one
    notified_by: NotifiedBy = "maintenance"
    # The JSON of a result that `fields` only previews, unless `meta` holds it.
    whole: bytes = b""
    # What the run saves with a report, see Save; and whether a planned stop may end it with that.
    saved: str = ""
    written: str = ""
    may_stop: bool = False


@dataclass(frozen=True)
class TaskRecord:
    """A record as read.

    `owner` is "" for nobody, `tag` changes whenever the snapshot does, and `snapshot` is JSON.
    `is_revoked` tells of the token that it was read with.
    """

    owner: str
    tag: str
    snapshot: str
    is_revoked: bool = False


@dataclass(frozen=True)
class ChangeResult:
    """The outcome of `cancel` and `reschedule`, and the snapshot as JSON if anything changed."""

    outcome: Outcome
    snapshot: str | None


class Paused(NamedTuple):
    """When everything was paused, and the time of the restored data, both RFC 3339."""

    since: str
    data_of: str


@dataclass(frozen=True)
class Sweep:
    """What a sweep found to do."""

    # (task_id, message) to publish; call `mark_published` for each one that was
    due: list[tuple[str, TaskMessage]]
    # (task_id, token, message) of tasks whose last attempt was lost
    exhausted: list[tuple[str, str, TaskMessage | None]]
    # Cancelled tasks past their kill deadline, to be ended by the worker that runs them
    overdue: set[str]
    # (task_id, message) whose dependents have to be notified; then call `mark_notified`
    ended: list[tuple[str, TaskMessage]]
    broken: dict[str, str]  # task_id -> why, of records that cannot be handled; they stay
    seen: Seen
    # Keys of Headway's that held another type, and are no longer in the way; see damaged.lua
    set_aside: list[str]
    paused: bool  # see MaintenanceRecords.paused
    has_more: bool  # whether to sweep again at once


@dataclass(frozen=True)
class StartResult:
    """The outcome of `Starts.create`, and the snapshot as JSON.

    The outcome is CREATED, SCHEDULED for later, IN_LINE, REPLAYED or EXISTING.
    """

    task_id: str
    snapshot: str
    outcome: Outcome
