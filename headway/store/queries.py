"""Reads of records, results and logs, and of the system at a glance."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from headway import strict_json
from headway.shapes import AttemptFailure
from headway.store import damaged
from headway.store.damaged import unless_damaged
from headway.store.functions import Functions
from headway.store.messages import decoded
from headway.store.model import (
    LogPage,
    Overview,
    Point,
    QueueLoad,
    ResultGone,
    StreamPage,
    TaskDetails,
    TaskRecord,
)
from headway.store.runs import PIECE_BYTES

TAG = re.compile(r"[0-9]{1,18}(-[0-9]{1,18})?")
READ_BATCH = 200
MAX_STREAM_BYTES = 16 * 1024 * 1024  # of text in one answer
EVERYBODY = "*"  # as a reader
MAX_TRACEBACKS = 10  # as in transition.lua
MAX_POINTS = 240  # as in points.lua


class Queries:
    """Reads of many records, of results and logs."""

    def __init__(self, functions: Functions, ttl: int) -> None:
        self._functions = functions
        self._keys = functions.keys
        self._ttl = ttl

    def read(
        self,
        task_ids: Sequence[str],
        known: Sequence[str] = (),
        claims: Sequence[str] = (),
        readers: Sequence[str] = (),
    ) -> list[TaskRecord | None]:
        """Return the records of well-formed ids in one round trip; None if unknown or expired.

        `known` are the tags that the reader has, in the order of the ids: where one is current, the
        snapshot is left "". `claims` are those of the reader's token, "" for none. `readers` are
        the owners who ask, "" nobody, EVERYBODY an operator: of what is neither theirs nor claimed
        is None returned, as of what is unknown.
        """
        if not task_ids:
            return []
        keys = [self._keys.record(task_id) for task_id in task_ids]
        nothing = [""] * len(keys)
        args = [*(known or nothing), *(claims or nothing), *readers] if claims or readers else known
        found = self._functions.call("read", keys, args)
        return [_record(values) if values else None for values in found]

    def scan(self) -> Iterator[TaskRecord]:
        """Yield the records of all tasks, in no order, each once."""
        keys = self._functions.client.scan_iter(match=self._keys.record("*"), count=READ_BATCH)
        ids = list({str(key).removeprefix(self._keys.record("")) for key in keys})
        for begin in range(0, len(ids), READ_BATCH):
            yield from filter(None, self.read(ids[begin : begin + READ_BATCH]))

    def result(self, task_id: str) -> tuple[int, Iterator[bytes]] | None:
        """Return the size in bytes of a task's result as JSON, and its pieces; None if not kept.

        A later piece raises ResultGone if the result expires meanwhile.
        """
        names = ("state", "result", "result_size", "result_at")
        state, text, size, start = self._functions.client.hmget(self._keys.record(task_id), names)
        if state != '"SUCCESS"' or text is None:
            return None
        if size in (None, "null"):
            whole = str(text).encode()
            return len(whole), iter([whole])
        key = self._keys.celery(task_id) if start else self._keys.result(task_id)
        pieces = self._pieces(key, damaged.count(start), damaged.count(size))
        try:
            first = unless_damaged(None, next, pieces)
        except ResultGone:
            return None
        return None if first is None else (damaged.count(size), chain([first], pieces))

    def _pieces(self, key: str, start: int, size: int) -> Iterator[bytes]:
        for at in range(start, start + size, PIECE_BYTES):
            end = min(at + PIECE_BYTES, start + size)
            piece: bytes = self._functions.client.execute_command(
                "GETRANGE", key, at, end - 1, NEVER_DECODE=True
            )
            if len(piece) != end - at:
                raise ResultGone
            yield piece

    def read_log(self, task_id: str, after: int) -> LogPage:
        """Return the log lines after the seq `after`."""
        first, last, lines = self._functions.call(
            "read_log", [self._keys.record(task_id), self._keys.log(task_id)], [after]
        )
        return {
            "lines": damaged.log_lines(lines),
            "first_seq": int(first),
            "last_seq": int(last),
        }

    def read_streams(
        self,
        task_id: str,
        had: Mapping[str, tuple[int, int | None]],
        *,
        only: str = "",
        max_bytes: int = MAX_STREAM_BYTES,
    ) -> dict[str, StreamPage]:
        """Return a task's streams by name, or `only` this one, of which the reader may have parts.

        `had` is how many bytes of each stream, and their epoch, None for any; other streams are
        read from their beginning. Of all texts together at most `max_bytes` are returned.
        """
        flat = [
            part
            for name, (offset, epoch) in had.items()
            for part in (name, offset, "" if epoch is None else epoch)
        ]
        args = [task_id, only, max_bytes, *flat]
        found = self._functions.call("read_streams", [self._keys.record(task_id)], args)
        return {name: _stream_page(*values) for name, *values in found}

    def stream_names(self, task_id: str) -> list[str]:
        """Return the names of a task's streams."""
        field = self._functions.client.hget(self._keys.record(task_id), "streams")
        return [stream.partition(" ")[0] for stream in str(field or "").split(";")[:-1]]

    def points(self, task_id: str) -> list[Point]:
        """Return how a task got on, oldest first; see points.lua."""
        key = self._keys.points(task_id)
        found = unless_damaged([], self._functions.client.lrange, key, -MAX_POINTS, -1)
        return damaged.points(found)

    def details(self, task_id: str) -> TaskDetails:
        """Return a task's history, message and the failures of its newest attempts."""
        client: Any = self._functions.client
        names = ("history", "message", "state", "error", "attempt")
        history, message, state, error, last = client.hmget(self._keys.record(task_id), names)
        attempt = damaged.count(last)
        failures = self._failures(task_id, attempt)
        has_failed = state == '"FAILURE"' or error not in (None, "null")
        if has_failed and attempt not in failures:
            traceback = self._traceback_of(task_id)
            if traceback is not None:
                failures[attempt] = {"traceback": traceback, "environment": ""}
        return TaskDetails(
            damaged.history_events(history.split("\n") if history else ()),
            decoded(str(message or "")),
            failures,
        )

    def _failures(self, task_id: str, last: int) -> dict[int, AttemptFailure]:
        attempts = range(max(0, last - MAX_TRACEBACKS + 1), last + 1)
        names = [f"traceback:{attempt}" for attempt in attempts]
        client: Any = self._functions.client
        found = client.hmget(self._keys.record(task_id), names)
        each = zip(attempts, found, strict=True)
        read = {attempt: damaged.attempt_failure(text) for attempt, text in each if text}
        return {attempt: failure for attempt, failure in read.items() if failure}

    def _traceback_of(self, task_id: str) -> str | None:
        """Return the traceback in Celery's own form of a result."""
        key = self._keys.celery(task_id)
        meta = unless_damaged(None, self._functions.client.get, key)
        found = strict_json.parse_or_text(meta) if meta else None
        traceback = found.get("traceback") if isinstance(found, dict) else None
        return traceback if isinstance(traceback, str) else None

    def newest_lines(self, task_ids: Sequence[str]) -> list[str]:
        """Return the newest line of each task's log as JSON, "" where there is none."""
        lines: list[str] = self._functions.call(
            "newest_lines", [self._keys.log(task_id) for task_id in task_ids], []
        )
        return lines

    def probe(self, commands: Iterable[str] = ()) -> list[str]:
        """Return those of the commands (space-separated words) that this user may not run.

        Raises Unavailable, with the reason, also when Redis takes no new tasks.
        """
        denied: list[str] = self._functions.call("probe", [], list(commands))
        return denied

    def now(self) -> int:
        """Return Redis's clock in microseconds."""
        seconds, micros = self._functions.client.time()
        return seconds * 1_000_000 + micros

    def overview(self) -> Overview:
        """Return the system at a glance."""
        now, workers, slots, queued, paused, *flat = self._functions.call(
            "overview", [], [self._ttl]
        )
        each = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
        queues: dict[str, QueueLoad] = {
            name: {"queued": waiting, "workers": takers} for name, waiting, takers in sorted(each)
        }
        return {
            "now": json.loads(now),
            "workers": workers,
            "slots": slots,
            "queued": queued,
            "queues": queues,
            "paused": bool(paused),
        }


def _stream_page(epoch: str, length: int, closed: str, offset: int, text: str) -> StreamPage:
    return {
        "offset": offset,
        "text": text,
        "next": offset + len(text.encode()),
        "length": length,
        "closed": closed == "1",
        "epoch": int(epoch),
    }


def _record(values: Sequence[str]) -> TaskRecord | None:
    owner, tag, snapshot, *revoked = values
    if TAG.fullmatch(tag) and (not snapshot or damaged.is_intact(snapshot)):
        return TaskRecord(owner, tag, snapshot, bool(revoked))
    return None
