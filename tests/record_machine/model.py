"""What the machine knows of tasks and runs, and the words that it uses."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any
from uuid import uuid4

from app.config import QUEUES
from headway.celery.run.saved import found_in
from headway.celery.storing.fencing import REPLACEMENT
from headway.message_headers import OWNER, PARENT
from headway.questions import Asked
from headway.snapshot import Phase, Snapshot
from headway.store.model import Delivery
from headway.turns import NO_TURN, Turn

TTL_DAYS = 7
FAR_SECONDS = 30 * 86400
MAX_ATTEMPTS = 3
SETS = (
    "headway:leases",
    "headway:reserved",
    "headway:outbox",
    "headway:kill_deadlines",
    "headway:questions",
)
PARENT_ID = "the-parent"
TURNS = {
    "show": Turn(unique="show"),
    "one": Turn(line="1 one"),
    "two": Turn(line="2 two"),
    "latest": Turn("latest", "1 latest", replaces=True),
}
STEP = 500_000_000 * 1_000_000  # us between the scores of two priorities
PERIOD = 3600 * 1_000_000  # us
START = 1_700_000_000 * 1_000_000  # us since 1970; Redis has nothing settled beyond its clock
WAITING = tuple(f"headway:waiting:{queue}" for queue in QUEUES)
WAITS_FOR_ITS_TIME = {Phase.SCHEDULED, Phase.RETRYING}
NO_KEY = -2  # as PTTL has it
REFUSED = {"final", "stale", "superseded", "waiting"}
ERROR = {"type": "ConnectionError", "message": "refused"}
FAILURE = {"error": ERROR, "status": "refused"}
RETRY = {"error": ERROR, "status": "", "current": 0, "total": 1, "step": None}

# As if so many microseconds had gone by: each moment that a script compares with its clock lies so
# much earlier.
ELAPSE = """
for _, key in ipairs(KEYS) do
  local flat = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  for i = 1, #flat, 2 do redis.call('ZADD', key, flat[i + 1] - ARGV[1], flat[i]) end
end
"""


@dataclass(eq=False)
class Run:
    """A delivery of a message to a worker, and what became of it.

    It may write long after it has lost the task.
    """

    task: Task
    order: int
    token: str = field(default_factory=lambda: uuid4().hex)
    claimed: bool = False
    ended: bool = False  # its body is over
    effect: str = ""  # the id of the call by which it began its effect last
    successor: int | None = None  # the generation of the message that it deferred
    delay: int = 0  # of that

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(f"run {self.token[:4]} of order {self.order} of task {self.task.id[:4]}")

    @property
    def delivery(self) -> Delivery:
        return Delivery(self.token, self.order)

    @property
    def is_over(self) -> bool:
        return self.task.is_over

    @property
    def holds(self) -> bool:
        return self.task.holder is self

    @property
    def on(self) -> bool:
        """Whether its body is not over, whoever has the task now."""
        return self.claimed and not self.ended

    @property
    def speaks(self) -> bool:
        """Whether it may write: when it is over, only what comes too late."""
        return self.on or (self.claimed and (not self.holds or self.task.final))


@dataclass(eq=False)
class Task:
    """What must be so of a task."""

    id: str
    max_attempts: int
    messages: list[int] = field(default_factory=list)  # the orders of those that the broker has
    # the same of those that somebody is about to send
    hand: list[int] = field(default_factory=list)
    sent: int = 0  # of how many sent ones the outbox has not heard yet
    order: int = 0
    holder: Run | None = None  # the only one that may write
    dropped: bool = False  # its holder ended without an outcome
    owed: Run | None = None  # a run that has stored that it retries, and has to defer its successor
    # a successor waits in the outbox for its time, or for its predecessor's end
    deferred: bool = False
    cancelling: bool = False
    attempt: int = 0
    failures: int = 0
    effect: str = ""  # by which call its effect was begun, and none ended it
    receipt: str = ""  # what the effect returned
    saved: str = ""
    has_moved_on: bool = False  # this attempt has saved something new
    question: Asked | None = None  # the last one
    text: str = ""  # of its stream
    saved_text: str = ""  # of that, at the last save
    kept_bytes: int = 0  # of that, from earlier attempts
    last: Snapshot | None = None
    high: float = 0.0  # the farthest that the bar was in this attempt
    turn: Turn = NO_TURN
    place: int = 0  # how many had joined a line before, once it has
    # it was forgotten meanwhile: whatever still writes makes a record without a past
    stray: bool = False

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(f"task {self.id[:4]}")

    @property
    def saves(self) -> int:
        """How many saves its runs have made that were stored, or made late."""
        return found_in(self.saved).number

    @property
    def final(self) -> bool:
        return self.last is not None and self.last.final

    @property
    def is_over(self) -> bool:
        return self.final or self.stray

    @property
    def written_bytes(self) -> int:
        """How many bytes this attempt has written to its stream."""
        return len(self.text.encode()) - self.kept_bytes

    @property
    def phase(self) -> Phase | None:
        return self.last.phase if self.last else None

    @property
    def is_in_line(self) -> bool:
        return self.last is not None and self.last.status == "Waits for its turn"

    @property
    def rank(self) -> tuple[int, float]:
        """By what it is served in its line: before all that are larger."""
        return self.turn.priority, self.place or inf

    @property
    def held(self) -> bool:
        return self.holder is not None and not self.dropped

    def lose(self) -> None:
        """Its run is gone, or one that had not claimed it, and it waits again."""
        has_moved_on = self.holder is not None and self.has_moved_on
        self.holder = None
        self.dropped = False
        self.failures += not has_moved_on

    def go_astray(self) -> None:
        self.stray = True
        self.last = None


@dataclass(eq=False)
class Line:
    """Tasks that wait for each other, and how they stood after the last step."""

    turn: Turn
    tasks: list[Task] = field(default_factory=list)
    waiting: list[Task] = field(default_factory=list)
    joined: int = 0

    @property
    def limit(self) -> int:
        return int(self.turn.line.partition(" ")[0] or 0)

    @property
    def newest(self) -> Task | None:
        return self.tasks[-1] if self.tasks else None

    @property
    def is_loose(self) -> bool:
        """Whether Redis has lost one of its tasks, so that others wait for an hour."""
        return any(task.stray for task in self.tasks)


@dataclass(eq=False)
class Timetable:
    """What is known of a schedule's times, in microseconds."""

    now: int = START
    settled: int | None = None
    first: int = 0  # when it was seen first
    accounted: int = 0  # times that had a run, or are told as missed
    is_paused: bool = False
    looks: list[Look] = field(default_factory=list)
    runs: dict[int, Task] = field(default_factory=dict)  # by their time


@dataclass(eq=False)
class Look:
    """A worker that has found a schedule due, and has yet to start its task or to note that."""

    settled: int
    now: int
    due: int
    count: int
    task: Task | None = None


def message_of(order: int) -> dict[str, Any]:
    """Return a message of this order; retries change the queue."""
    retries = order % REPLACEMENT
    nesting = order // REPLACEMENT
    options = {"queue": QUEUES[order % 2], "retries": retries, "replaced_task_nesting": nesting}
    options["headers"] = {OWNER: "ada", PARENT: PARENT_ID}
    return {"task": "long_task", "args": [], "kwargs": {}, "options": options}


def order_of(message: dict[str, Any] | None) -> int:
    options = message["options"] if message else message_of(0)["options"]
    return options["replaced_task_nesting"] * REPLACEMENT + options["retries"]


def moment(delay: int) -> str:
    return f"+{delay * 1_000_000}"
