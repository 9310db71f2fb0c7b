"""The rooms of one web process: who is in them, and what they have been told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeGuard

from headway.engine.events import Event

ROOMS = ("task:", "owner:")
MAX_VERSIONS = 1000  # tasks of a room whose last version is known


class Room:
    """The viewers of a room in this process, and what they have been told of its tasks."""

    __slots__ = ("_versions", "in_flight", "seen_before", "viewers")

    def __init__(self) -> None:
        self.viewers: dict[
            str, Callable[[Event], None]
        ] = {}  # by their Socket.IO id, what sends to them
        self.seen_before: dict[
            str, int
        ] = {}  # what they have been told of this room's task before they came
        self.in_flight: list[
            str
        ] = []  # tasks of which some viewers have not been told the newest yet
        self._versions: dict[str, int] = {}  # the newest of each task

    def version(self, task_id: str) -> int:
        """Return the newest version of a task that was told here."""
        return self._versions.get(task_id, 0)

    def seen_by_all(self, task_id: str) -> int:
        """Return the version of a task that all who are here have been told, as far as that is
        known.
        """
        return 0 if task_id in self.in_flight else self.version(task_id)

    def record_version(self, task_id: str, version: int) -> bool:
        """Note a version as told; False when it is not newer than the last."""
        if self._versions.get(task_id, 0) >= version:
            return False
        self._versions.pop(task_id, None)  # the last told stands last
        self._versions[task_id] = version
        if len(self._versions) > MAX_VERSIONS:
            del self._versions[next(iter(self._versions))]
        return True


class Rooms:
    """All rooms that have a channel. They change, and are pushed to, only with their lock."""

    def __init__(self) -> None:
        # rooms, their channels, and what was sent to whom change together
        self.lock = threading.RLock()
        self.by_name: dict[str, Room] = {}
        self.joined: dict[
            str, set[str]
        ] = {}  # by Socket.IO id, all rooms but the two that everybody is in
        self.seen_in_left_rooms: dict[
            str, dict[str, int]
        ] = {}  # by Socket.IO id, versions told in rooms of tasks since left

    def enter(self, sid: str, name: str, push: Callable[[Event], None]) -> None:
        """Have a viewer in a room."""
        own = self.by_name.setdefault(name, Room())
        if sid not in own.viewers and (before := self._seen_by(sid, name)):
            own.seen_before[sid] = before
        own.viewers[sid] = push

    def leave(self, sid: str, name: str) -> bool:
        """Take a viewer out of a room; whether it was the last one."""
        own = self.by_name.get(name)
        if own is None or not own.viewers.pop(sid, None):
            return False
        own.seen_before.pop(sid, None)
        self._remember(sid, name, own.version(task_of(name)))
        if own.viewers:
            return False
        del self.by_name[name]
        return True

    def _seen_by(self, sid: str, room: str) -> int:
        """Return which version of a task somebody has been told who enters its room: there, or
        in the owner's.
        """
        task_id = task_of(room)
        owners = (name for name in self.joined.get(sid, ()) if name.startswith("owner:"))
        told = [self.by_name[name].seen_by_all(task_id) for name in owners]
        return max([self.seen_in_left_rooms.get(sid, {}).get(task_id, 0), *told])

    def _remember(self, sid: str, room: str, version: int) -> None:
        """Note what somebody was told who leaves a task's room: in the owner's the same may
        still be on its way.
        """
        if version:
            left = self.seen_in_left_rooms.setdefault(sid, {})
            left[task_of(room)] = max(version, left.pop(task_of(room), 0))
            if len(left) > MAX_VERSIONS:
                del left[next(iter(left))]


def has_channel(name: Any) -> TypeGuard[str]:
    """Whether a room has a channel of its own in Redis."""
    return isinstance(name, str) and name.startswith(ROOMS)


def task_of(name: str) -> str:
    """Return the id of a room's task."""
    return name.removeprefix("task:")
