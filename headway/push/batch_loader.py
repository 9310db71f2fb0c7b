"""Combines concurrent reads of records into batches."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

from headway.store.errors import RedisUnavailable
from headway.store.model import TaskRecord
from headway.store.queries import EVERYBODY

MAX_BATCH = 200  # records


class ReadRecords(Protocol):
    """Reads records as `Queries.read` does."""

    def __call__(
        self, task_ids: list[str], *, claims: Sequence[str] = (), readers: Sequence[str] = ()
    ) -> list[TaskRecord | None]: ...


class Batch:
    """Reads that go to Redis as one."""

    def __init__(self) -> None:
        self.task_ids: list[str] = []
        self.claims: list[str] = []  # as many
        self.readers: list[str] = []  # as many
        self.found: list[TaskRecord | None] = []
        self.error: Exception | None = None
        self.done = threading.Event()


class BatchLoader:
    """Reads records; requests that arrive while a read is in flight share the next one."""

    def __init__(self, read: ReadRecords) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._next = Batch()

    def read(
        self, task_ids: list[str], *, claims: Sequence[str] = (), readers: Sequence[str] = ()
    ) -> list[TaskRecord | None]:
        """Return what `Records.read` does, and raise what it raises."""
        if not task_ids:
            return []
        with self._lock:
            batch = self._next
            begin = len(batch.task_ids)
            batch.task_ids += task_ids
            batch.claims += claims or [""] * len(task_ids)
            batch.readers += readers or [EVERYBODY] * len(task_ids)
            if len(batch.task_ids) >= MAX_BATCH:
                self._next = Batch()
        if begin == 0:
            self._do(batch)
        batch.done.wait()
        if batch.error is not None:
            raise batch.error
        return batch.found[begin : begin + len(task_ids)]

    def _do(self, batch: Batch) -> None:
        try:
            with self._turn:
                self._close(batch)
                claims = batch.claims if any(batch.claims) else ()
                batch.found = self._read(batch.task_ids, claims=claims, readers=batch.readers)
        except Exception as error:
            batch.error = error
        except BaseException:  # a greenlet that is killed; those who share its read are not
            batch.error = RedisUnavailable("The request that read for others was broken off.")
            raise
        finally:
            self._close(batch)
            batch.done.set()

    def _close(self, batch: Batch) -> None:
        """Let no more reads into a batch."""
        with self._lock:
            if self._next is batch:
                self._next = Batch()
