"""Pushes the events of a room to its viewers: each version once, and no outdated one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from headway.engine.events import Event
from headway.push.rooms import Room, Rooms

BATCH_SIZE = 100  # viewers
TURN_SECONDS = 0.005
STAMP = re.compile(rb'\["snapshot",\{"task_id":"([^"]*)","version":([0-9]{1,18}),')
LINES_HEADS = b'["log",', b'["stream",'  # of events that are no newer state of an earlier one


class Fanout:
    """Pushes events to the viewers of rooms; `sleep` yields to the rest of the process."""

    def __init__(self, rooms: Rooms, sleep: Callable[[float], object]) -> None:
        self._rooms = rooms
        self._sleep = sleep
        self._turn_began = 0.0

    def deliver(self, name: str, message: bytes) -> None:
        """Send an event (the JSON of `[name, payload]`) to a room's viewers in this process.

        A viewer gets a snapshot only if it is newer than what that viewer has been sent.
        """
        task_id, version = stamp_of(message)
        with self._rooms.lock:
            room = self._rooms.by_name.get(name)
            if room is None:
                return
            if task_id and not room.advance_to(task_id, version):
                return  # an outdated version, which is dropped
            viewers = list(room.viewers)
            room.in_flight.append(task_id)
        try:
            self._push_to_all(room, viewers, message, task_id, version)
        finally:
            room.in_flight.remove(task_id)
        self._yield_turn()

    def _push_to_all(
        self, room: Room, viewers: list[str], message: bytes, task_id: str, version: int
    ) -> None:
        is_lines = message.startswith(LINES_HEADS)
        event = Event(b"2" + message, task_id or (Event.LINES if is_lines else None))
        for begin in range(0, len(viewers), BATCH_SIZE):
            with self._rooms.lock:
                if task_id and room.version(task_id) != version:
                    return  # a newer one overtook this one during a yield
                self._push(room, viewers[begin : begin + BATCH_SIZE], event, task_id, version)
            if begin + BATCH_SIZE < len(viewers):
                self._yield_turn()

    def _push(
        self, room: Room, viewers: list[str], event: Event, task_id: str, version: int
    ) -> None:
        # A viewer in the task's room and in the owner's gets the event from the task's: one push
        # of a version is enough.
        of_task = self._rooms.by_name.get(f"task:{task_id}")
        for sid in viewers:
            push = room.viewers.get(sid)
            if push is None or (of_task not in (None, room) and sid in of_task.viewers):
                continue
            last_version = (
                room.seen_before.get(sid, 0)
                if of_task is room
                else self._rooms.seen_in_left_rooms.get(sid, {}).get(task_id, 0)
            )
            if not version or last_version < version:
                push(event)

    def _yield_turn(self) -> None:
        """Let the rest of the process run after TURN_SECONDS, in a busy room or a large one."""
        if time.monotonic() - self._turn_began > TURN_SECONDS:
            self._sleep(0)
            self._turn_began = time.monotonic()


def stamp_of(message: bytes) -> tuple[str, int]:
    """Return task id and version of a snapshot event, ("", 0) of any other message.

    `record.lua` writes these two keys first.
    """
    found = STAMP.match(message)
    return (found[1].decode(errors="replace"), int(found[2])) if found else ("", 0)
