"""Reads of records, results and logs, and of the system at a glance."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain

from headway.snapshot import Phase, fragment
from headway.store.errors import Unavailable
from headway.store.functions import Functions
from headway.store.messages import decoded
from headway.store.model import (
    LogPage,
    Overview,
    QueueLoad,
    ResultGone,
    TaskDetails,
    TaskRecord,
)
from headway.store.runs import PIECE_BYTES
from headway.throttled import ThrottledLogger

logger = ThrottledLogger(logging.getLogger(__name__))

TAG = re.compile(r"[0-9]{1,18}(-[0-9]{1,18})?")
READ_BATCH = 200
TIDY_BATCH = 500  # ids of an owner's list that one call brings in order


class Queries:
    """Reads of many records, of results and logs."""

    def __init__(self, functions: Functions, ttl: int) -> None:
        self._functions = functions
        self._keys = functions.keys
        self._ttl = ttl

    def read(
        self, task_ids: Sequence[str], known: Sequence[str] = (), claims: Sequence[str] = ()
    ) -> list[TaskRecord | None]:
        """Return the records of well-formed ids in one round trip; None if unknown or expired.

        `known` are the tags that the reader has, in the order of the ids: where one is current, the
        snapshot is left "". `claims` are those of the reader's token, "" for none.
        """
        if not task_ids:
            return []
        keys = [self._keys.record(task_id) for task_id in task_ids]
        args = [*(known or [""] * len(keys)), *claims] if claims else known
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
        pieces = self._pieces(key, int(start or 0), int(size))
        try:
            first = next(pieces)
        except ResultGone:
            return None
        return int(size), chain([first], pieces)

    def _pieces(self, key: str, start: int, size: int) -> Iterator[bytes]:
        for at in range(start, start + size, PIECE_BYTES):
            end = min(at + PIECE_BYTES, start + size)
            piece: bytes = self._functions.client.execute_command(
                "GETRANGE", key, at, end - 1, NEVER_DECODE=True
            )
            if len(piece) != end - at:
                raise ResultGone
            yield piece

    def list_by_owner(
        self,
        owner: str,
        limit: int,
        phases: Iterable[Phase] = (),
        cursor: tuple[str, str] = ("", ""),
        words: Iterable[str] = (),
    ) -> tuple[list[str], tuple[str, str] | None]:
        """Return a page of the owner's tasks, newest first, as snapshots (JSON).

        Each has all the words in its title, status, error or arguments; the case of ASCII letters
        does not matter. With the page comes the cursor of the next one, None on the last.
        """
        names = "".join(f"{phase}|" for phase in phases)
        wanted = [names and f"|{names}", *map(_as_indexed, words)]
        page: list[str] = []
        score, last = cursor
        more = "1"
        while more:
            args = [owner, limit - len(page), wanted[0], score, last, *wanted[1:]]
            score, last, more, untidy, *found = self._functions.call("list_by_owner", [], args)
            page += filter(_is_sound, found)
            if untidy:
                self._tidy(owner, untidy)
        return page, (score, last) if score else None

    def count_by_owner(self, owner: str) -> dict[str, int]:
        """Return how many of the owner's tasks are kept in each phase, by phase."""
        for is_last in (False, True):
            listed, indexed, expired, *flat = self._functions.call("count_by_owner", [], [owner])
            if is_last or (listed == indexed and not expired):
                break
            # What an earlier version has listed comes into the index now.
            ids = list(map(str, self._functions.client.zrange(self._keys.owner(owner), 0, -1)))
            self._tidy(owner, ids if listed != indexed else [])
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def _tidy(self, owner: str, ids: Sequence[str]) -> None:
        with suppress(Unavailable):  # where Redis takes no writes, a later reader does
            for begin in range(0, max(1, len(ids)), TIDY_BATCH):
                batch = ids[begin : begin + TIDY_BATCH]
                self._functions.call("tidy", [], [owner, *batch])

    def read_log(self, task_id: str, after: int) -> LogPage:
        """Return the log lines after the seq `after`."""
        first, last, *lines = self._functions.call(
            "read_log", [self._keys.record(task_id), self._keys.log(task_id)], [after]
        )
        return {
            "lines": [json.loads(line) for line in lines],
            "first_seq": int(first),
            "last_seq": int(last),
        }

    def details(self, task_id: str) -> TaskDetails:
        """Return a task's history, message and traceback."""
        client = self._functions.client
        names = ("history", "message", "state", "error")
        history, message, state, error = client.hmget(self._keys.record(task_id), names)
        has_failed = state == '"FAILURE"' or error not in (None, "null")
        meta = client.get(self._keys.celery(task_id)) if has_failed else None
        traceback = json.loads(meta).get("traceback") if meta else None
        return TaskDetails(
            [json.loads(event) for event in (history or "").splitlines()],
            decoded(str(message or "")),
            traceback if isinstance(traceback, str) else "",
        )

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


def _as_indexed(word: str) -> bytes:
    """Return a word as it lies in the index: within JSON, with ASCII letters in lower case."""
    return fragment(word)[1:-1].encode().lower()


def _record(values: Sequence[str]) -> TaskRecord | None:
    owner, tag, snapshot, *revoked = values
    if TAG.fullmatch(tag) and (not snapshot or _is_sound(snapshot)):
        return TaskRecord(owner, tag, snapshot, bool(revoked))
    return None


def _is_sound(snapshot: str) -> bool:
    """Whether a snapshot is a JSON object; a damaged record must not damage a whole answer."""
    try:
        if isinstance(json.loads(snapshot, parse_constant=_refuse), dict):
            return True
    except (ValueError, RecursionError):
        pass
    logger.warning("A record in Redis is damaged, and not shown: %r", snapshot[:100])
    return False


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and the infinities are no JSON
