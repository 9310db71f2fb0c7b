"""Deletes files that no record names any more: of expired tasks and uploads, and replaced ones.

An upload's record is kept at least as long as the tasks that use it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from itertools import chain, islice
from math import inf
from typing import Any

from headway.files.place import file_store

logger = logging.getLogger(__name__)

CLEAN_SECONDS = 300.0  # between two looks at all files
# A file that changed within it may be one that a task is giving out, or that is being uploaded.
GRACE_SECONDS = 3600.0
BATCH = 50  # tasks or uploads at a time, since maintenance does the rest in between


class FileCleaner:
    """Looks at the files of all tasks and uploads, a batch at each call, and begins again."""

    def __init__(self, backend: Any) -> None:
        """Raises ConfigError for a wrong setting of where the files are."""
        self._records = backend.records
        conf = backend.app.conf
        tasks = file_store(conf, self._records)
        uploads = file_store(conf, self._records, "uploads")
        stores = ((tasks, self._of_task), (uploads, self._of_upload))
        self._stores = [(store, keys_of) for store, keys_of in stores if store is not None]
        self._left: Iterator[None] = iter(())
        self._has_left = False
        self._begun_at = -inf

    def clean(self) -> None:
        """Clean the next files. Raises RedisUnavailable where Redis does not say."""
        if not self._has_left:
            if not self._stores or time.monotonic() - self._begun_at <= CLEAN_SECONDS:
                return
            self._begun_at = time.monotonic()
            sweeps = [store.sweep(keys_of, GRACE_SECONDS) for store, keys_of in self._stores]
            self._left = chain.from_iterable(map(_up_to_an_error, sweeps))
        self._has_left = False  # where this raises, it begins again the next time
        self._has_left = len(list(islice(self._left, BATCH))) == BATCH

    def _of_task(self, task_id: str) -> set[str]:
        return {file.key for file in self._records.files.of(task_id)}

    def _of_upload(self, upload_id: str) -> set[str]:
        file = self._records.uploads.keep(upload_id)
        return {file.key} if file else set()


def _up_to_an_error(sweep: Iterator[None]) -> Iterator[None]:
    """Yield as a sweep does; one that fails, as where its bucket is away, ends no other."""
    try:
        yield from sweep
    except OSError as error:
        logger.warning("Files that no task has are not deleted yet: %s", error)
