"""Caches the records of polled tasks, so that one that does not change need not be read again.

This process subscribes to the room of each. A record that was read while subscribed is valid until
anything is published to the room, and for MAX_AGE_SECONDS at most: nothing is published when a
record expires.
"""

from __future__ import annotations

import time
from _thread import RLock  # which no async mode patches
from collections.abc import Sequence, Set
from contextlib import suppress
from typing import Any, NamedTuple

from headway.push.subscriber import SubscriptionTimeout
from headway.store.keys import room
from headway.store.model import TaskRecord

CONFIRM_SECONDS = 2.0
MAX_AGE_SECONDS = 10.0  # from the read of a record
IDLE_SECONDS = 30.0  # after which a task that is no longer polled is forgotten
MAX_ROOMS = 10_000


class Unchanged(NamedTuple):
    """A record, without its snapshot, as it was read under a subscription to its room."""

    record: TaskRecord
    subscription: tuple[int, int] | None
    read_at: float


class Polls:
    """Reads records for polls of one web process."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._lock = RLock()
        # By channel of a room; while a record is being read, an object that stands for this read.
        self._known: dict[str, Unchanged | object] = {}
        self._polled_at: dict[str, float] = {}  # by channel, when last

    def read(
        self,
        task_ids: Sequence[str],
        tags: Sequence[str],
        claims: Sequence[str],
        readers: Sequence[str],
    ) -> list[TaskRecord | None]:
        """Read records as `Queries.read` does, without Redis where none of them has changed."""
        if claims or not self._manager.live:
            return self._read(task_ids, tags, claims, readers)
        rooms = [self._manager.channel_of(room("task", task_id)) for task_id in task_ids]
        subscriptions = self._manager.subscriber.subscriptions(rooms)
        found = self._unchanged(rooms, tags, subscriptions)
        if found is not None:
            return found
        subscribed = {name for name, own in zip(rooms, subscriptions, strict=True) if own}
        mark = object()
        self._known.update(dict.fromkeys(subscribed, mark))
        began = time.monotonic()
        quiet: dict[str, Unchanged] = {}
        try:
            stored = self._read(task_ids, tags, claims, readers)
            quiet = {
                name: Unchanged(one, own, began)
                for name, own, one in zip(rooms, subscriptions, stored, strict=True)
                if one is not None and _is_quiet(one)
            }
        finally:
            for name in subscribed:
                self._replace(name, mark, quiet.get(name))
        self._subscribe(quiet.keys() - subscribed)
        return stored

    def note(self, name: str) -> None:
        """Note that something was published to a room, by its channel."""
        if name in self._known:  # else a read that begins from now on sees it
            with self._lock:
                self._known.pop(name, None)

    def forget_idle(self) -> None:
        """Unsubscribe from the rooms of tasks that are no longer polled."""
        before = time.monotonic() - IDLE_SECONDS
        rooms = self._manager.live_rooms
        watched = len(self._manager.channel_of(""))
        for name, polled_at in list(self._polled_at.items()):
            if polled_at < before:
                with rooms.lock:
                    if name[watched:] not in rooms.by_name:
                        self._manager.subscriber.unsubscribe(name)
                    del self._polled_at[name]
                self.note(name)

    def _read(self, *asked: Sequence[str]) -> list[TaskRecord | None]:
        found: list[TaskRecord | None] = self._manager.records.read(*asked)
        return found

    def _unchanged(
        self,
        rooms: Sequence[str],
        tags: Sequence[str],
        subscriptions: Sequence[tuple[int, int] | None],
    ) -> list[TaskRecord | None] | None:
        """Return the records of these rooms; None unless all are known, with these tags."""
        now = time.monotonic()
        found: list[TaskRecord | None] = []
        for name, tag, subscription in zip(rooms, tags, subscriptions, strict=True):
            known = self._known.get(name)
            if (
                not isinstance(known, Unchanged)
                or known.record.tag != tag
                or now - known.read_at > MAX_AGE_SECONDS
                or known.subscription != subscription
            ):
                return None
            found.append(known.record)
        self._polled_at.update(dict.fromkeys(rooms, now))
        return found

    def _replace(self, name: str, mark: object, read: Unchanged | None) -> None:
        """Cache what was read, unless the room has had news since, or another read has begun."""
        with self._lock:
            if self._known.get(name) is not mark:
                return
            if read is None:
                del self._known[name]
            else:
                self._known[name] = read
                self._polled_at[name] = read.read_at

    def _subscribe(self, rooms: Set[str]) -> None:
        """Subscribe to these rooms, so that the next read of their tasks can be cached."""
        if not rooms or len(self._polled_at) + len(rooms) > MAX_ROOMS:
            return
        now = time.monotonic()
        with self._manager.live_rooms.lock:
            for name in rooms:
                self._polled_at[name] = now
                self._manager.subscriber.subscribe(name)
        with suppress(SubscriptionTimeout):
            self._manager.subscriber.wait(rooms, CONFIRM_SECONDS)


def _is_quiet(stored: TaskRecord) -> bool:
    """Whether the reader has this record already, and its room is told of each change.

    A position in a queue, the second part of a tag, changes with other tasks.
    """
    return not stored.snapshot and "-" not in stored.tag
