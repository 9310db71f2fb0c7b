"""Deletes files that no record names any more: of tasks that have expired, and replaced ones."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from math import inf
from typing import Any

from headway.file_folder import file_folder

CLEAN_SECONDS = 300.0  # between two looks at all files
# A file that changed within it may be one that a task is giving out.
GRACE_SECONDS = 3600.0
BATCH = 50  # tasks at a time, since leases are renewed in between


class FileCleaner:
    """Looks at the files of all tasks, a batch at each call, and begins again now and then."""

    def __init__(self, backend: Any) -> None:
        self._records = backend.records
        self._folder = file_folder(backend.app.conf, backend.records.keys.prefix)
        self._left: Iterator[str] = iter(())
        self._begun_at = -inf

    def clean(self) -> None:
        """Clean the files of the next tasks. Raises Unavailable where Redis does not say."""
        if self._folder is None:
            return
        task_ids = list(islice(self._left, BATCH))
        if not task_ids and time.monotonic() - self._begun_at > CLEAN_SECONDS:
            self._begun_at = time.monotonic()
            self._left = self._folder.task_ids()
            task_ids = list(islice(self._left, BATCH))
        for task_id in task_ids:
            keys = {file.key for file in self._records.files.of(task_id)}
            self._folder.keep(task_id, keys, GRACE_SECONDS)
