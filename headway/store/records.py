"""The record of each task in Redis: the truth that every page, endpoint and Celery client reads.

One server-side script makes each change: it checks, versions, stores and publishes, atomically, in one round trip.
The scripts are in `headway/store/lua/`; `record.lua` says how a record lies in Redis.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from itertools import chain
from math import inf
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import uuid4

import redis
from kombu.utils.json import dumps, loads

from headway.celery.sends import as_asked, owner_of, send_of, title_of
from headway.masking import mask
from headway.snapshot import Phase, fragment, title_line
from headway.store.connection import Client, Line, Unavailable
from headway.store.restored import NOT_SEEN, Seen

SCRIPTS = Path(__file__).parent / "lua"
READS = {"list", "newest", "overview", "read", "tail"}  # may run where Redis takes no writes
NEED_MEMORY = {"create", "enqueue", "probe"}  # may not run where Redis is full; all others may
TASK_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,127}\Z")
UNFENCED = ""  # the token of a write that comes from no delivery
STORED = {"written", "cancelling", "cancelled"}  # the verdicts of a write that took place
UNCLAIMED = "-"  # the token of a delivery that no worker marked: it may write where nobody has claimed

QUEUES = ("celery", "mail")
OVERVIEW = ("now", "workers", "slots", "queued", "queues", "paused")
LEASE_SECONDS = 15.0
CANCEL_GRACE_SECONDS = 5.0
LOG_LINES = 1000  # kept of each task
READ_BATCH = 200
PRUNE_BATCH = 1000  # expired ids that one reading of a list removes
START_SECONDS = 2.0  # a start that takes Redis longer than this is refused, not begun late
MAX_CALL_BYTES = 64 * 1024  # of a text that goes to Redis, and to its channels, in one
PIECE_BYTES = 512 * 1024
STAGED_SECONDS = 60.0  # for which a staged text waits for its write
CLOCK_SECONDS = 5.0  # for which a look at Redis's clock is good


class AlreadyUsed(Exception):
    """An idempotency key came again with another body."""


class TooLate(Exception):
    """Redis took the start only after its deadline, and refused it: nothing was started."""


class ResultGone(Exception):
    """A large result has expired while it was being read."""


class Delivery(NamedTuple):
    """Which delivery of a task's message writes: its token, and its place among the deliveries of one id."""

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


class Write(NamedTuple):
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
class Stored:
    """A record as read: who owns it ("" for nobody), a tag that changes whenever the snapshot does, the JSON."""

    owner: str
    tag: str
    snapshot: str


@dataclass(frozen=True)
class Changed:
    """The outcome of `cancel` and `schedule`: the snapshot as JSON, or why nothing was changed."""

    verdict: str
    snapshot: str | None


@dataclass(frozen=True)
class Duties:
    """What a keeper has to do now."""

    due: list[tuple[str, dict[str, Any]]]  # (task_id, message) to be sent; call `sent` for each one that was
    lost: list[tuple[str, str, dict[str, Any] | None]]  # (task_id, token, message) of tasks whose last attempt was lost
    doomed: set[str]  # cancelled tasks that did not end by themselves; whoever runs one has to end it
    # (task_id, message) of which the dependents have to be told; call `told`.
    ended: list[tuple[str, dict[str, Any]]]
    broken: dict[str, str]  # task_id -> why, of records that cannot be handled; they are left alone
    seen: Seen
    paused: bool  # see Records.paused
    has_more: bool  # whether the next round has something to do now


class Paused(NamedTuple):
    """Since when all is paused, and of which time the data is that was restored: RFC 3339."""

    since: str
    data_of: str


@dataclass(frozen=True)
class Started:
    """The outcome of `create`: the task, its snapshot as JSON, whether it is new, for later, or known by its key."""

    task_id: str
    snapshot: str
    verdict: Literal["created", "scheduled", "replayed"]


def _library() -> tuple[str, str]:
    """Return the Redis library of all scripts, and the digest that is in its name and in its functions' names.

    So a deploy's old and new processes each call their own. A loaded library is compiled once, where a script would
    build its closures anew at each call.
    """
    bodies = {path.stem: path.read_text() for path in sorted(SCRIPTS.glob("*.lua"))}
    head = bodies.pop("record")
    flags_of = {name: _flags(name) for name in bodies}
    digest = sha256((head + repr([bodies, flags_of])).encode()).hexdigest()[:12]
    parts = [f"#!lua name=headway_{digest}\n{head}"]
    for name, body in bodies.items():
        flags = flags_of[name]
        callback = f"function(KEYS, ARGV) begin()\n{body}\nend"
        parts.append(
            f"redis.register_function{{function_name='{name}_{digest}', flags={{{flags}}}, callback={callback}}}"
        )
    return "\n".join(parts), digest


