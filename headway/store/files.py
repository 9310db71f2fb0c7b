"""What records note of the files that tasks give out; the files themselves lie elsewhere."""

from __future__ import annotations

from typing import Any, NamedTuple

from headway import strict_json
from headway.snapshot import fragment
from headway.store import damaged
from headway.store.functions import Functions
from headway.store.model import Delivery, Outcome

MAX_FILES = 100  # of a task


class TaskFile(NamedTuple):
    """A file of a task: `size` in bytes, `at` (RFC 3339) when it was given out.

    `key` is what it is kept under; see `headway.files.store`.
    """

    name: str
    size: int
    type: str
    at: str
    key: str


class FileRecords:
    """Notes files in the records of their tasks, and reads what is noted."""

    def __init__(self, functions: Functions, ttl: int) -> None:
        self._functions = functions
        self._keys = functions.keys
        self._ttl = ttl

    def note(
        self, task_id: str, delivery: Delivery, name: str, size: int, media_type: str, key: str
    ) -> tuple[Outcome, TaskFile | None]:
        """Note a file of a run and tell its viewers; it replaces the task's file of this name.

        Returns (WRITTEN, the file that it replaces); (FULL, None) for a file too many;
        (CANCELLING, None) if the task has to stop; (UNKNOWN, None) without a record; or
        (why not, None).
        """
        run = [task_id, delivery.token, delivery.generation]
        args = [*run, name, noted(name, size, media_type, key), MAX_FILES, self._ttl]
        outcome, *former = self._functions.call("note_file", [self._keys.record(task_id)], args)
        return Outcome(outcome), file_of(former[0]) if former else None

    def of(self, task_id: str) -> list[TaskFile]:
        """Return a task's files, the oldest first; none of an unknown task."""
        return _files(self._functions.client.hget(self._keys.record(task_id), "files"))


def noted(name: str, size: int, media_type: str, key: str) -> str:
    """Return what a record notes of a file, as JSON."""
    return fragment({"name": name, "size": size, "type": media_type, "key": key})


def _files(field: Any) -> list[TaskFile]:
    files = strict_json.parse_or_text(str(field or ""))
    texts = files.values() if isinstance(files, dict) else ()
    found = [file for file in map(file_of, texts) if file]
    return sorted(found, key=lambda file: (file.at, file.name))


def file_of(text: Any) -> TaskFile | None:
    """Return a file of what is noted of it as JSON; None for "", and where that is damaged."""
    file = damaged.task_file(text) if isinstance(text, str) and text else None
    return TaskFile(**file) if file else None
