"""Socket.IO's client manager: what Redis says of a room reaches the room's viewers in this process, and nobody else.

Each room has a Redis channel of its own, subscribed while this process has a viewer in it, so cost grows with viewers
and not with tasks. The message queue's common channel stays served: a plain `SocketIO(message_queue=...).emit(to=room)`
from any process arrives too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, TypeGuard
from uuid import uuid4

from socketio.pubsub_manager import PubSubManager

from headway.engine.events import Event
from headway.engine.frames import SERVICE_RESTART
from headway.push.subscriber import QUEUE, Deaf, Hearing
from headway.snapshot import fragment
from headway.store.connection import SENTENCES, Problem, Reason, TakesNoWrites, Unavailable, problem_of
from headway.store.keys import room
from headway.store.model import Stored
from headway.store.queries import OVERVIEW
from headway.store.records import Records

logger = logging.getLogger(__name__)

NAMESPACE = "/"
ROOMS = ("task:", "owner:")
EPOCH = "headway:epoch"  # a key that stays as long as Redis keeps what it holds
BEAT_SECONDS = 2.0
DEAF_SECONDS = 3.0  # a beat that has not come back by then will not come
LIVE_SECONDS = BEAT_SECONDS + DEAF_SECONDS  # for which a beat that came back proves that this process hears
RETRY_SECONDS = 0.5  # to the next beat while something is wrong
CONFIRM_SECONDS = 2.0
ANNOUNCE_SECONDS = 5.0
REREAD = 100  # rooms at a time
MINE = 50  # tasks of an owner that one answer shows
LARGEST_READ = 200  # records
KNOWN = 1000  # tasks of a room whose last version is known
AT_ONCE = 100  # viewers
TURN_SECONDS = 0.005
SNAPSHOT_HEAD, LOG_HEAD = b'["snapshot",{"task_id":"', b'["log",'


class Batch:
    """Reads that go to Redis together."""

    def __init__(self) -> None:
        self.task_ids: list[str] = []
        self.found: list[Stored | None] = []
        self.error: Exception | None = None
        self.done = threading.Event()


class Reader:
    """Reads records; what is asked for while a read is under way goes to Redis together, in the next one."""

    def __init__(self, read: Callable[[list[str]], list[Stored | None]]) -> None:
        self._read = read
        self._lock, self._turn = threading.Lock(), threading.Lock()
        self._next = Batch()

    def read(self, task_ids: list[str]) -> list[Stored | None]:
        """Return what `Records.read` does, and raise what it raises."""
        if not task_ids:
            return []
        with self._lock:
            batch = self._next
            begin = len(batch.task_ids)
            batch.task_ids += task_ids
            if len(batch.task_ids) >= LARGEST_READ:
                self._next = Batch()
        if begin == 0:
            self._do(batch)
        batch.done.wait()
        if batch.error is not None:
            raise batch.error
        return batch.found[begin : begin + len(task_ids)]

    def _do(self, batch: Batch) -> None:
        with self._turn:
            with self._lock:
                if self._next is batch:
                    self._next = Batch()
            try:
                batch.found = self._read(batch.task_ids)
            except Exception as error:
                batch.error = error
            finally:
                batch.done.set()


class Room:
    """The viewers of a room in this process, and what they have been told of its tasks."""

    __slots__ = ("_versions", "before", "underway", "viewers")

    def __init__(self) -> None:
        self.viewers: dict[str, Callable[[Event], None]] = {}  # by their Socket.IO id, what sends to them
        self.before: dict[str, int] = {}  # what they have been told of this room's task before they came
        self.underway: list[str] = []  # tasks of which some viewers have not been told the newest yet
        self._versions: dict[str, int] = {}  # the newest of each task

    def version(self, task_id: str) -> int:
        """Return the newest version of a task that was told here."""
        return self._versions.get(task_id, 0)

    def told_all(self, task_id: str) -> int:
        """Return the version of a task that all who are here have been told, as far as that is known."""
        return 0 if task_id in self.underway else self.version(task_id)

    def note(self, task_id: str, version: int) -> bool:
        """Note a version as told; False when it is not newer than the last."""
        if self._versions.get(task_id, 0) >= version:
            return False
        self._versions.pop(task_id, None)  # the last told stands last
        self._versions[task_id] = version
        if len(self._versions) > KNOWN:
            del self._versions[next(iter(self._versions))]
        return True


class RoomManager(PubSubManager):
    """Keeps the rooms of one web process, and their channels in step with them."""

    name = "headway"

    def __init__(self, url: str, records: Records) -> None:
        super().__init__(channel=QUEUE)
        self.records = records
        self.reader = Reader(records.read)
        self._hearing = Hearing(url, LIVE_SECONDS)
        self._own_channel = f"{QUEUE}:process:{uuid4().hex}"
        self._hearing.subscribe(QUEUE)
        self._hearing.subscribe(self._own_channel)
        self._beat_heard = threading.Condition()
        self._proven_at = float("-inf")  # when the newest beat that came back was sent
        self._session = 0  # of the hearing, as far as it was noticed here
        self._missed: set[str] = set()  # rooms to be read again since
        self._epoch = ""
        self._membership = threading.RLock()  # rooms, their channels, and what was sent to whom change together
        self._rooms: dict[str, Room] = {}  # those that have a channel
        self._joined: dict[str, set[str]] = {}  # by Socket.IO id, all rooms but the two that everybody is in
        self._left: dict[str, dict[str, int]] = {}  # by Socket.IO id, versions told in rooms of tasks since left
        self._turn_began = 0.0
        self._overview: dict[str, Any] = dict.fromkeys(OVERVIEW)  # not known yet
        self._trouble: Unavailable | None = None  # what Redis refuses, though it answers
        self._state: dict[str, Any] = {}
        self._state_event = Event(b"")
        self._announced: dict[str, Any] = {}
        self._announced_at = float("-inf")
        self._starting = threading.Lock()
        self._started = False

    # Life

    def initialize(self) -> None:
        """Start to listen, once; Socket.IO calls this at the first connection, `/readyz` perhaps before."""
        with self._starting:
            if not self._started:
                self._started = True
                super().initialize()
                self.server.start_background_task(self._beat)

    @property
    def live(self) -> bool:
        """Whether this process has lately heard itself through Redis, and missed nothing before that."""
        caught_up = 0 < self._session == self._hearing.session and not self._missed
        return caught_up and time.monotonic() - self._proven_at < LIVE_SECONDS

    def prove(self, seconds: float) -> bool:
        """Send a beat through Redis and wait for it; False when it does not come back in time.

        Raises connection.Unavailable when it cannot even be sent.
        """
        self.initialize()
        deadline = time.monotonic() + seconds
        with suppress(Deaf):
            self._hearing.wait([self._own_channel], seconds)
            sent_at = time.monotonic()
            self.records.client.publish(self._own_channel, repr(sent_at))
            with self._beat_heard:
                left = deadline - time.monotonic()
                return self._beat_heard.wait_for(lambda: self._proven_at >= sent_at, left)
        return False

    def close_websockets(self) -> None:
        """Send all clients away, so that they connect anew, to this process or to another, and ask anew.

        Engine.IO's own goodbye would be taken by some for the last word.
        """
        self.server.eio.end(SERVICE_RESTART)

    def connect(self, sid: str, namespace: str) -> Any:
        """Tell a client, as soon as it is connected, how this process fares."""
        connected = super().connect(sid, namespace)
        self.server.eio.pusher(self.eio_sid_from_sid(sid, namespace))(self._server_event())
        return connected

    # Rooms

    def basic_enter_room(self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None) -> None:
        with self._membership:
            if not _has_channel(room):
                super().basic_enter_room(sid, namespace, room, eio_sid=eio_sid)
            else:
                own = self._rooms.setdefault(room, Room())
                if sid not in own.viewers and (before := self._told(sid, room)):
                    own.before[sid] = before
                own.viewers[sid] = self.server.eio.pusher(self.eio_sid_from_sid(sid, namespace))
                self._hearing.subscribe(f"{QUEUE}:{room}")
            if room not in (None, sid):
                self._joined.setdefault(sid, set()).add(room)

    def basic_leave_room(self, sid: str, namespace: str, room: str | None) -> None:
        with self._membership:
            self._joined.get(sid, set()).discard(room)
            if not _has_channel(room):
                super().basic_leave_room(sid, namespace, room)
            elif (own := self._rooms.get(room)) and own.viewers.pop(sid, None):
                own.before.pop(sid, None)
                self._remember(sid, room, own.version(_task_of(room)))
                if not own.viewers:
                    del self._rooms[room]
                    self._hearing.unsubscribe(f"{QUEUE}:{room}")

    def _told(self, sid: str, room: str) -> int:
        """Return which version of a task somebody has been told who enters its room: there, or in the owner's."""
        task_id = _task_of(room)
        owners = (name for name in self._joined.get(sid, ()) if name.startswith("owner:"))
        told = [self._rooms[name].told_all(task_id) for name in owners]
        return max([self._left.get(sid, {}).get(task_id, 0), *told])

    def _remember(self, sid: str, room: str, version: int) -> None:
        """Note what somebody was told who leaves a task's room: in the owner's the same may still be on its way."""
        if version:
            left = self._left.setdefault(sid, {})
            left[_task_of(room)] = max(version, left.pop(_task_of(room), 0))
            if len(left) > KNOWN:
                del left[next(iter(left))]

    def basic_disconnect(self, sid: str, namespace: str, **kwargs: Any) -> None:
        """Leave all rooms; python-socketio would look through all rooms of everybody for that."""
        with self._membership:
            for name in (*self._joined.pop(sid, ()), sid, None):
                self.basic_leave_room(sid, namespace, name)
            self._left.pop(sid, None)
            self.callbacks.pop(sid, None)
            for pending in (self.pending_connect, self.pending_disconnect):
                if sid in pending.get(namespace, ()):
                    pending[namespace].remove(sid)

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        with self._membership:
            own = self._rooms.get(room) if isinstance(room, str) else None
            viewers = [(sid, self.eio_sid_from_sid(sid, namespace)) for sid in own.viewers] if own else []
        yield from viewers if own else super().get_participants(namespace, room)

    def get_rooms(self, sid: str, namespace: str) -> list[str]:
        return [sid, *self._joined.get(sid, ())]

    def confirm(self, rooms: Iterable[str]) -> None:
        """Return when everything published to these rooms from now on reaches this process. Raises Deaf."""
        self._hearing.wait([f"{QUEUE}:{name}" for name in rooms], CONFIRM_SECONDS)

    def heard(self, task_ids: Iterable[str]) -> set[str]:
        """Return those of these tasks whose rooms this process is known to hear already."""
        return {task_id for task_id in task_ids if self._hearing.hears(f"{QUEUE}:{room('task', task_id)}")}

    def has_news(self, task_id: str, stored: Stored) -> bool:
        """Whether the viewers of a task's room have been told something newer than what is stored here."""
        own = self._rooms.get(room("task", task_id))
        return own is not None and own.version(task_id) > int(stored.tag.partition("-")[0])

    # Messages

    def _publish(self, data: Any) -> None:
        try:
            self.records.client.publish(QUEUE, self.json.dumps(data))
        except Unavailable as error:
            logger.error("An emit did not reach the message queue: %s", error)

    def _listen(self) -> Iterator[bytes]:
        """Deliver what the rooms' channels say; yield what the common channel says to python-socketio."""
        for messages in self._hearing.drains(self.server.eio.reading):
            events: dict[tuple[str, str | int], bytes] = {}
            for number, (channel, message) in enumerate(messages):
                if channel == QUEUE:
                    yield message
                elif channel == self._own_channel:
                    self._hear_beat(float(message))
                else:
                    task_id, _ = _stamp_of(message)
                    key = channel.removeprefix(f"{QUEUE}:"), task_id or number
                    events.pop(key, None)  # the newest of what has come at once is enough
                    events[key] = message
            for (name, _), event in events.items():
                self.deliver(name, event)

    def _hear_beat(self, sent_at: float) -> None:
        with self._beat_heard:
            self._proven_at = max(self._proven_at, sent_at)
            self._beat_heard.notify_all()

    def deliver(self, name: str, message: bytes) -> None:
        """Send an event (the JSON of `[name, payload]`) to a room's viewers here; a snapshot only where it is news."""
        task_id, version = _stamp_of(message)
        with self._membership:
            room = self._rooms.get(name)
            if room is None or (task_id and not room.note(task_id, version)):
                return
            viewers = list(room.viewers)
            room.underway.append(task_id)
        try:
            self._push_to_all(room, viewers, message, task_id, version)
        finally:
            room.underway.remove(task_id)
        self._give_others_their_turn()

    def _push_to_all(self, room: Room, viewers: list[str], message: bytes, task_id: str, version: int) -> None:
        event = Event(b"2" + message, task_id or (Event.LINES if message.startswith(LOG_HEAD) else None))
        for begin in range(0, len(viewers), AT_ONCE):
            with self._membership:
                if task_id and room.version(task_id) != version:
                    return  # a newer one has overtaken this one while others had their turn
                self._push(room, viewers[begin : begin + AT_ONCE], event, task_id, version)
            if begin + AT_ONCE < len(viewers):
                self._give_others_their_turn()

    def _push(self, room: Room, viewers: list[str], event: Event, task_id: str, version: int) -> None:
        # A viewer who is in the task's room and in the owner's hears it there: one push of a version is enough.
        of_task = self._rooms.get(f"task:{task_id}")
        for sid in viewers:
            push = room.viewers.get(sid)
            if push is None or (of_task not in (None, room) and sid in of_task.viewers):
                continue
            told = room.before.get(sid, 0) if of_task is room else self._left.get(sid, {}).get(task_id, 0)
            if not version or told < version:
                push(event)

    def _give_others_their_turn(self) -> None:
        """Let the rest of the process run after a while: neither a busy room nor a large one may delay it."""
        if time.monotonic() - self._turn_began > TURN_SECONDS:
            self.server.sleep(0)
            self._turn_began = time.monotonic()

    # The beat

    def _beat(self) -> None:
        while True:
            well = self._is_well()
            self._announce()
            self._hearing.renewed.wait(BEAT_SECONDS if well else RETRY_SECONDS)

    def _is_well(self) -> bool:
        """Prove that this process hears, and mend what it missed; False when that has to be tried again soon."""
        self._hearing.renewed.clear()
        if not self._hearing.session:
            return False
        if time.monotonic() - self._hearing.heard_at > LIVE_SECONDS:
            self._hearing.drop()  # our own beats are heard all the time: a connection that stays silent is none
            return False
        try:
            if self._hearing.session != self._session:
                self._start_anew()
            if not self.prove(DEAF_SECONDS):
                self._hearing.drop()
                return False
            self._notice_emptying()
            self._catch_up()
            self._overview = self.records.queries.overview()
            self.records.queries.probe()
        except Deaf:
            return False
        except Unavailable as error:
            if error.reason is Reason.UNREACHABLE:
                logger.debug("Redis is away: %s", error)
                self._drop_idle_connections()
                return False
            self._note(error)
            return isinstance(error, TakesNoWrites)
        except Exception:  # the beat has to go on, whatever it meets
            logger.exception("The beat failed")
            return False
        self._note(None)
        return True

    def _note(self, trouble: Unavailable | None) -> None:
        """Note what Redis refuses, and say in the log when that changes."""
        if trouble and (self._trouble is None or self._trouble.reason != trouble.reason):
            logger.warning("%s: %s", SENTENCES[trouble.reason], trouble)
        elif self._trouble and not trouble:
            logger.warning("Redis takes tasks again")
        self._trouble = trouble

    @property
    def problem(self) -> Problem | None:
        """Why no task can be started now though Redis answers, as far as it is known."""
        return problem_of(self._trouble) if self._trouble else None

    def _start_anew(self) -> None:
        """Note that the hearing has reconnected: any push may have been missed."""
        self._session = self._hearing.session
        self._missed = set(self._rooms)
        self._drop_idle_connections()

    def _drop_idle_connections(self) -> None:
        """Make no use of connections older than a fault: each one that is half-open would cost somebody a request."""
        self.records.client.connection_pool.disconnect(inuse_connections=False)

    def _notice_emptying(self) -> None:
        """When Redis has lost all that it held, have every client ask anew, and hear what is missing."""
        client = self.records.client
        epoch = client.get(EPOCH)
        if epoch is None:
            with suppress(TakesNoWrites):
                client.set(EPOCH, uuid4().hex, nx=True)
            epoch = client.get(EPOCH)
        if self._epoch and epoch != self._epoch:
            logger.warning("Redis was emptied; all clients ask anew")
            self.close_websockets()
        self._epoch = str(epoch or "")

    def _catch_up(self) -> None:
        """Read again what was missed; what cannot be read now stays for the next beat."""
        while self._missed:
            names = list(self._missed)[:REREAD]
            self._read_again([name for name in names if name in self._rooms])
            self._missed.difference_update(names)

    def _read_again(self, names: list[str]) -> None:
        self.confirm(names)
        tasks = [name.removeprefix("task:") for name in names if name.startswith("task:")]
        found, lines = self.records.read(tasks), self.records.queries.newest_lines(tasks)
        for task_id, stored, line in zip(tasks, found, lines, strict=True):
            name = room("task", task_id)
            if stored is None or not stored.owner:
                # Lost, perhaps made anew by its worker, and nobody's then: its viewers have to hear so.
                viewers = [eio_sid for _, eio_sid in self.get_participants(NAMESPACE, name)]
                self.server.eio.end(SERVICE_RESTART, viewers)
                continue
            self.deliver(name, f'["snapshot",{stored.snapshot}]'.encode())
            if line:  # whoever lacks lines before it sees the gap
                self.deliver(name, f'["log",{{"task_id":"{task_id}","lines":[{line}]}}]'.encode())
        owners = [name.removeprefix("owner:") for name in names if name.startswith("owner:")]
        for owner in owners:
            for snapshot in reversed(self.records.queries.owned(owner, MINE)[0]):
                self.deliver(room("owner", owner), f'["snapshot",{snapshot}]'.encode())

    def _announce(self) -> None:
        """Tell all clients how this process fares: what is wrong at once, the rest now and then."""
        event = self._server_event()
        news = {key: value for key, value in self._state.items() if key != "now"}
        turned = any(news[key] != self._announced.get(key) for key in ("live", "problem"))
        due = time.monotonic() - self._announced_at >= ANNOUNCE_SECONDS
        if turned or (due and news != self._announced):
            self._announced, self._announced_at = news, time.monotonic()
            for _, eio_sid in self.get_participants(NAMESPACE, None):
                self.server.eio.pusher(eio_sid)(event)

    def _server_event(self) -> Event:
        """Return the `server` event: `live`, `problem` and the keys of `Queries.overview`."""
        state = {"live": self.live, **self._overview, "problem": self.problem}
        if state != self._state:
            self._state = state
            self._state_event = Event(f'2["server",{fragment(state)}]'.encode(), "server")
        return self._state_event


def _has_channel(name: Any) -> TypeGuard[str]:
    return isinstance(name, str) and name.startswith(ROOMS)


def _task_of(room: str) -> str:
    return room.removeprefix("task:")


def _stamp_of(message: bytes) -> tuple[str, int]:
    """Return task id and version of a snapshot event, ("", 0) of another; `record.lua` writes these two first."""
    if not message.startswith(SNAPSHOT_HEAD):
        return "", 0
    task_id, _, rest = message[len(SNAPSHOT_HEAD) :].partition(b'","version":')
    return task_id.decode(), int(rest[: rest.index(b",")])