def _flags(function: str) -> str:
    if function in READS:
        return "'no-writes'"
    return "" if function in NEED_MEMORY else "'allow-oom'"


LIBRARY, LIBRARY_DIGEST = _library()


class Records:
    """All reads and writes of records, over one Redis client.

    Every method raises Unavailable when Redis does not answer in time, or takes no writes.
    """

    def __init__(
        self,
        client: Client,
        ttl_days: float,
        lease_seconds: float = LEASE_SECONDS,
        cancel_grace_seconds: float = CANCEL_GRACE_SECONDS,
    ) -> None:
        """Set how long a silent worker keeps its tasks, and a cancelled run may take to end."""
        self.client = client
        self.ttl = int(ttl_days * 24 * 3600 * 1000)  # milliseconds
        self.lease_seconds = lease_seconds
        self._lease = int(lease_seconds * 1e6)  # microseconds, as the next
        self._cancel_grace = int(cancel_grace_seconds * 1e6)
        self._clock = -inf, 0  # when Redis's was asked (seconds), and how far it was ahead of ours (microseconds)

    def _run(self, function: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
        return self._begin(function, keys, args)()

    def _begin(
        self, function: str, keys: Sequence[str], args: Sequence[Any], line: Line | None = None
    ) -> Callable[[], Any]:
        """Call a function; what is returned waits for the reply, and has to be called."""
        call = (f"{function}_{LIBRARY_DIGEST}", keys, args)
        line = line or self.client.line()
        line.call(*call)

        def reply() -> Any:
            try:
                return line.reply()
            except redis.ResponseError as error:
                if "Function not found" not in str(error):
                    raise
            self._load()
            again = self.client.line()  # on this one another's reply may be due
            again.call(*call)
            return again.reply()

        return reply

    def _load(self) -> None:
        try:
            self.client.execute_command("FUNCTION", "LOAD", LIBRARY)
        except redis.ResponseError as error:
            if "already exists" not in str(error):  # another process has loaded it just now
                raise

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
        task_id: str = "",
        letter: str = "",
    ) -> Started:
        """Make the record of a task; `message` is its Celery signature, with a queue.

        `when` is "" for now, "+<microseconds>" from now, or "<microseconds>" on Redis's clock. `letter` is the message
        as it lies in that queue, and is put there with the record; without it the message is not sent yet. The same
        `key` of the same owner gives the same task again. Raises AlreadyUsed when that came with another message,
        TooLate.
        """
        task_id = task_id or str(uuid4())
        text = dumps(message)
        once = f"headway:once:{owner}:{sha256(key.encode()).hexdigest()}" if key else ""
        keys = [_record(task_id), f"headway:owner:{owner}", *filter(None, [once])]
        name, queue = fragment(message["task"]), message["options"]["queue"]
        args = [task_id, owner, queue, name, fragment(title_line(title)), max_attempts, text, self.ttl]
        send = send_of(message)
        digest = sha256(f"{dumps(as_asked(message))} {when}".encode()).hexdigest()
        begun = time.monotonic()
        verdict, *found = self._run("create", keys, [*args, self._deadline(), digest, when, letter, send])
        if verdict == "late" and time.monotonic() - begun < START_SECONDS:  # Redis's clock has been put forward
            self._clock = -inf, 0
            verdict, *found = self._run("create", keys, [*args, self._deadline(), digest, when, letter, send])
        if verdict == "late":
            raise TooLate
        if verdict == "conflict":
            raise AlreadyUsed
        return Started(found[0], found[1], verdict)

    def enqueue(self, task_id: str, sent: Sent, encoded: str = "") -> None:
        """Make the record of a task that Celery sends, unless there is one.

        `encoded` is its message as it lies in its queue in this Redis, which puts it there with
        the record; "" where it is sent by other means.
        """
        title = fragment(title_line(sent.title)) if sent.title else _label(sent.name)
        about = [sent.owner, sent.queue, _label(sent.name), title, sent.max_attempts]
        args = [task_id, *about, self.ttl, sent.when, sent.send, encoded]
        self._run("enqueue", [_record(task_id)], args)

    def _deadline(self) -> int:
        """Return until when a start may begin, on Redis's clock, which is asked now and then."""
        asked, ahead = self._clock
        if time.monotonic() - asked > CLOCK_SECONDS:
            now, asked = self.now(), time.monotonic()
            ahead = now - int(asked * 1e6)
            self._clock = asked, ahead
        return int((time.monotonic() + START_SECONDS) * 1e6) + ahead

    def sent(self, task_id: str) -> None:
        """Note that the task's message is with the broker."""
        self._run("sent", [_record(task_id)], [task_id])

    def park(
        self,
        task_id: str,
        order: int,
        *,
        message: Mapping[str, Any],
        max_attempts: int,
        when: str,
        run: Delivery,
        source: Source = NO_SOURCE,
        only_attended: bool = False,
    ) -> str:
        """Keep a message, a Celery signature, until it is time to send it: "parked", or why not.

        `order` is the message's own; `run` is the delivery that asks for its own next attempt,
        `Delivery()` for none. Returns "due" when it is kept and may be released now; "busy" when
        another send of the same id has not ended; with `only_attended` "unattended" when no worker
        has done its rounds for a minute, so that nobody might send it.
        """
        name, queue = _label(message["task"]), message["options"].get("queue", "")
        title = _title(message)
        args = [task_id, order, name, title, max_attempts, dumps(message), queue, self.ttl, when, run.token, run.order]
        return str(self._run("park", [_record(task_id)], [*args, *source.args, int(only_attended), owner_of(message)]))

    def release(self, task_id: str) -> dict[str, Any] | None:
        """Take a kept message that is due, None if it is not wanted; send it, then call `sent`."""
        message = self._run("release", [_record(task_id)], [task_id, self.ttl])
        return loads(message) if message else None

    def successor_due(self, task_id: str) -> datetime | None:
        """Return when the message is due that a task's present run has left for its next one; None without one."""
        micros = self.client.zscore("headway:outbox", task_id)
        return None if micros is None else datetime.fromtimestamp(micros / 1e6, UTC)

    def message(self, task_id: str) -> tuple[dict[str, Any], str] | None:
        """Return a task's Celery signature and its title; None where they are not kept."""
        message, title = self.client.hmget(_record(task_id), "message", "title")
        return (loads(message), json.loads(title)) if message and title else None

    # What people change

    def cancel(self, task_id: str) -> Changed:
        """Cancel a task: "cancelled", "cancelling" while it runs, or "final", "unknown"."""
        return self._change("cancel", task_id, self._cancel_grace)

    def schedule(self, task_id: str, when: str) -> Changed:
        """Set another time for a scheduled or retrying task: "scheduled", "queued", or "not_waiting", "unknown"."""
        return self._change("schedule", task_id, when)

    def _change(self, script: str, task_id: str, *args: Any) -> Changed:
        verdict, *snapshot = self._run(script, [_record(task_id)], [task_id, self.ttl, *args])
        return Changed(verdict, snapshot[0] if snapshot else None)

    # What a run writes

    def claim(
        self,
        task_id: str,
        delivery: Delivery,
        run: str,
        *,
        message: Mapping[str, Any],
        max_attempts: int,
        hostname: str,
        source: Source = NO_SOURCE,
        patient: bool = False,
    ) -> str:
        """Give the task to this delivery of `message`, its Celery signature; each of its runs has a name of its own.

        Returns "claimed", "lost" when another run of this delivery has it, which then is to be
        reported as lost, or why not: "final", "stale", "superseded", "running", "cancelled",
        "expired" (its record has expired), "paused" (it is kept until `make resume`); for a
        `patient` caller "early": ask again after the next sweep.
        """
        name, queue = _label(message["task"]), message["options"].get("queue", "")
        args = [task_id, delivery.token, delivery.order, name, _title(message), max_attempts, fragment(hostname)]
        run_args = [dumps(message), queue, self.ttl, self._lease, run, *source.args, int(patient), owner_of(message)]
        return str(self._run("claim", [_record(task_id)], [*args, *run_args]))

    def write(self, write: Write) -> str:
        """Store a change and publish it.

        Returns one of STORED when it was: "cancelling" means that the task has been cancelled and has to stop, and
        "cancelled" that its retry was turned into its end. Else why not: "final" (the task has ended), "stale" or
        "superseded" (a newer delivery has it), "exhausted" (a retry after `most_failures`).
        """
        if len(write.meta) <= MAX_CALL_BYTES and not write.whole:
            return self.begin_write(write)()
        staged = [self._stage(text) for text in (write.meta, write.whole) if text]
        outcome = self.begin_write(write._replace(meta=""), staged=staged)()
        if outcome == "unstaged":
            raise Unavailable("Redis lost a large result while it was being stored.")
        with suppress(Unavailable):
            self.client.unlink(*staged)  # where it was not taken over
        return outcome

    def _stage(self, text: str | bytes) -> str:
        """Put a large text into Redis, piece by piece; returns the key where it waits."""
        key = f"headway:staged:{uuid4().hex}"
        data = text.encode() if isinstance(text, str) else text
        # From its end, so that the first piece makes room for all.
        for start in reversed(range(0, len(data), PIECE_BYTES)):
            self._run("stage", [key], [start, data[start : start + PIECE_BYTES], int(STAGED_SECONDS * 1000)])
        return key

    def begin_write(self, write: Write, line: Line | None = None, staged: Sequence[str] = ()) -> Callable[[], str]:
        """Send a change, by default on a line of its own; `staged` are the keys of its large texts.

        What is returned has to be called, and returns what `write` does.
        """
        name = _label(write.name)
        fields = {**write.fields, "phase": write.phase}
        flat = [part for key, value in fields.items() for part in (key, fragment(value))]
        run = [write.task_id, write.delivery.token, write.delivery.order]
        retry = [int(write.retry_in * 1e6), write.write_id, write.most_failures, write.teller]
        args = [*run, name, name, write.max_attempts, write.meta, self.ttl, *retry, *flat]
        return self._begin("write", [_record(write.task_id), *staged], args, line)

    def log(self, task_id: str, delivery: Delivery, lines: Iterable[tuple[str, str]]) -> bool:
        """Append `(level, text)` lines to the task's log and publish them; False when the record refuses."""
        flat = [part for level, line in lines for part in (fragment(level), fragment(mask(line)))]
        keys = [_record(task_id), _log(task_id)]
        return bool(self._run("log", keys, [task_id, delivery.token, delivery.order, LOG_LINES, *flat]) == "written")

    def mail(self, task_id: str, delivery: Delivery, stage: Literal["prepared", "committing"]) -> str:
        """Note how far the task's e-mail is: "written", "cancelling", "unknown" after another run was lost while it
        committed, or why not."""
        return str(self._run("mail", [_record(task_id)], [delivery.token, delivery.order, stage]))

    def lose(self, task_id: str, delivery: Delivery) -> str:
        """Note that the process of a run is gone: "requeued", "cancelled", "exhausted" when the caller has to store the
        failure, or why it changes nothing."""
        return str(self._run("lose", [_record(task_id)], [task_id, delivery.token, delivery.order, self.ttl]))

    def drop(self, task_id: str, delivery: Delivery) -> None:
        """Give up a run that ends without an outcome."""
        self._run("drop", [_record(task_id)], [task_id, delivery.token])

    def forget(self, task_id: str) -> None:
        """Drop all that is kept of a task."""
        self.client.delete(_record(task_id), _log(task_id), _celery(task_id), _result(task_id))

    # What workers and their keepers do

    def hold(
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
        """Say, for as long as a lease lasts, that a worker is there and what it holds.

        `worker` is the id of its process, `running` are `(task_id, token)` of what it runs,
        `received` ids of what it has received and not begun, `queues` those that it takes; a worker
        that is not `taking` ends when it has done these, and does not count. Returns the ids of
        other workers of the same name.
        """
        pairs = [part for pair in running for part in pair]
        takes = dumps(list(queues)) if queues else ""
        about = [worker, slots, name or worker, takes, self._lease if taking else 0, self._lease]
        namesakes: list[str] = self._run("hold", [], [*about, len(pairs) // 2, *pairs, *received])
        return namesakes

    def leave(self, worker: str, slots: int) -> None:
        """Say that a worker is there no longer."""
        self.client.zrem("headway:workers", f"{worker} {slots}")
        self.client.delete(f"headway:worker:{worker}")

    def give_back(self, running: Iterable[tuple[str, str]]) -> None:
        """Give back `(task_id, token)` of what a worker that stops runs: others may run it at once, and it counts as no
        failure."""
        pairs = [part for pair in running for part in pair]
        self._run("give_back", [], [self.ttl, *pairs])

    def round(self, keeper: str, limit: int = 100, seen: Seen = NOT_SEEN) -> Duties:
        """Do one round: what is lost is queued again, and what is due is returned; see Duties.

        One keeper at a time has the office; another one gets only what is doomed. All is paused
        where `seen` is a later state of Redis than this one.
        """
        args = [keeper, limit, self.ttl, self._lease, *seen, uuid4().hex]
        due, lost, doomed, ended, broken, state = self._run("round", [], args)
        epoch, generation, paused, is_cut = state
        return Duties(
            [(task_id, _message(text)) for task_id, text in zip(due[::2], due[1::2], strict=True)],
            [
                (task_id, token, _message(text) if text else None)
                for task_id, token, text in zip(lost[::3], lost[1::3], lost[2::3], strict=True)
            ],
            set(doomed),
            [(task_id, _message(text)) for task_id, text in zip(ended[::2], ended[1::2], strict=True)],
            dict(zip(broken[::2], broken[1::2], strict=True)),
            Seen(epoch, generation),
            bool(paused),
            len(due) // 2 == limit or bool(is_cut),
        )

    def may_tell(self, task_id: str) -> bool:
        """Whether the caller has to tell the dependents of a task that has ended.

        False where somebody else does.
        """
        return bool(self._run("tell", [], [task_id]))

    def told(self, task_id: str) -> None:
        """Note that a task's dependents have been told of its end."""
        self.client.zrem("headway:untold", task_id)

    def suspects(self, limit: int = 1000) -> dict[str, list[str]]:
        """Return, by queue, the ids that wait longest and whose message should be with the broker."""
        flat = self._run("suspects", [], [limit])
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def resend(self, task_ids: Iterable[str]) -> None:
        """Have the messages of tasks that are still queued sent again."""
        self._run("resend", [], list(task_ids))

    # Reading

    def read(self, task_ids: Sequence[str], known: Sequence[str] = ()) -> list[Stored | None]:
        """Return the records of well-formed ids in one round trip, None for each one that is unknown or expired.

        `known` are tags that the reader has, in the order of the ids: where one is still right, no snapshot is made.
        """
        if not task_ids:
            return []
        found = self._run("read", [_record(task_id) for task_id in task_ids], known)
        return [Stored(*values, *[""] * (3 - len(values))) if values else None for values in found]

    def scan(self) -> Iterator[Stored]:
        """Yield the records of all tasks, in no order, each once."""
        keys = self.client.scan_iter(match=_record("*"), count=READ_BATCH)
        ids = list({str(key).removeprefix(_record("")) for key in keys})
        for begin in range(0, len(ids), READ_BATCH):
            yield from filter(None, self.read(ids[begin : begin + READ_BATCH]))

    def result(self, task_id: str) -> tuple[int, Iterator[bytes]] | None:
        """Return the size of the JSON of a task's result, in bytes, and its pieces.

        None where it is not kept.

        A later piece raises ResultGone when it has expired meanwhile.
        """
        names = ("state", "result", "result_size", "result_at")
        state, text, size, start = self.client.hmget(_record(task_id), names)
        if state != '"SUCCESS"' or text is None:
            return None
        if size in (None, "null"):
            whole = str(text).encode()
            return len(whole), iter([whole])
        key = _celery(task_id) if start else _result(task_id)
        pieces = self._pieces(key, int(start or 0), int(size))
        try:
            first = next(pieces)
        except ResultGone:
            return None
        return int(size), chain([first], pieces)

    def _pieces(self, key: str, start: int, size: int) -> Iterator[bytes]:
        for at in range(start, start + size, PIECE_BYTES):
            end = min(at + PIECE_BYTES, start + size)
            piece: bytes = self.client.execute_command("GETRANGE", key, at, end - 1, NEVER_DECODE=True)
            if len(piece) != end - at:
                raise ResultGone
            yield piece

    def owned(
        self, owner: str, limit: int, phases: Iterable[Phase] = (), cursor: tuple[str, str] = ("", "")
    ) -> tuple[list[str], tuple[str, str] | None]:
        """Return snapshots (JSON) of the owner's tasks, newest first, and the cursor of the next page, if any."""
        words = "".join(f"{phase}|" for phase in phases)
        keys = [f"headway:owner:{owner}"]
        score, last, expired, *page = self._run("list", keys, [limit, words and f"|{words}", *cursor])
        if expired:
            with suppress(Unavailable):  # where Redis takes no writes, the next reader sees to it
                self._run("prune", keys, expired[:PRUNE_BATCH])
        return page, (score, last) if score else None

    def tail(self, task_id: str, after: int) -> dict[str, Any]:
        """Return `{"lines", "first_seq", "last_seq"}`: the kept log lines after `after`, and what is kept."""
        first, last, *lines = self._run("tail", [_record(task_id), _log(task_id)], [after])
        return {"lines": [json.loads(line) for line in lines], "first_seq": int(first), "last_seq": int(last)}

    def newest_lines(self, task_ids: Sequence[str]) -> list[str]:
        """Return the newest line of each task's log as JSON, "" where there is none."""
        lines: list[str] = self._run("newest", [_log(task_id) for task_id in task_ids], [])
        return lines

    # After a restore

    def paused(self) -> Paused | None:
        """Return since when all is paused after a restore from a backup; None where it is not."""
        since, data_of = self.client.hmget("headway:paused", "since", "data_of")
        return Paused(_rfc3339(str(since)), _rfc3339(str(data_of))) if since and data_of else None

    def unended(self) -> list[str]:
        """Return the snapshots (JSON) of all tasks that wait or run."""
        sets = ["headway:outbox", "headway:leases"]
        sets += [f"headway:waiting:{queue!s}" for queue in self.client.smembers("headway:queues")]
        ids = sorted({str(task_id) for name in sets for task_id in self.client.zrange(name, 0, -1)})
        found = [self.read(ids[begin : begin + READ_BATCH]) for begin in range(0, len(ids), READ_BATCH)]
        return [stored.snapshot for some in found for stored in some if stored is not None]

    def resume(self) -> bool:
        """Have what was restored go on; False where nothing is paused."""
        return bool(self._run("resume", [], []))

    # The system

    def probe(self, commands: Iterable[str] = ()) -> list[str]:
        """Return which of these commands, words with spaces between them, this user may not give.

        Raises Unavailable also where Redis takes no new tasks, with the reason.
        """
        denied: list[str] = self._run("probe", [], list(commands))
        return denied

    def now(self) -> int:
        """Return Redis's clock in microseconds."""
        seconds, micros = self.client.time()
        return seconds * 1_000_000 + micros

    def overview(self) -> dict[str, Any]:
        """Return the system at a glance, with the keys of OVERVIEW.

        `queues` is `{"<name>": {"queued", "workers"}}`.
        """
        now, workers, slots, queued, paused, *flat = self._run("overview", [], [self.ttl, *QUEUES])
        each = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
        queues = {name: {"queued": waiting, "workers": takers} for name, waiting, takers in sorted(each)}
        numbers = {"workers": workers, "slots": slots, "queued": queued}
        return {"now": json.loads(now), **numbers, "queues": queues, "paused": bool(paused)}


Room = Literal["task", "owner"]


def room(kind: Room, name: str) -> str:
    """Return the room of a task or of an owner; its channel in Redis carries the message queue's name before it."""
    return f"{kind}:{name}"


def _title(message: Mapping[str, Any]) -> str:
    """Return the title of a message's task as a JSON fragment: its own, or the task's name."""
    return fragment(title_line(title_of(message))) if title_of(message) else _label(message["task"])


@lru_cache(1024)
def _label(name: str) -> str:
    """Return a task's name, which may be any text of any sender, as a fragment for people."""
    return fragment(title_line(name))


def _rfc3339(micros: str) -> str:
    time = datetime.fromtimestamp(int(micros) / 1e6, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _record(task_id: str) -> str:
    return f"headway:task:{task_id}"


def _celery(task_id: str) -> str:
    return f"celery-task-meta-{task_id}"


def _result(task_id: str) -> str:
    return f"headway:result:{task_id}"


def _message(text: str) -> dict[str, Any]:
    """Return a kept message, {} for one that cannot be read."""
    with suppress(Exception):  # it may name types that only its sender knows
        message = loads(text)
        return message if isinstance(message, dict) else {}
    return {}


def _log(task_id: str) -> str:
    return f"headway:log:{task_id}"
