"""The rooms of one web process: their viewers, and the versions that these have been sent."""

from __future__ import annotations

from _thread import RLock  # which no async mode patches
from collections.abc import Callable
from typing import Any, TypeGuard

from headway.engine.events import Event

ROOMS = ("task:", "owner:")
MAX_VERSIONS = 1000  # tasks of a room whose last version is known


class Room:
    """The viewers of a room in this process, and the versions that they have been sent."""

    __slots__ = ("_versions", "in_flight", "seen_before", "viewers")

    def __init__(self) -> None:
        # By Socket.IO id, the function that sends to a viewer.
        self.viewers: dict[str, Callable[[Event], None]] = {}
        # By Socket.IO id, the version of this room's task that a viewer had seen before entering.
        self.seen_before: dict[str, int] = {}
        # Tasks whose newest version has not been sent to all viewers yet.
        self.in_flight: list[str] = []
        self._versions: dict[str, int] = {}  # by task id, the newest that was pushed

    def version(self, task_id: str) -> int:
        """Return the newest version of a task that was pushed to this room, 0 for none."""
        return self._versions.get(task_id, 0)

    def seen_by_all(self, task_id: str) -> int:
        """Return a version of a task that all viewers here have been sent, 0 if none is known."""
        return 0 if task_id in self.in_flight else self.version(task_id)

    def advance_to(self, task_id: str, version: int) -> bool:
        """Note that a version is pushed; return False if it is outdated: no newer than the last."""
        if self._versions.get(task_id, 0) >= version:
            return False
        self._versions.pop(task_id, None)  # so that the most recent stands last
        self._versions[task_id] = version
        if len(self._versions) > MAX_VERSIONS:
            del self._versions[next(iter(self._versions))]
        return True


class Rooms:
    """All rooms that have a channel. They change, and are pushed to, only under their lock."""

    def __init__(self) -> None:
        # Rooms, their channels, and what was sent to whom change together. Nothing that waits is
        # done under it: greenlets need no lock of theirs, which would cost ten times as much.
        self.lock = RLock()
        self.by_name: dict[str, Room] = {}
        # By Socket.IO id, all rooms but the two that every client is in.
        self.joined: dict[str, set[str]] = {}
        # By Socket.IO id and task id, the version last sent in a task's room that was left since.
        self.seen_in_left_rooms: dict[str, dict[str, int]] = {}

    def enter(self, sid: str, name: str, push: Callable[[Event], None]) -> None:
        """Add a viewer to a room; `push` sends an event to the viewer."""
        own = self.by_name.setdefault(name, Room())
        if sid not in own.viewers and (before := self._seen_by(sid, name)):
            own.seen_before[sid] = before
        own.viewers[sid] = push

    def leave(self, sid: str, name: str) -> bool:
        """Remove a viewer from a room; return whether it was the last one."""
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
        """Return the version that a client who enters a task's room has seen, 0 for none.

        It was sent in that room before, or in the owner's.
        """
        task_id = task_of(room)
        owners = (name for name in self.joined.get(sid, ()) if name.startswith("owner:"))
        versions = [self.by_name[name].seen_by_all(task_id) for name in owners]
        return max([self.seen_in_left_rooms.get(sid, {}).get(task_id, 0), *versions])

    def _remember(self, sid: str, room: str, version: int) -> None:
        """Note the version that a client who leaves a task's room was sent.

        In the owner's room the same version may still be on its way.
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
    """Return the id of the task that a room is of."""
    return name.removeprefix("task:")
