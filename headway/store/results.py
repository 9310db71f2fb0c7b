"""Reads the results of tasks, also large ones, as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from headway import strict_json
from headway.store import damaged
from headway.store.damaged import unless_damaged
from headway.store.functions import Functions
from headway.store.model import PIECE_BYTES, ResultGone

RESULT = ',"result":'  # the last member of what a record holds as JSON, see record.lua


class ResultReader:
    """Reads results piece by piece: a large one is never held in memory."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions
        self._keys = functions.keys

    def read(self, task_id: str) -> tuple[int, Iterator[bytes]] | None:
        """Return the size in bytes of a task's result as JSON, and its pieces; None if not kept.

        A later piece raises ResultGone if the result expires meanwhile.
        """
        names = ("phase", "result", "static", "result_size", "result_at")
        values = self._functions.client.hmget(self._keys.record(task_id), names)
        phase, text, static, size, start = values
        if text is None:  # as of each that has ended since it is kept once
            _, has_result, text = str(static or "").partition(RESULT)
            text = text if has_result else None
        if phase != '"succeeded"' or text is None:
            return None
        if size in (None, "null"):
            whole = str(text).encode()
            return len(whole), iter([whole])
        key = self._keys.celery(task_id) if start else self._keys.result(task_id)
        pieces = self._pieces(key, damaged.count(start), damaged.count(size))
        try:
            first = unless_damaged(None, next, pieces, None)  # a damaged size has no first piece
        except ResultGone:
            return None
        return None if first is None else (damaged.count(size), chain([first], pieces))

    def kind(self, task_id: str) -> str:
        """Return what a task's author says that its result is; "" where nothing is said."""
        noted = self._functions.client.hget(self._keys.record(task_id), "result_kind")
        found = strict_json.parse_or_text(str(noted or ""))
        return found if isinstance(found, str) else ""

    def _pieces(self, key: str, start: int, size: int) -> Iterator[bytes]:
        for at in range(start, start + size, PIECE_BYTES):
            end = min(at + PIECE_BYTES, start + size)
            piece: bytes = self._functions.client.execute_command(
                "GETRANGE", key, at, end - 1, NEVER_DECODE=True
            )
            if len(piece) != end - at:
                raise ResultGone
            yield piece
