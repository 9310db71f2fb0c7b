"""Socket.IO's client manager: delivers what Redis publishes for a room to its viewers here.

Each room has its own Redis channel, which this process subscribes to while it has a viewer in the
room, so cost grows with viewers and not with tasks. The message queue's common channel is served
too: a plain `SocketIO(message_queue=...).emit(to=room)` from any process arrives.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from socketio.pubsub_manager import PubSubManager

from headway.engine.frames import SERVICE_RESTART
from headway.push.batch_loader import BatchLoader
from headway.push.dispatcher import Dispatcher
from headway.push.fanout import Fanout
from headway.push.heartbeat import LIVE_SECONDS, Heartbeat
from headway.push.polls import Polls
from headway.push.resync import Resync
from headway.push.revocations import Revocations
from headway.push.rooms import Rooms, has_channel
from headway.push.server_status import ServerStatus
from headway.push.subscriber import RedisSubscriber
from headway.store.errors import RedisUnavailable
from headway.store.keys import room
from headway.store.model import TaskRecord
from headway.store.records import Records

logger = logging.getLogger(__name__)

CONFIRM_SECONDS = 2.0


class RoomManager(PubSubManager):
    """Keeps the rooms of one web process and its subscriptions to their channels."""

    name = "headway"

    def __init__(self, url: str, records: Records) -> None:
        keys = records.keys
        super().__init__(channel=keys.message_queue)
        self.records = records
        self.channel_of = keys.channel
        self.reader = BatchLoader(records.read)
        self.subscriber = RedisSubscriber(url, LIVE_SECONDS)
        self.live_rooms = Rooms()
        self.polls = Polls(self)
        self.resync = Resync(self)
        self.status = ServerStatus(self)
        self.heartbeat = Heartbeat(self, self.resync, self.status)
        self.revocations = Revocations(self)
        fanout = Fanout(self.live_rooms, lambda: self.server.eio.yield_turn())
        self.deliver = fanout.deliver
        self._dispatcher = Dispatcher(self, fanout)
        self._starting = threading.Lock()
        self._started = False

    # Life

    def initialize(self) -> None:
        """Start to listen, once: at the first connection, or earlier by `/readyz`."""
        with self._starting:
            if not self._started:
                self._started = True
                super().initialize()
                self.server.start_background_task(self.heartbeat.run)
                atexit.register(_close_websockets, self, os.getpid())

    @property
    def live(self) -> bool:
        """Whether a heartbeat has come back lately, and all missed rooms were reread."""
        caught_up = 0 < self.resync.session == self.subscriber.session and not self.resync.missed
        return caught_up and time.monotonic() - self.heartbeat.proven_at < LIVE_SECONDS

    def close_websockets(self) -> None:
        """Close all websockets so that clients reconnect, to this process or to another.

        After Engine.IO's own close packet some clients would not reconnect.
        """
        with suppress(RedisUnavailable):  # first: they are not to be counted twice
            self.records.sockets.forget()
        self.server.eio.end(SERVICE_RESTART)

    def connect(self, sid: str, namespace: str) -> Any:
        """Connect a client and send it the `server` event at once."""
        connected = super().connect(sid, namespace)
        self.server.eio.sender_for(self.eio_sid_from_sid(sid, namespace))(self.status.event())
        return connected

    # Rooms

    def basic_enter_room(
        self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None
    ) -> None:
        with self.live_rooms.lock:
            if not has_channel(room):
                super().basic_enter_room(sid, namespace, room, eio_sid=eio_sid)
            else:
                send = self.server.eio.sender_for(self.eio_sid_from_sid(sid, namespace))
                self.live_rooms.enter(sid, room, send)
                self.subscriber.subscribe(self.channel_of(room))
            if room not in (None, sid):
                self.live_rooms.joined.setdefault(sid, set()).add(room)

    def basic_leave_room(self, sid: str, namespace: str, room: str | None) -> None:
        with self.live_rooms.lock:
            self.live_rooms.joined.get(sid, set()).discard(room)
            if not has_channel(room):
                super().basic_leave_room(sid, namespace, room)
            elif self.live_rooms.leave(sid, room):
                self.subscriber.unsubscribe(self.channel_of(room))

    def basic_disconnect(self, sid: str, namespace: str, **kwargs: Any) -> None:
        """Leave all rooms of a client; python-socketio would search all rooms of all clients."""
        with self.live_rooms.lock:
            for name in (*self.live_rooms.joined.pop(sid, ()), sid, None):
                self.basic_leave_room(sid, namespace, name)
            self.live_rooms.seen_in_left_rooms.pop(sid, None)
            self.callbacks.pop(sid, None)
            for pending in (self.pending_connect, self.pending_disconnect):
                if sid in pending.get(namespace, ()):
                    pending[namespace].remove(sid)

    def get_participants(self, namespace: str, room: Any) -> Iterator[tuple[str, str]]:
        with self.live_rooms.lock:
            own = self.live_rooms.by_name.get(room) if isinstance(room, str) else None
            sids = list(own.viewers) if own else []
            viewers = [(sid, self.eio_sid_from_sid(sid, namespace)) for sid in sids]
        yield from viewers if own else super().get_participants(namespace, room)

    def get_rooms(self, sid: str, namespace: str) -> list[str]:
        return [sid, *self.live_rooms.joined.get(sid, ())]

    def confirm(self, rooms: Iterable[str]) -> None:
        """Wait until everything published to these rooms from now on reaches this process.

        Raises SubscriptionTimeout.
        """
        self.subscriber.wait([self.channel_of(name) for name in rooms], CONFIRM_SECONDS)

    def subscriptions(self, task_ids: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Return the numbers of this process's confirmed subscriptions to the rooms of tasks."""
        channels = {task_id: self.channel_of(room("task", task_id)) for task_id in task_ids}
        numbers = self.subscriber.subscriptions(channels.values())
        return {task_id: own for task_id, own in zip(channels, numbers, strict=True) if own}

    def has_news(self, task_id: str, stored: TaskRecord) -> bool:
        """Whether a newer version than this record's has been pushed to the task's viewers."""
        own = self.live_rooms.by_name.get(room("task", task_id))
        return own is not None and own.version(task_id) > int(stored.tag.partition("-")[0])

    # Messages

    def _publish(self, data: Any) -> None:
        try:
            self.records.client.publish(self.channel, self.json.dumps(data))
        except RedisUnavailable as error:
            logger.error("An emit did not reach the message queue: %s", error)

    def _listen(self) -> Iterator[bytes]:
        return self._dispatcher.listen()


def _close_websockets(manager: RoomManager, pid: int) -> None:
    """Close them as this process ends, also by a signal; a child that it forked does not."""
    if os.getpid() == pid:
        manager.close_websockets()
