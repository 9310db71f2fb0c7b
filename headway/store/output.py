"""What the runs of tasks put out: lines of their logs, text of their streams."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from headway.masking import mask
from headway.snapshot import fragment
from headway.store.files import MAX_FILES
from headway.store.functions import Functions
from headway.store.model import Delivery, Outcome

LOG_LINES = 1000  # kept of each task


class Overflowing(NamedTuple):
    """The file that takes the whole text of a stream once that is full."""

    name: str  # "" for none
    noted: str = ""  # of it, by `files.noted`; "" until it is begun
    has_failed: bool = False  # whether it could not be written


NO_FILE = Overflowing("")


class OutputRecords:
    """Appends to the logs and streams of tasks."""

    def __init__(self, functions: Functions, ttl: int) -> None:
        self._functions = functions
        self._keys = functions.keys
        self._ttl = ttl

    def log(self, task_id: str, delivery: Delivery, lines: Iterable[tuple[str, str]]) -> bool:
        """Append `(level, text)` lines to the task's log and publish them.

        Returns False if the record refuses them.
        """
        flat = [part for level, line in lines for part in (fragment(level), fragment(mask(line)))]
        keys = [self._keys.record(task_id), self._keys.log(task_id)]
        return bool(
            self._functions.call(
                "log", keys, [task_id, delivery.token, delivery.generation, LOG_LINES, *flat]
            )
            == Outcome.WRITTEN
        )

    def write_stream(
        self,
        task_id: str,
        delivery: Delivery,
        name: str,
        before: int,
        text: bytes,
        *,
        closes: bool,
        max_bytes: int,
        overflow: Overflowing = NO_FILE,
        format: str = "",
    ) -> Outcome:
        """Append UTF-8 to a stream of the task and publish it; repeated, it is stored once.

        `before` is how many bytes this attempt has written to the stream before; `format` is
        "markdown", or "" for plain text. Returns "written";
        "cancelling" if it was and the run has to stop; "full" if the stream takes no more,
        "spilled" if its file does; "spills" where nothing was stored and the file is to be begun
        first; "unknown" without a record; or why it was refused.
        """
        keys = [self._keys.record(task_id), self._keys.stream(task_id, name)]
        run = [task_id, delivery.token, delivery.generation]
        file = [overflow.name, overflow.noted, int(overflow.has_failed), MAX_FILES]
        args = [*run, name, before, text, int(closes), max_bytes, self._ttl, *file, format]
        return Outcome(self._functions.call("write_stream", keys, args))
