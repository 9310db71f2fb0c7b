"""Deletes files that no record names any more: of expired tasks and uploads, and replaced ones.

An upload's record is kept at least as long as the tasks that use it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import chain, islice
from math import inf
from typing import Any, TypeAlias

from headway.files.folder import FileFolder, file_folder

CLEAN_SECONDS = 300.0  # between two looks at all files
# A file that changed within it may be one that a task is giving out, or that is being uploaded.
GRACE_SECONDS = 3600.0
BATCH = 50  # tasks or uploads at a time, since leases are renewed in between

# Returns the keys of the files that a task, or an upload, has by its record.
Keys: TypeAlias = Callable[[str], set[str]]


class FileCleaner:
    """Looks at the files of all tasks and uploads, a batch at each call, and begins again."""

    def __init__(self, backend: Any) -> None:
        self._records = backend.records
        conf = backend.app.conf
        prefix = backend.records.keys.prefix
        tasks = file_folder(conf, prefix)
        uploads = file_folder(conf, prefix, "uploads")
        folders = ((tasks, self._of_task), (uploads, self._of_upload))
        self._folders = [(folder, keys) for folder, keys in folders if folder is not None]
        self._left: Iterator[tuple[FileFolder, Keys, str]] = iter(())
        self._begun_at = -inf

    def clean(self) -> None:
        """Clean the next files. Raises RedisUnavailable where Redis does not say."""
        if not self._folders:
            return
        batch = list(islice(self._left, BATCH))
        if not batch and time.monotonic() - self._begun_at > CLEAN_SECONDS:
            self._begun_at = time.monotonic()
            self._left = chain.from_iterable(self._all())
            batch = list(islice(self._left, BATCH))
        for folder, keys, name in batch:
            folder.keep(name, keys(name), GRACE_SECONDS)

    def _all(self) -> Iterator[Iterator[tuple[FileFolder, Keys, str]]]:
        for folder, keys in self._folders:
            yield ((folder, keys, name) for name in folder.task_ids())

    def _of_task(self, task_id: str) -> set[str]:
        return {file.key for file in self._records.files.of(task_id)}

    def _of_upload(self, upload_id: str) -> set[str]:
        file = self._records.uploads.keep(upload_id)
        return {file.key} if file else set()
