"""Other workers of a worker's own name, which Celery's commands would confuse with it."""

from __future__ import annotations

import time
from collections.abc import Iterable


class Namesakes:
    """Knows which workers of this name live: one that has died is known for a lease longer."""

    def __init__(self, lease_seconds: float) -> None:
        self._lease_seconds = lease_seconds
        self._since: dict[str, float] = {}  # when each was seen first, in monotonic seconds
        self._noted: set[str] = set()

    def is_news(self, ids: Iterable[str]) -> bool:
        """Whether any of these, which are known now, lives and was not noted before."""
        now = time.monotonic()
        self._since = {each: self._since.get(each, now) for each in ids}
        alive = {each for each, since in self._since.items() if now - since > self._lease_seconds}
        is_new = not alive <= self._noted
        self._noted |= alive
        return is_new
