"""The record's promises under any order of events: whatever messages, runs, workers, keepers and
people do.

Hypothesis draws the order, a real Valkey runs the scripts. The model knows only what must hold: who
has the task, its attempt, its failures, and which messages there are. RECORD_MACHINE_EXAMPLES asks
for a longer search, each time another.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from app.config import QUEUES
from headway.celery.storing.fencing import REPLACEMENT
from headway.message_headers import PARENT
from headway.questions import Asked
from headway.snapshot import FINAL, STATE, Phase, Snapshot
from headway.state_fields import progress_fields, success_fields
from headway.store.connection import connect
from headway.store.model import Delivery, StateWrite
from headway.store.records import Records

EXAMPLES = int(os.environ.get("RECORD_MACHINE_EXAMPLES", 0))
LENGTH = 30  # steps of an example
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
    successor: int | None = None  # the order of the message that it parked
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
    owed: Run | None = None  # a run that has stored that it retries, and has to park its successor
    # a successor waits in the outbox for its time, or for its predecessor's end
    parked: bool = False
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
    # it was forgotten meanwhile: whatever still writes makes a record without a past
    stray: bool = False

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(f"task {self.id[:4]}")

    @property
    def final(self) -> bool:
        return self.last is not None and self.last.final

    @property
    def is_over(self) -> bool:
        return self.final or self.stray

    @property
    def phase(self) -> Phase | None:
        return self.last.phase if self.last else None

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


def message_of(order: int) -> dict[str, Any]:
    """Return a message of this order; retries change the queue."""
    retries = order % REPLACEMENT
    nesting = order // REPLACEMENT
    options = {"queue": QUEUES[order % 2], "retries": retries, "replaced_task_nesting": nesting}
    options["headers"] = {PARENT: PARENT_ID}
    return {"task": "long_task", "args": [], "kwargs": {}, "options": options}


def order_of(message: dict[str, Any] | None) -> int:
    options = message["options"] if message else message_of(0)["options"]
    return options["replaced_task_nesting"] * REPLACEMENT + options["retries"]


def moment(delay: int) -> str:
    return f"+{delay * 1_000_000}"


def ratio(snapshot: Snapshot) -> float | None:
    return snapshot.current / snapshot.total if snapshot.total and snapshot.total > 0 else None


def check(snapshot: Snapshot) -> None:
    """What holds of each snapshot."""
    phase = snapshot.phase
    assert snapshot.state == STATE[phase]
    assert (snapshot.error is not None) == (phase in {Phase.FAILED, Phase.RETRYING})
    assert (snapshot.finished_at is not None) == (phase in FINAL)
    assert (snapshot.question is not None) == (phase == Phase.WAITING)
    if phase not in FINAL:
        assert (snapshot.scheduled_for is not None) == (phase in WAITS_FOR_ITS_TIME)
    assert snapshot.result is None or phase == Phase.SUCCEEDED
    assert snapshot.queue_position is None or phase == Phase.QUEUED
    if snapshot.state == "PENDING":
        assert (snapshot.current, snapshot.total, snapshot.step) == (0, 1, None)
    if phase == Phase.SUCCEEDED:
        assert snapshot.current == snapshot.total


def check_order(earlier: Snapshot, later: Snapshot) -> None:
    """What holds of a snapshot and the next one of its task."""
    assert not earlier.final, f"{earlier} was final, then came {later}"
    assert later.version > earlier.version
    assert later.created_at == earlier.created_at
    assert later.attempt - earlier.attempt in (0, 1)
    if later.attempt > earlier.attempt:
        assert later.phase == Phase.RUNNING
    elif earlier.phase == Phase.CANCELLING:
        assert later.phase != Phase.RUNNING


numbers = st.sampled_from([0, 1, 3, 5, 9, 10, 2.5])
totals = st.sampled_from([None, 0, 1, 10, 1000])
meta = st.fixed_dictionaries(
    {}, optional={"current": numbers, "total": totals, "status": st.just("so far")}
)
delays = st.sampled_from([0, 3, 60, FAR_SECONDS])
starts = {
    "how": st.sampled_from(["created", "sent", "parked", "begun", "begun", "begun"]),
    "delay": delays,
    "attempts": st.sampled_from([1, 2, MAX_ATTEMPTS, MAX_ATTEMPTS]),
    "claims": st.integers(1, 2),
}


@dataclass(frozen=True)
class Step:
    """What may happen next: to one of the machine's tasks or runs that is fit for it, or to the
    whole.
    """

    does: Callable[..., object]
    kind: str
    fit: Callable[[Any], object]
    drawn: dict[str, st.SearchStrategy[Any]]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self.does.__name__)

    def among(self, machine: RecordMachine) -> list[Any]:
        subjects = getattr(machine, self.kind) if self.kind else [machine]
        return [subject for subject in subjects if self.fit(subject)]


STEPS: list[Step] = []


def step(
    kind: str, fit: Callable[[Any], object] = lambda subject: True, weight: int = 2, **drawn: Any
) -> Any:
    """Make a method a step of the machine, that is taken the more often the larger its weight."""

    def decorate(does: Callable[..., object]) -> Any:
        STEPS.extend([Step(does, kind, fit, drawn)] * weight)
        return does

    return decorate


def one_task(fit: Callable[[Task], object] = lambda task: True, **options: Any) -> Any:
    return step("tasks", fit, **options)


def one_run(fit: Callable[[Run], object] = lambda run: True, **options: Any) -> Any:
    return step("runs", fit, **options)


class RecordMachine(RuleBasedStateMachine):
    def __init__(self, records: Records) -> None:
        super().__init__()
        self.records = records
        self.client = records.client
        self.client.flushdb()
        self.client.set("headway:last_sweep", records.clock.now())
        # All tasks are parts of this one, which itself does nothing.
        records.starts.create(
            owner="ada", message=message_of(0), title="P", max_attempts=1, task_id=PARENT_ID
        )
        self.client.zrem("headway:outbox", PARENT_ID)
        self.client.zrem("headway:waiting:" + QUEUES[0], PARENT_ID)
        self.tasks: list[Task] = []
        self.runs: list[Run] = []
        self.missing: set[str] = set()  # by the last look
        self.ear = self.client.pubsub()
        self.ear.psubscribe("flask-socketio:task:*", "the end")
        assert [self.ear.get_message(timeout=20)["type"] for _ in range(2)] == ["psubscribe"] * 2

    def task(self, task_id: str) -> Task:
        return next(task for task in self.tasks if task.id == task_id)

    # A task comes to be

    @initialize(**starts)
    def start_the_first(self, **how: Any) -> None:
        self.start(**how)

    @rule(data=st.data())
    def take_a_step(self, data: st.DataObject) -> None:
        chosen = data.draw(
            st.sampled_from([each for each in STEPS if each.among(self)]), label="step"
        )
        among = chosen.among(self)
        if chosen.kind:
            lively = [each for each in among if not each.is_over]  # to the rest all is refused
            among = [data.draw(st.sampled_from(3 * lively + among), label="of")]
        values = data.draw(st.fixed_dictionaries(chosen.drawn), label="with")
        chosen.does(self, *(among if chosen.kind else []), **values)

    @step(
        "", lambda machine: sum(not task.is_over for task in machine.tasks) < 2, weight=4, **starts
    )
    def start_another(self, **how: Any) -> None:
        self.start(**how)

    def start(self, how: str, delay: int, attempts: int, claims: int) -> None:
        task = Task(str(uuid4()), attempts)
        self.tasks.append(task)
        if how == "parked":
            assert self.park(task, 0, delay, Delivery()) == ("parked" if delay else "due")
        elif how == "created":
            message = message_of(0)
            when = moment(delay) if delay else ""
            started = self.records.starts.create(
                owner="ada", message=message, title="T", max_attempts=attempts, when=when
            )
            task.id = started.task_id
            task.hand = [] if delay else [0]
        elif how == "sent":
            task.messages = [0]
        else:
            self.begin(Run(task, 0), claims)

    @one_task(lambda task: task.final and not task.stray, weight=1)
    def go_on_in_another(self, former: Task) -> None:
        """As "Go on" does: a new task begins where this one was saved, if it was."""
        task = Task("", MAX_ATTEMPTS)
        task.id = self.records.starts.create(
            owner="ada",
            message=message_of(0),
            title="T",
            max_attempts=MAX_ATTEMPTS,
            when="",
            resume_from=former.id,
        ).task_id
        task.hand = [0]
        self.tasks.append(task)
        if former.saved:
            task.saved = former.saved
            task.effect = former.effect
            task.receipt = former.receipt
            task.text = former.text
            task.saved_text = former.saved_text

    def park(self, task: Task, order: int, delay: int, run: Delivery) -> str:
        return self.records.outbox.defer(
            task.id,
            order,
            message=message_of(order),
            max_attempts=task.max_attempts,
            when=moment(delay),
            run=run,
        )

    # Messages

    @one_task(lambda task: task.hand, weight=4)
    def send(self, task: Task) -> None:
        task.messages.append(task.hand.pop())
        task.sent += 1

    @one_task(lambda task: task.last, sends=st.booleans(), weight=3)
    def release(self, task: Task, sends: bool) -> None:
        """Whoever has parked a message that is due sends it, and may die before that."""
        due = (self.client.zscore("headway:outbox", task.id) or inf) <= self.records.clock.now()
        with self.unchanged(task, but_for=due):
            message = self.records.outbox.release(task.id)
        is_wanted = due and not (task.held or task.cancelling or task.final)
        assert task.stray or (message is not None) == is_wanted
        if message is not None:
            self.take_due(task, order_of(message), sends)

    def take_due(self, task: Task, order: int, sends: bool) -> None:
        assert task.stray or (not task.held and order >= task.order)
        assert self.phase_now(task) == Phase.QUEUED
        assert self.client.zscore("headway:outbox", task.id), (
            "it is sent again until somebody notes that it was"
        )
        (task.messages if sends else task.hand).append(order)
        task.sent += sends

    @one_task(lambda task: task.sent, weight=4)
    def note_that_it_was_sent(self, task: Task) -> None:
        task.sent -= 1
        self.records.outbox.mark_published(task.id)

    # Nobody can miss a message that has no record.
    @one_task(lambda task: task.messages and task.last, weight=1)
    def lose_a_message(self, task: Task) -> None:
        task.messages.pop(0)

    @one_task(lambda task: task.messages, stays=st.booleans(), claims=st.integers(0, 2), weight=5)
    def deliver(self, task: Task, stays: bool, claims: int) -> None:
        self.begin(Run(task, task.messages[0] if stays else task.messages.pop(0)), claims)

    @one_run(claims=st.integers(0, 2), weight=1)
    def deliver_again(self, run: Run, claims: int) -> None:
        self.begin(Run(run.task, run.order), claims)

    def begin(self, run: Run, claims: int) -> None:
        """Receive a message; claim its task, once more where the reply was lost."""
        self.runs.append(run)
        if claims:
            self.claim(run)
        if claims > 1 and run.holds:
            self.claim(run)

    @one_run(
        lambda run: run.task.last and not run.task.stray and run.order <= run.task.order,
        delay=delays,
        weight=1,
    )
    def park_again(self, run: Run, delay: int) -> None:
        """As a worker does that finds an `eta` on a message."""
        task = run.task
        if run.order < task.order or task.phase != Phase.RETRYING:
            with self.unchanged(task):
                assert self.park(task, run.order, delay, Delivery()) in {"final", "stale", "known"}

    # A run

    @one_run(lambda run: run.claimed or not run.ended)
    def claim(self, run: Run) -> None:
        task = run.task
        wanted = self.outcome_of_a_claim(run)
        outcome = self.ask_for(run, "one")
        assert task.stray or outcome == wanted, f"{outcome}, not {wanted}"
        if outcome == "claimed" and not run.holds:
            task.holder = run
            if run.order // REPLACEMENT != task.order // REPLACEMENT:
                task.saved = task.saved_text = task.effect = task.receipt = ""  # another task's
            task.order = run.order
            run.claimed = True
            task.owed = None
            task.dropped = task.parked = False
            task.attempt += 1
            task.high = 0.0
            task.has_moved_on = False
            task.text = task.saved_text
            task.kept_bytes = len(task.text.encode())

    @one_run(lambda run: run.claimed and not run.task.stray)
    def take_up_again(self, run: Run) -> None:
        """As another process of the pool does, where the first one died before its worker knew
        that it had begun.
        """
        task = run.task
        wanted = "lost" if run.holds and not task.final else self.outcome_of_a_claim(run)
        with self.unchanged(task):
            assert self.ask_for(run, "another") == wanted

    def ask_for(self, run: Run, name: str) -> str:
        message = message_of(run.order)
        most = run.task.max_attempts
        return self.records.runs.claim(
            run.task.id, run.delivery, name, message=message, max_attempts=most, hostname="here"
        )

    def outcome_of_a_claim(self, run: Run) -> str:
        task = run.task
        if task.final:
            return "final"
        if task.phase == Phase.WAITING:
            return "waiting"
        if run.order < task.order:
            return "stale"
        if run.holds:
            return "claimed"
        if run.claimed:
            return "superseded"
        if task.cancelling:
            return "cancelled"
        if task.held and run.order == task.order:
            return "running"
        return "claimed"

    @one_run(lambda run: run.speaks, metas=st.lists(meta, min_size=1, max_size=4), weight=3)
    def report(self, run: Run, metas: list[dict[str, Any]]) -> None:
        for meta in metas:
            self.write(run, Phase.RUNNING, progress_fields("PROGRESS", meta))

    @one_run(lambda run: run.speaks, repeated=st.booleans(), weight=1)
    def succeed(self, run: Run, repeated: bool) -> None:
        self.write(
            run, Phase.SUCCEEDED, success_fields(42) | {"error": None, "step": None}, repeated
        )

    @one_run(lambda run: run.speaks, repeated=st.booleans(), weight=1)
    def fail(self, run: Run, repeated: bool) -> None:
        """By itself, or at its time limit."""
        self.write(run, Phase.FAILED, FAILURE, repeated)

    @one_run(lambda run: run.speaks, repeated=st.booleans(), weight=1)
    def stop(self, run: Run, repeated: bool) -> None:
        """As a run does that heard that it was cancelled."""
        self.write(run, Phase.CANCELLED, {"error": None, "status": "Cancelled"}, repeated)

    @one_run(
        lambda run: run.on and run.successor is None,
        delay=delays,
        stores=st.booleans(),
        parks=st.booleans(),
        weight=5,
    )
    def retry(self, run: Run, delay: int, parks: bool, stores: bool) -> None:
        """Park the next attempt and store that the task retries.

        Each may also come later, or never.
        """
        run.delay = delay
        if parks:
            self.park_for_a_run(run, 1)
        if stores:
            self.store_that_it_retries(run)

    @one_run(
        lambda run: run.on and run.successor is None, delay=delays, drops=st.booleans(), weight=3
    )
    def replace(self, run: Run, delay: int, drops: bool) -> None:
        run.delay = delay
        self.park_for_a_run(run, REPLACEMENT)
        if drops:
            self.drop(run, again=False)

    @one_run(lambda run: run.speaks and run.successor == run.order + 1, weight=3)
    def store_that_it_retries(self, run: Run) -> None:
        task = run.task
        if (
            self.may_write(run)
            and not task.stray
            and not task.cancelling
            and task.failures + 1 >= task.max_attempts
        ):
            with self.unchanged(task):
                assert self.store(run, Phase.RETRYING, RETRY) == "exhausted"
        elif self.write(run, Phase.RETRYING, RETRY) == "written":
            task.order = run.order + 1
            task.holder = None
            task.failures += 1
            task.owed = None if run.successor else run

    def park_for_a_run(self, run: Run, step: int) -> None:
        task = run.task
        if self.may_write(run):
            assert (
                self.park(task, run.order + step, run.delay, run.delivery) == "parked" or task.stray
            )
            run.successor = run.order + step
            task.parked = True
        else:
            with self.unchanged(task):
                assert self.park(task, run.order + step, run.delay, run.delivery) not in {
                    "parked",
                    "due",
                }

    @one_task(lambda task: task.owed and task.phase == Phase.RETRYING, weight=3)
    def park_successor(self, task: Task) -> None:
        """After its predecessor has stored that it retries."""
        kept = "parked" if task.owed.delay else "due"
        assert self.park(task, task.order, task.owed.delay, Delivery()) == kept or task.stray
        task.owed = None
        task.parked = True

    @one_run(lambda run: run.successor, claims=st.integers(0, 1), weight=4)
    def deliver_successor_early(self, run: Run, claims: int) -> None:
        """As it happens to a replacement that went by the broker."""
        self.begin(Run(run.task, run.successor), claims)

    @one_run(lambda run: run.on and run.successor != run.order + 1, again=st.booleans(), weight=4)
    def drop(self, run: Run, again: bool) -> None:
        """Celery's Ignore, as after a replacement, or Reject with requeue."""
        task = run.task
        run.ended = True
        if again:
            task.messages.append(run.order)
        if self.may_write(run):
            task.dropped = True
            self.records.runs.abandon(task.id, run.delivery)
        else:
            with self.unchanged(task):
                self.records.runs.abandon(task.id, run.delivery)

    @one_run(lambda run: run.speaks, weight=1)
    def log(self, run: Run) -> None:
        with self.unchanged(run.task, but_for=self.may_write(run)):
            written = self.records.output.log(run.task.id, run.delivery, [("INFO", "line")])
        assert run.task.stray or written == self.may_write(run)

    @one_run(lambda run: run.speaks, word=st.sampled_from(["", "a", "ü🙂"]), again=st.booleans())
    def stream(self, run: Run, word: str, again: bool) -> None:
        task = run.task
        before = len(task.text.encode()) - task.kept_bytes
        about = ("answer", before, word.encode())
        with self.unchanged(task, but_for=self.may_write(run)):
            for _ in range(1 + again):
                outcome = self.records.output.write_stream(
                    task.id, run.delivery, *about, closes=word == "", max_bytes=1000
                )
        if task.stray:
            return
        if self.may_write(run):
            assert outcome == ("cancelling" if task.cancelling else "written")
            task.text += word
        else:
            assert outcome in REFUSED

    @one_run(lambda run: run.speaks, weight=1)
    def look_at_its_effect(self, run: Run) -> None:
        wanted = self.outcome_of_an_effect(run, anyway=False)
        with self.unchanged(run.task):
            told = self.tell_of_its_effect(run, uuid4().hex, "look")
        assert run.task.stray or told == wanted or (wanted[0] == "refused" and told[0] in REFUSED)

    @one_run(lambda run: run.speaks, anyway=st.booleans(), repeated=st.booleans(), weight=3)
    def begin_its_effect(self, run: Run, anyway: bool, repeated: bool) -> None:
        """`anyway`: whatever became of it when it was begun before."""
        task = run.task
        call = uuid4().hex
        wanted = self.outcome_of_an_effect(run, anyway)
        begins = wanted == ("written", "")
        for _ in range(1 + (repeated and begins)):
            with self.unchanged(task, but_for=begins):
                told = self.tell_of_its_effect(run, call, "begin again" if anyway else "begin")
        if task.stray:
            return
        assert told == wanted or (wanted[0] == "refused" and told[0] in REFUSED)
        if begins:
            task.effect = run.effect = call

    def outcome_of_an_effect(self, run: Run, anyway: bool) -> tuple[str, str]:
        task = run.task
        if not self.may_write(run):
            return "refused", ""
        if task.receipt:
            return "done", task.receipt
        if task.effect and not anyway:
            return "unknown", ""
        return "cancelling" if task.cancelling else "written", ""

    @one_run(lambda run: run.effect, fails=st.booleans(), repeated=st.booleans(), weight=4)
    def end_its_effect(self, run: Run, fails: bool, repeated: bool) -> None:
        """Also where the run has lost its task meanwhile: what has happened has happened."""
        task = run.task
        ends = task.effect == run.effect
        receipt = f'"{uuid4()}"'
        with self.unchanged(task, but_for=ends):
            step = "failed" if fails else "done"
            told = self.tell_of_its_effect(run, run.effect, step, receipt)
        assert task.stray or told == ("written" if ends else "stale", "")
        if ends and not task.stray:
            task.effect = ""
            task.receipt = "" if fails else receipt
        if repeated:
            with self.unchanged(task):
                told = self.tell_of_its_effect(run, run.effect, step, receipt)
            assert task.stray or told == ("stale", "")

    def tell_of_its_effect(
        self, run: Run, call: str, step: Any, receipt: str = ""
    ) -> tuple[str, str]:
        about = (run.task.id, run.delivery, "charge", call, step, receipt)
        return self.records.effects.advance_effect(*about)

    def may_write(self, run: Run) -> bool:
        return run.task.stray or (run.holds and not run.task.final)

    def write(self, run: Run, phase: Phase, fields: dict[str, Any], repeated: bool = False) -> str:
        """Write as a run does that has claimed the task, whoever has it now."""
        task = run.task
        write_id = uuid4().hex
        if self.may_write(run):
            outcome = self.store(run, phase, fields, write_id)
            heard = {"cancelling"} if phase == Phase.RUNNING else {"written", "cancelled"}
            assert task.stray or outcome in (heard if task.cancelling else {"written"})
            run.ended = run.ended or phase != Phase.RUNNING
        else:
            with self.unchanged(task):
                outcome = self.store(run, phase, fields, write_id)
            assert outcome in REFUSED
        if repeated and outcome == "written":
            with self.unchanged(task):
                assert self.store(run, phase, fields, write_id) == "written" or task.stray
        return outcome

    @one_run(lambda run: run.speaks, asked=st.booleans(), weight=3)
    def save(self, run: Run, asked: bool) -> None:
        """Save with a report; a worker that stops has asked the run to leave with it."""
        task = run.task
        asked = asked and run.successor is None  # such a run leaves its task to that one
        fields = progress_fields("PROGRESS", {"current": 1})
        saved = f'{{"value":"{uuid4()}","loops":{{}}}}'
        with self.unchanged(task, but_for=self.may_write(run)):
            if asked:
                self.records.runs.ask_to_leave([(task.id, run.token)])
            outcome = self.store(run, Phase.RUNNING, fields, saved=saved, may_leave=asked)
        if task.stray:
            return
        if not self.may_write(run):
            assert outcome in REFUSED
            return
        task.saved = saved
        task.saved_text = task.text
        task.has_moved_on = True
        assert outcome == ("cancelling" if task.cancelling else "requeued" if asked else "written")
        if outcome == "requeued":
            run.ended = True
            task.holder = None
            task.dropped = False

    @one_run(
        lambda run: run.on and not run.successor and not run.task.parked,
        timeout=st.sampled_from([None, 3.0]),
        remind_after=st.sampled_from([None, 1.0]),
        weight=3,
    )
    def ask(self, run: Run, timeout: float | None, remind_after: float | None) -> None:
        """Ask a person, twice where the reply was lost."""
        task = run.task
        question = Asked(uuid4().hex, "key", "Go on?", None, None, timeout, remind_after)
        call = (task.id, run.delivery, question, message_of(run.order))
        asks = self.may_write(run) and not task.cancelling
        with self.unchanged(task, but_for=asks):
            outcome = self.records.runs.ask(*call)
        if task.stray:
            return
        wanted = {"waiting"} if asks else {"cancelling"} if self.may_write(run) else REFUSED
        assert outcome in wanted
        if asks:
            with self.unchanged(task):
                assert self.records.runs.ask(*call) == "waiting"
            run.ended = True
            task.question = question
            task.holder = None
            task.dropped = False

    @one_task(lambda task: task.question and not task.stray, value=st.sampled_from(["1", "2"]))
    def answer(self, task: Task, value: str) -> None:
        """One answer counts; it may come when nobody asks any more."""
        is_asked = task.phase == Phase.WAITING
        with self.unchanged(task, but_for=is_asked):
            outcome = self.records.answer(task.id, task.question.id, value, "ada").outcome
        assert outcome in ({"queued"} if is_asked else {"replayed", "conflict", "not_asked"})

    @one_run(lambda run: run.holds and not run.is_over)
    def go_on(self, run: Run) -> None:
        found = self.records.runs.read_saved(run.task.id, run.delivery)[:2]
        assert found == ("read", run.task.saved)

    def store(
        self,
        run: Run,
        phase: Phase,
        fields: dict[str, Any],
        write_id: str = "",
        *,
        saved: str = "",
        may_leave: bool = False,
    ) -> str:
        task = run.task
        return self.records.runs.write(
            StateWrite(
                task.id,
                run.delivery,
                phase,
                fields,
                meta=json.dumps({"status": STATE[phase], "result": None, "task_id": task.id}),
                name="long_task",
                max_attempts=task.max_attempts,
                most_failures=task.max_attempts,
                retry_in=run.delay,
                write_id=write_id,
                saved=saved,
                may_leave=may_leave,
            )
        )

    # A worker

    @one_run(lambda run: not run.claimed and not run.ended)
    def expire(self, run: Run) -> None:
        """The worker's parent says that a message came too late, or was revoked, before it
        began.
        """
        task = run.task
        run.ended = True
        fields = {"error": None, "status": "expired"}
        is_held = task.held and run.order == task.order
        is_waiting = task.phase == Phase.WAITING
        if task.final or is_waiting or run.order < task.order or is_held:
            with self.unchanged(task):
                assert self.store(run, Phase.CANCELLED, fields) in REFUSED or task.stray
        else:
            outcome = self.store(run, Phase.CANCELLED, fields)
            assert outcome == "written" or task.stray or task.dropped

    @one_run(lambda run: not run.ended, weight=3)
    def lose_a_process(self, run: Run) -> None:
        task = run.task
        run.ended = True
        is_refused = run.claimed or task.held or task.final or task.phase == Phase.WAITING
        if not self.may_write(run) and is_refused:
            with self.unchanged(task):
                assert self.records.runs.mark_lost(task.id, run.delivery) in REFUSED
            return
        outcome = self.records.runs.mark_lost(task.id, run.delivery)
        assert outcome == self.fate_of_a_lost_run(task) or task.stray or not run.holds
        if outcome == "requeued":
            task.lose()
        elif outcome == "exhausted":
            assert self.store(run, Phase.FAILED, FAILURE) == "written"

    def fate_of_a_lost_run(self, task: Task) -> str:
        if task.cancelling:
            return "cancelled"
        is_last = task.failures + 1 >= task.max_attempts and not task.has_moved_on
        return "exhausted" if is_last else "requeued"

    @one_run(lambda run: run.on, again=st.booleans())
    def leave(self, run: Run, again: bool) -> None:
        """A planned stop: the message goes back to the broker, or is lost there."""
        task = run.task
        run.ended = True
        if again:
            task.messages.append(run.order)
        if self.may_write(run):
            self.records.maintenance.release([(task.id, run.token)])
            assert task.stray or self.phase_now(task) == (
                Phase.CANCELLED if task.cancelling else Phase.QUEUED
            )
            task.holder = None
        else:
            with self.unchanged(task):
                self.records.maintenance.release([(task.id, run.token)])

    @one_run(received=st.booleans(), weight=1)
    def hold(self, run: Run, received: bool) -> None:
        task = run.task
        before = self.client.zscore("headway:leases", task.id)
        self.records.maintenance.heartbeat(
            "worker", 4, [(task.id, run.token)], [task.id] if received else []
        )
        after = self.client.zscore("headway:leases", task.id)
        if not task.stray:
            renewed = self.may_write(run) and not task.dropped
            assert (after > before) if renewed else after == before

    # Keepers, and time

    @step("", seconds=st.sampled_from([1, 6, 16]))
    def pass_without_a_round(self, seconds: int) -> None:
        """Redis hangs, or no worker is there."""
        self.pass_time(seconds)
        self.client.decrby("headway:last_sweep", seconds * 1_000_000)
        left = self.client.pttl("headway:grace") - seconds * 1000
        if left > 0:
            self.client.pexpire("headway:grace", left)
        else:
            self.client.delete("headway:grace")

    def pass_with_rounds(self, seconds: int) -> None:
        self.pass_time(seconds)
        self.client.set("headway:last_sweep", self.records.clock.now())
        self.client.delete("headway:grace")

    def pass_time(self, seconds: int) -> None:
        self.client.eval(ELAPSE, len(SETS), *SETS, seconds * 1_000_000)
        self.client.delete("headway:leader")

    @step(
        "",
        after=st.sampled_from([0, 6, 16, 61, 2 * FAR_SECONDS]),
        gives_up=st.booleans(),
        sends=st.booleans(),
        weight=6,
    )
    def round(self, after: int, gives_up: bool, sends: bool) -> None:
        if after:
            self.pass_with_rounds(after)
        lapsed = self.client.zrangebyscore("headway:leases", "-inf", self.records.clock.now())
        duties = self.records.maintenance.sweep("keeper")
        patient = self.client.exists("headway:grace")
        lost = {
            task_id: Run(self.task(task_id), order_of(message), token)
            for task_id, token, message in duties.exhausted
        }
        assert not (patient and lost)
        requeued = set()
        for task in [self.task(task_id) for task_id in lapsed if not patient]:
            fate = self.fate_of_a_lost_run(task)
            if not task.stray:
                assert (task.id in lost) == (fate == "exhausted")
                if fate == "requeued":
                    task.lose()
                    requeued.add(task.id)
        for run in lost.values() if gives_up else ():
            assert run.task.stray or run.token == run.task.holder.token
            assert self.store(run, Phase.FAILED, FAILURE) == "written"
        for task_id, message in duties.due:
            self.take_due(self.task(task_id), order_of(message), sends)
        assert requeued <= {task_id for task_id, _ in duties.due}, "what was lost is sent at once"

    @step("")
    def look(self) -> None:
        found = self.records.maintenance.unconfirmed()
        suspects = [self.task(task_id) for ids in found.values() for task_id in ids]
        assert all(task.stray or task.phase == Phase.QUEUED for task in suspects)
        missed = {task.id for task in suspects if not task.messages}
        self.records.maintenance.republish(missed & self.missing)
        self.missing = missed - self.missing

    # People

    @one_task(lambda task: not task.is_over, weight=2)
    def cancel(self, task: Task) -> None:
        outcome = self.records.cancel(task.id).outcome
        if task.stray:
            return
        if task.last is None:
            assert outcome == "unknown"
        elif task.final:
            assert outcome == "final"
        else:
            assert outcome == ("cancelling" if task.held else "cancelled")
            task.cancelling = task.held

    @one_task(lambda task: task.phase in WAITS_FOR_ITS_TIME and not task.owed, delay=delays)
    def schedule(self, task: Task, delay: int) -> None:
        outcome = self.records.reschedule(task.id, moment(delay) if delay else "").outcome
        assert outcome == ("scheduled" if delay else "queued")

    @one_task(lambda task: task.phase not in WAITS_FOR_ITS_TIME, weight=1)
    def schedule_in_vain(self, task: Task) -> None:
        with self.unchanged(task):
            assert self.records.reschedule(task.id, "").outcome in {"not_waiting", "unknown"}

    @one_task(lambda task: task.attempt and not task.stray, weight=1)
    def forget(self, task: Task) -> None:
        self.records.forget(task.id)
        task.go_astray()

    @step("", lambda machine: len(machine.runs) > 2, weight=1)
    def empty_redis(self) -> None:
        self.client.flushdb()
        self.client.set("headway:last_sweep", self.records.clock.now())
        for task in self.tasks:
            task.go_astray()

    # What must hold after each step

    @contextmanager
    def unchanged(self, task: Task, but_for: bool = False) -> Iterator[None]:
        """What happens here changes nothing of a task, unless it comes from its holder or the
        task is astray.
        """
        before = None if but_for or task.stray else self.kept(task)
        yield
        assert before is None or self.kept(task) == before

    def kept(self, task: Task) -> list[Any]:
        """Return all that Redis keeps of a task."""
        pipeline = self.client.pipeline()
        pipeline.hgetall(f"headway:task:{task.id}").get(f"celery-task-meta-{task.id}")
        pipeline.lrange(f"headway:log:{task.id}", 0, -1)
        pipeline.get(f"headway:stream:{task.id}:answer")
        for key in (*SETS, *WAITING):
            pipeline.zscore(key, task.id)
        return pipeline.execute()

    def phase_now(self, task: Task) -> Phase:
        return Phase(json.loads(self.client.hget(f"headway:task:{task.id}", "phase")))

    def heard(self) -> list[Snapshot]:
        """Return what has been pushed since the last time."""
        self.client.publish("the end", "")
        snapshots = []
        while (message := self.ear.get_message(timeout=20)) and message["channel"] != "the end":
            event, payload = json.loads(message["data"])
            if event == "snapshot" and payload["task_id"] != PARENT_ID:
                snapshots.append(Snapshot.from_json(json.dumps(payload)))
        assert message, "Redis was not heard"
        return snapshots

    @invariant()
    def all_is_well(self) -> None:
        self.snapshots_tell_a_history()
        self.each_task_is_where_it_goes_on_from_and_nowhere_else()
        self.streams_hold_what_this_attempt_wrote()
        self.the_parent_counts_its_parts()

    def the_parent_counts_its_parts(self) -> None:
        [stored] = self.records.read([PARENT_ID])
        if stored is None or any(task.stray for task in self.tasks):
            return
        # The first write of a run without a record makes one of nobody's.
        phases = [task.phase for task in self.tasks if task.last and task.last.parent_id]
        parts = Snapshot.from_json(stored.snapshot).parts
        kept = self.records.lists.part_counts(PARENT_ID)
        assert {phase: count for phase, count in kept.items() if count} == Counter(phases)
        if parts is None:
            assert not phases
            return
        assert parts["count"] == len(phases)
        assert parts["ended"] == sum(phase in FINAL for phase in phases)
        assert parts["failed"] == phases.count(Phase.FAILED)
        assert parts["waiting"] == phases.count(Phase.WAITING)
        assert (parts["first_failed"] is None) == (Phase.FAILED not in phases)
        assert parts["progress"] == 1 or parts["ended"] < parts["count"]
        assert self.records.lists.count_open("ada") == 1 + parts["count"] - parts["ended"]

    def streams_hold_what_this_attempt_wrote(self) -> None:
        tasks = [task for task in self.tasks if task.last and not task.stray]
        pipeline = self.client.pipeline()
        for task in tasks:
            key = f"headway:stream:{task.id}:answer"
            pipeline.get(key).pttl(key)
        answers = pipeline.execute()
        for task, text, ttl in zip(tasks, answers[::2], answers[1::2], strict=True):
            assert (text or "") == task.text
            assert ttl > 0 or not task.text

    def snapshots_tell_a_history(self) -> None:
        for snapshot in self.heard():
            check(snapshot)
            task = self.task(snapshot.task_id)
            if task.last and not task.stray:
                check_order(task.last, snapshot)
            task.last = snapshot
            if (
                snapshot.state == "PROGRESS"
                and not task.stray
                and (far := ratio(snapshot)) is not None
            ):
                assert far >= task.high, "the bar went back"
                task.high = far
        for task, stored in zip(
            self.tasks, self.records.read([task.id for task in self.tasks]), strict=True
        ):
            if task.stray:
                task.last = Snapshot.from_json(stored.snapshot) if stored else None
                continue
            assert (stored is None) == (task.last is None)
            if stored is not None:
                now = Snapshot.from_json(stored.snapshot)
                check(now)
                assert now == task.last or (
                    now.phase == Phase.QUEUED and now.version == task.last.version
                )
                assert now.attempt == task.attempt

    def each_task_is_where_it_goes_on_from_and_nowhere_else(self) -> None:
        tasks = [task for task in self.tasks if task.last and not task.stray]
        pipeline = self.client.pipeline()
        for task in tasks:
            for key in ("headway:task:", "celery-task-meta-", "headway:log:"):
                pipeline.pttl(key + task.id)
            for key in (*SETS, *WAITING):
                pipeline.zscore(key, task.id)
        *answers, now = pipeline.time().execute()
        for task, first in zip(tasks, range(0, len(answers), 10), strict=True):
            self.check_places(task, now[0] * 1e6 + now[1], *answers[first : first + 10])

    def check_places(
        self,
        task: Task,
        now: float,
        ttl: int,
        celery: int,
        log: int,
        lease: Any,
        _: Any,
        outbox: Any,
        overdue: Any,
        deadline: Any,
        *waiting: Any,
    ) -> None:
        assert ttl > 0
        assert celery > 0
        assert log == NO_KEY or log > 0
        assert sum(score is not None for score in waiting) == (task.phase == Phase.QUEUED)
        assert (lease is not None) == (task.held and not task.final)
        assert (overdue is not None) == (task.phase == Phase.CANCELLING)
        is_asked = task.phase == Phase.WAITING and task.question.timeout is not None
        assert (deadline is not None) == (is_asked or self.is_to_be_reminded(task))
        if task.final:
            assert outbox is None
        elif task.phase in WAITS_FOR_ITS_TIME:
            assert task.owed or outbox < now + ttl * 1000, "its message is kept until it is due"
        elif task.phase != Phase.QUEUED:
            assert (outbox is not None) == task.parked

    def is_to_be_reminded(self, task: Task) -> bool:
        """Whether people are still to be reminded of a task's question."""
        if task.phase != Phase.WAITING or task.question.remind_after is None:
            return False
        return task.last.question["reminded_at"] is None

    def teardown(self) -> None:
        """All workers die, again and again, and keepers do their rounds: each task comes to its
        end.
        """
        try:
            self.look_after_all()
        finally:
            self.ear.close()

    def look_after_all(self) -> None:
        for task in self.tasks:
            if task.owed and task.phase == Phase.RETRYING:
                self.park_successor(task)
        for task in self.tasks:
            if task.phase == Phase.WAITING and not task.stray:
                self.answer(task, "1")
        for _ in range(MAX_ATTEMPTS + 5):
            self.look()
            self.round(after=2 * FAR_SECONDS, gives_up=True, sends=True)
            self.all_is_well()
            for task in self.tasks:
                while task.hand:
                    task.messages.append(task.hand.pop())
                while task.messages:
                    self.records.outbox.mark_published(task.id)
                    self.claim(Run(task, task.messages.pop()))
                    self.all_is_well()
        for task in self.tasks:
            ignored = task.dropped and not task.parked
            assert task.is_over or task.last is None or ignored, f"stranded: {task.last}"
        assert self.client.zcard("headway:outbox") == 0


def test_a_record_keeps_its_promises_in_any_order_of_events(redis_url: str):
    client = connect(redis_url, timeout=5)
    records = Records(client, TTL_DAYS)
    run_state_machine_as_test(
        lambda: RecordMachine(records),
        settings=settings(
            max_examples=EXAMPLES or 120,
            stateful_step_count=LENGTH,
            derandomize=not EXAMPLES,
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
    client.close()
