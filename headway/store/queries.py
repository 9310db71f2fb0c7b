"""Reads of records and of what their tasks put out, and of the system at a glance."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from headway.store import damaged
from headway.store.functions import Functions
from headway.store.model import (
    LogPage,
    Overview,
    QueueLoad,
    StreamPage,
    TaskRecord,
)

TAG = re.compile(r"[0-9]{1,18}(-[0-9]{1,18})?")
READ_BATCH = 200
MAX_STREAM_BYTES = 16 * 1024 * 1024  # of text in one answer
EVERYBODY = "*"  # as a reader


class Queries:
    """Reads of many records, of logs and streams."""

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

    def read_log(self, task_id: str, after: int, max_bytes: int | None = None) -> LogPage:
        """Return the log lines after the seq `after`, the newest `max_bytes` of them at most."""
        keys = [self._keys.record(task_id), self._keys.log(task_id)]
        most = "" if max_bytes is None else max_bytes
        first, last, lines = self._functions.call("read_log", keys, [after, most])
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

    def newest_lines(self, task_ids: Sequence[str]) -> list[str]:
        """Return the newest line of each task's log as JSON, "" where there is none."""
        lines: list[str] = self._functions.call(
            "newest_lines", [self._keys.log(task_id) for task_id in task_ids], []
        )
        return lines

    def probe(self, commands: Iterable[str] = ()) -> list[str]:
        """Return those of the commands (space-separated words) that this user may not run.

        Raises RedisUnavailable, with the reason, also when Redis takes no new tasks.
        """
        denied: list[str] = self._functions.call("probe", [], list(commands))
        return denied

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
