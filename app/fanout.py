"""Socket.IO's client manager: what Redis says of a room reaches the room's viewers in this process, and nobody else.

Each room has a Redis channel of its own, subscribed while this process has a viewer in it, so cost grows with viewers
and not with tasks. The message queue's common channel stays served: a plain `SocketIO(message_queue=...).emit(to=room)`
from any process arrives too.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import redis
from engineio import packet as engineio_packet
from redis.backoff import NoBackoff
from redis.retry import Retry
from socketio.pubsub_manager import PubSubManager

from app.records import Records, Unavailable

logger = logging.getLogger(__name__)

# Flask-SocketIO's channel; a bare socketio.RedisManager would use another, and nobody would hear.
QUEUE = "flask-socketio"
NAMESPACE = "/"
ROOMS = ("task:", "owner:")
BEAT_SECONDS = 2.0
DEAF_SECONDS = 5.0  # no beat of our own came back for so long: reconnect
ANNOUNCE_SECONDS = 5.0
CONFIRM_SECONDS = 2.0
RECONNECT_SECONDS = (0.1, 0.2, 0.5, 1.0)
MINE = 50  # tasks of an owner that one answer shows
SNAPSHOT_HEAD = '["snapshot",{"task_id":"'


class Deaf(Exception):
    """Redis did not confirm a subscription in time."""


class Hearing:
    """The one Redis connection that listens: it subscribes, reads, notices its own deafness and reconnects.

    Redis answers SUBSCRIBEs in their order, so the first unanswered one is the one that an answer belongs to; an answer
    to an earlier subscription of the same channel, given up since, confirms nothing.
    """

    def __init__(self, url: str) -> None:
        self._pool = redis.ConnectionPool.from_url(
            url,
            socket_timeout=DEAF_SECONDS,
            socket_connect_timeout=1.0,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
            protocol=2,
        )
        self._lock = threading.RLock()
        self._connection: Any = None
        self._confirmed: dict[str, threading.Event] = {}
        self._asked: deque[threading.Event] = deque()
        self.connects = 0

    def subscribe(self, channel: str) -> None:
        """Ask for a channel; a subscription that stands already is kept."""
        with self._lock:
            if channel not in self._confirmed:
                self._confirmed[channel] = threading.Event()
                self._ask(channel)

    def unsubscribe(self, channel: str) -> None:
        with self._lock:
            if self._confirmed.pop(channel, None):
                self._send("UNSUBSCRIBE", channel)

    def wait(self, channels: Iterable[str], seconds: float) -> None:
        """Return when Redis has confirmed all of these on the current connection; raises Deaf after `seconds`."""
        deadline = time.monotonic() + seconds
        for channel in channels:
            confirmed = self._confirmed.get(channel)
            if confirmed is None or not confirmed.wait(max(0.0, deadline - time.monotonic())):
                raise Deaf(channel)

    def messages(self) -> Iterator[tuple[str, str]]:
        """Yield `(channel, text)` for ever, over as many connections as it takes."""
        failures = 0
        while True:
            connection: Any = self._pool.make_connection()
            try:
                self._connect(connection)
                while True:
                    kind, channel, data = connection.read_response()
                    if kind == "message":
                        failures = 0
                        yield channel, data
                    elif kind == "subscribe":
                        self._asked.popleft().set()
            except Exception as error:  # one that is broken from elsewhere fails in many ways
                if not failures:
                    logger.warning("Redis is not heard (%s); reconnecting", error)
                self.drop()
                connection.disconnect()
                time.sleep(RECONNECT_SECONDS[min(failures, len(RECONNECT_SECONDS) - 1)])
                failures += 1

    def drop(self) -> None:
        """Break the connection, so that the reader wakes up and makes another.

        Shut down and not closed: a closed one would wake nobody, and redis-py would open it again at the next command.
        """
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None and connection._sock is not None:
            with suppress(OSError):
                connection._sock.shutdown(socket.SHUT_RDWR)

    def _connect(self, connection: Any) -> None:
        connection.connect()
        with self._lock:
            self._connection = connection
            self._asked.clear()
            for channel, confirmed in self._confirmed.items():
                confirmed.clear()
                self._ask(channel)
            if self._connection is None:
                raise redis.ConnectionError("The connection broke while it was being asked for its channels.")
            self.connects += 1

    def _ask(self, channel: str) -> None:
        if self._connection is not None:
            self._asked.append(self._confirmed[channel])
        self._send("SUBSCRIBE", channel)

    def _send(self, *command: str) -> None:
        if self._connection is None:
            return  # the next connection asks for all that stands
        try:
            self._connection.send_command(*command, check_health=False)
        except (redis.RedisError, OSError):
            self.drop()


class RoomManager(PubSubManager):
    """Keeps the rooms of one web process, and their channels in step with them."""

    name = "headway"

    def __init__(self, url: str, records: Records) -> None:
        super().__init__(channel=QUEUE)
        self.records = records
        self._hearing = Hearing(url)
        self._own_channel = f"{QUEUE}:process:{uuid4().hex}"
        self._hearing.subscribe(QUEUE)
        self._hearing.subscribe(self._own_channel)
        self._heard_at = float("-inf")
        self._beat_heard = threading.Event()
        self._resynced = 1  # the first connection has nothing to catch up with
        self._sent: dict[str, dict[str, int]] = {}  # Engine.IO session -> task -> version last pushed
        self._overview: dict[str, Any] = {"now": None, "workers": 0, "slots": 0, "queued": 0}
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
        """Whether this process has lately heard itself through Redis."""
        return time.monotonic() - self._heard_at < DEAF_SECONDS

    def prove(self, seconds: float) -> bool:
        """Send a beat through Redis and wait for it; False when it does not come back in time.

        Raises records.Unavailable when it cannot even be sent.
        """
        self.initialize()
        self._beat_heard.clear()
        self.records.client.publish(self._own_channel, "beat")
        return self._beat_heard.wait(seconds)

    def server_state(self) -> dict[str, Any]:
        """Return the `server` event's payload: `{"live", "now", "workers", "slots", "queued"}`."""
        return {"live": self.live, **self._overview}

    # Rooms

    def basic_enter_room(self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None) -> None:
        super().basic_enter_room(sid, namespace, room, eio_sid=eio_sid)
        if _has_channel(room):
            self._hearing.subscribe(f"{QUEUE}:{room}")

    def basic_leave_room(self, sid: str, namespace: str, room: str | None) -> None:
        if room is None:
            self._sent.pop(self.eio_sid_from_sid(sid, namespace) or "", None)
        super().basic_leave_room(sid, namespace, room)
        if _has_channel(room) and room not in self.rooms.get(namespace, {}):
            self._hearing.unsubscribe(f"{QUEUE}:{room}")

    def confirm(self, rooms: Iterable[str]) -> None:
        """Return when everything published to these rooms from now on reaches this process. Raises Deaf."""
        self._hearing.wait([f"{QUEUE}:{name}" for name in rooms], CONFIRM_SECONDS)

    # Messages

    def _publish(self, data: Any) -> None:
        try:
            self.records.client.publish(QUEUE, self.json.dumps(data))
        except Unavailable as error:
            logger.error("An emit did not reach the message queue: %s", error)

    def _listen(self) -> Iterator[str]:
        """Deliver what the rooms' channels say; yield what the common channel says to python-socketio."""
        for channel, text in self._hearing.messages():
            if channel == QUEUE:
                yield text
            elif channel == self._own_channel:
                self._heard_at = time.monotonic()
                self._beat_heard.set()
            else:
                self.deliver(channel.removeprefix(f"{QUEUE}:"), text)

    def deliver(self, name: str, event: str) -> None:
        """Send an event (the JSON of `[name, payload]`) to a room's viewers here; a snapshot only where it is news."""
        packet = engineio_packet.Packet(engineio_packet.MESSAGE, f"2{event}")
        task_id, version = _stamp_of(event)
        for _, eio_sid in self.get_participants(NAMESPACE, name):
            if task_id:
                # A viewer may be in the task's room and in the owner's: one push of a version is enough.
                versions = self._sent.setdefault(eio_sid, {})
                if versions.get(task_id, 0) >= version:
                    continue
                versions[task_id] = version
            self.server._send_eio_packet(eio_sid, packet)

    # The beat

    def _beat(self) -> None:
        while True:
            try:
                if not self.prove(BEAT_SECONDS) and not self.live:
                    self._hearing.drop()
                self._overview = self.records.overview()
                self._catch_up()
            except (Unavailable, Deaf) as error:
                logger.debug("Redis is away: %s", error)
            except Exception:
                logger.exception("The beat failed")
            self._announce()
            time.sleep(BEAT_SECONDS)

    def _catch_up(self) -> None:
        """After a reconnect, read again all that this process has viewers for: any push may have been missed."""
        connects = self._hearing.connects
        if connects <= self._resynced or not self.live:
            return
        names = [name for name in self.rooms.get(NAMESPACE, {}) if _has_channel(name)]
        self.confirm(names)
        for name in names:
            kind, _, key = name.partition(":")
            if kind == "owner":
                snapshots = self.records.owned(key, MINE)[0]
            else:
                snapshots = [stored.snapshot for stored in self.records.read([key]) if stored]
            for snapshot in reversed(snapshots):
                self.deliver(name, f'["snapshot",{snapshot}]')
        self._resynced = connects

    def _announce(self) -> None:
        state = self.server_state()
        news = {key: value for key, value in state.items() if key != "now"}
        if news != self._announced and time.monotonic() - self._announced_at >= ANNOUNCE_SECONDS:
            self._announced, self._announced_at = news, time.monotonic()
            self.emit("server", state, namespace=NAMESPACE, ignore_queue=True)


def _has_channel(name: Any) -> bool:
    return isinstance(name, str) and name.startswith(ROOMS)


def _stamp_of(event: str) -> tuple[str, int]:
    """Return task id and version of a snapshot event, ("", 0) of another; `record.lua` writes these two first."""
    if not event.startswith(SNAPSHOT_HEAD):
        return "", 0
    task_id, _, rest = event[len(SNAPSHOT_HEAD) :].partition('","version":')
    return task_id, int(rest[: rest.index(",")])
