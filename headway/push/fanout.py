"""Pushes the events of a room to its viewers: each version once, and no outdated one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from headway.engine.events import Event
from headway.push.checks import Stamp, is_event, stamp_of
from headway.push.rooms import Room, Rooms

BATCH_SIZE = 100  # viewers
TURN_SECONDS = 0.005
LINES_HEADS = b'["log",', b'["stream",'  # of events that do not supersede earlier ones


class Fanout:
    """Pushes events to the viewers of rooms; `yield_turn` lets the rest of the process run."""

    def __init__(self, rooms: Rooms, yield_turn: Callable[[], object]) -> None:
        self._rooms = rooms
        self._let_others_run = yield_turn
        self._turn_began = 0.0

    def deliver_batch(self, messages: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        """Send a batch of messages for rooms: of each task in a room only its newest snapshot.

        Returns the messages that are no events. Call it when the rest of the process has just run.
        """
        self._turn_began = time.monotonic()
        newest: dict[tuple[str, str | int], tuple[bytes, Stamp]] = {}
        for number, (name, message) in enumerate(messages):
            stamp = stamp_of(message)
            key = name, stamp[0] or number
            newest.pop(key, None)
            newest[key] = message, stamp
        refused: list[tuple[str, bytes]] = []
        for (name, _), (message, stamp) in newest.items():
            if is_event(name, message, stamp):
                self._deliver(name, message, stamp)
            else:
                refused.append((name, message))
        return refused

    def deliver(self, name: str, message: bytes) -> None:
        """Send an event (the JSON of `[name, payload]`) to a room's viewers in this process.

        A viewer gets a snapshot only if it is newer than what that viewer has been sent.
        """
        self._deliver(name, message, stamp_of(message))

    def _deliver(self, name: str, message: bytes, stamp: Stamp) -> None:
        task_id, version = stamp
        with self._rooms.lock:
            room = self._rooms.by_name.get(name)
            if room is None:
                return
            if task_id and not room.advance_to(task_id, version):
                return  # an outdated version, which is dropped
            is_lines = not task_id and message.startswith(LINES_HEADS)
            event = Event(b"2" + message, task_id or (Event.LINES if is_lines else None))
            viewers = list(room.viewers)
            self._push(room, viewers[:BATCH_SIZE], event, stamp)
            rest = viewers[BATCH_SIZE:]
            if rest:
                room.in_flight.append(task_id)
        if rest:
            try:
                self._push_to_rest(room, rest, event, stamp)
            finally:
                room.in_flight.remove(task_id)
        self._yield_turn()

    def _push_to_rest(self, room: Room, viewers: list[str], event: Event, stamp: Stamp) -> None:
        task_id, version = stamp
        for begin in range(0, len(viewers), BATCH_SIZE):
            self._yield_turn()
            with self._rooms.lock:
                if task_id and room.version(task_id) != version:
                    return  # a newer one overtook this one during a yield
                self._push(room, viewers[begin : begin + BATCH_SIZE], event, stamp)

    def _push(self, room: Room, viewers: list[str], event: Event, stamp: Stamp) -> None:
        task_id, version = stamp
        # A viewer in the task's room and in the owner's gets the event from the task's: one push
        # of a version is enough.
        of_task = self._rooms.by_name.get(f"task:{task_id}")
        elsewhere = () if of_task in (None, room) else of_task.viewers
        left = self._rooms.seen_in_left_rooms
        for sid in viewers:
            push = room.viewers.get(sid)
            if push is None or sid in elsewhere:
                continue
            if of_task is room:
                last_version = room.seen_before.get(sid, 0)
            else:
                last_version = left[sid].get(task_id, 0) if sid in left else 0
            if not version or last_version < version:
                push(event)

    def _yield_turn(self) -> None:
        """Let the rest of the process run after TURN_SECONDS, in a busy room or a large one."""
        if time.monotonic() - self._turn_began > TURN_SECONDS:
            self._let_others_run()
            self._turn_began = time.monotonic()
