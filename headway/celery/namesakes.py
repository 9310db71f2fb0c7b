"""Other workers of a worker's own name, which Celery's commands would confuse with it."""

from __future__ import annotations

import time
from collections.abc import Iterable


class Namesakes:
    """Tells which workers of this name live: one that has died is known for a lease longer."""

    def __init__(self, lease_seconds: float) -> None:
        self._lease_seconds = lease_seconds
        self._since: dict[str, float] = {}  # when each was seen first, in monotonic seconds
        self._told: set[str] = set()

    def to_tell(self, ids: Iterable[str]) -> bool:
        """Whether any of these, which are known now, lives and was not told of before."""
        now = time.monotonic()
        self._since = {each: self._since.get(each, now) for each in ids}
        alive = {each for each, since in self._since.items() if now - since > self._lease_seconds}
        is_new = not alive <= self._told
        self._told |= alive
        return is_new
