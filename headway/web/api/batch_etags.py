"""The ETags of batch responses, and which version of each task such a response held.

So a task that its reader has already is not rendered again. A process that did not send the
response, or has forgotten it, renders all, and finds the same ETag.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from headway.snapshot import fragment
from headway.store.model import TaskRecord

MAX_RESPONSES = 1000  # that are remembered


class BatchETags:
    """The newest responses of this process: by the ETag of each, its tasks' tags by task id."""

    def __init__(self) -> None:
        self._tags: dict[str, Mapping[str, str]] = {}
        self._lock = threading.Lock()

    def get(self, tag: str) -> Mapping[str, str]:
        """Return the tasks' tags of a response with this ETag, {} if it is not known."""
        return self._tags.get(tag, {})

    def add(
        self, found: Mapping[str, TaskRecord], missing: Sequence[str], server: dict[str, Any]
    ) -> str:
        """Return the ETag of a response with these tasks. The time alone does not change it."""
        tags = {task_id: stored.tag for task_id, stored in found.items()}
        shown = [list(tags.items()), missing, {**server, "now": None}]
        tag = blake2b(fragment(shown).encode(), digest_size=12).hexdigest()
        if tag not in self._tags:
            with self._lock:
                self._tags[tag] = tags
                if len(self._tags) > MAX_RESPONSES:
                    del self._tags[next(iter(self._tags))]
        return tag


BATCH_ETAGS = BatchETags()
