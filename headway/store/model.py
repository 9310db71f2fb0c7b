"""What goes into the store and comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Literal, NamedTuple

from headway.snapshot import Phase
from headway.store.restored import Seen

UNFENCED = ""  # the token of a write that comes from no delivery
STORED = {"written", "cancelling", "cancelled"}  # the verdicts of a write that took place
# the token of a delivery that no worker marked: it may write where nobody has claimed
UNCLAIMED = "-"
MAX_CALL_BYTES = 64 * 1024  # of a text that goes to Redis, and to its channels, in one


class AlreadyUsed(Exception):
    """An idempotency key came again with another body."""


class TooLate(Exception):
    """Redis took the start only after its deadline, and refused it: nothing was started."""


class ResultGone(Exception):
    """A large result has expired while it was being read."""


class Delivery(NamedTuple):
    """Which delivery of a task's message writes: its token, and its place among the deliveries
    of one id.
    """

    token: str = UNFENCED
    order: int = 0


class Source(NamedTuple):
    """Where a message comes from.

    Its send's id ("" unknown), whether it says that its task had a record, and where the broker
    holds it: "<hash> <index> <delivery tag>", "" in another Redis than this.
    """

    send: str = ""
    recorded: bool = False
    held: str = ""

    @property
    def args(self) -> list[Any]:
        return [self.send, int(self.recorded), self.held]


NO_SOURCE = Source()


class Sent(NamedTuple):
    """A message that Celery sends: `queue` is "" where it is not known, `when` as for `create`."""

    name: str
    title: str  # "" for the name
    owner: str  # "" for nobody
    queue: str
    when: str
    send: str
    max_attempts: int


# Who tells a task's dependents of its end: the writer of the end, maintenance, a holder of its
# message.
Teller = Literal["1", "", "?"]


class StateWrite(NamedTuple):
    """What a run writes into its record."""

    task_id: str
    delivery: Delivery
    phase: Phase
    # Public keys of the snapshot, and `bar`: which one its numbers belong to.
    fields: Mapping[str, Any]
    meta: str | bytes  # the same in Celery's form
    name: str
    max_attempts: int
    retry_in: float = 0.0  # seconds
    most_failures: float = inf  # after which there is no retry
    # By which a write that is repeated, since its reply was lost, is told from a new one.
    write_id: str = ""
    teller: Teller = ""
    # The JSON of a result of which `fields` has a preview, where `meta` does not hold it.
    whole: bytes = b""


@dataclass(frozen=True)
class TaskRecord:
    """A record as read: who owns it ("" for nobody), a tag that changes whenever the snapshot
    does, the JSON.
    """

    owner: str
    tag: str
    snapshot: str


@dataclass(frozen=True)
class ChangeResult:
    """The outcome of `cancel` and `schedule`: the snapshot as JSON, or why nothing was changed."""

    verdict: str
    snapshot: str | None


class Paused(NamedTuple):
    """Since when all is paused, and of which time the data is that was restored: RFC 3339."""

    since: str
    data_of: str


@dataclass(frozen=True)
class Sweep:
    """What a sweep found to do."""

    # (task_id, message) to be sent; call `sent` for each one that was
    due: list[tuple[str, dict[str, Any]]]
    # (task_id, token, message) of tasks whose last attempt was lost
    lost: list[tuple[str, str, dict[str, Any] | None]]
    # cancelled tasks past their kill deadline, to be ended by the worker that runs them
    overdue: set[str]
    # (task_id, message) of which the dependents have to be told; call `told`.
    ended: list[tuple[str, dict[str, Any]]]
    broken: dict[str, str]  # task_id -> why, of records that cannot be handled; they are left alone
    seen: Seen
    paused: bool  # see MaintenanceRecords.paused
    has_more: bool  # whether the next round has something to do now


@dataclass(frozen=True)
class StartResult:
    """The outcome of `create`: the task, its snapshot as JSON, whether it is new, for later, or
    known by its key.
    """

    task_id: str
    snapshot: str
    verdict: Literal["created", "scheduled", "replayed"]
