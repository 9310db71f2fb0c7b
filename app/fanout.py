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
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any
from uuid import uuid4

import redis
from engineio import packet as engineio_packet
from engineio.exceptions import SocketIsClosedError
from redis.backoff import NoBackoff
from redis.retry import Retry
from socketio.pubsub_manager import PubSubManager

from app.engine import SERVICE_RESTART
from app.records import Records, Unavailable, room
from app.snapshot import fragment

logger = logging.getLogger(__name__)

# Flask-SocketIO's channel; a bare socketio.RedisManager would use another, and nobody would hear.
QUEUE = "flask-socketio"
NAMESPACE = "/"
ROOMS = ("task:", "owner:")
EPOCH = "headway:epoch"  # a key that stays as long as Redis keeps what it holds
BEAT_SECONDS = 2.0
DEAF_SECONDS = 3.0  # a beat that has not come back by then will not come
RETRY_SECONDS = 0.5  # to the next beat while something is wrong
LIVE_SECONDS = BEAT_SECONDS + DEAF_SECONDS
HANDSHAKE_SECONDS = 1.0
RECONNECT_SECONDS = (0.05, 0.1, 0.2, 0.5)
CONFIRM_SECONDS = 2.0
ANNOUNCE_SECONDS = 5.0
REREAD = 100  # rooms at a time
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
        pool = redis.ConnectionPool.from_url(
            url,
            socket_timeout=HANDSHAKE_SECONDS,
            socket_connect_timeout=HANDSHAKE_SECONDS,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
            protocol=2,
        )
        # Made past the pool, which gives out 100 connections in its life and then none.
        self._make: Callable[[], Any] = partial(pool.connection_class, **pool.connection_kwargs)
        self._lock = threading.RLock()
        self._connection: Any = None
        self._confirmed: dict[str, threading.Event] = {}
        self._asked: deque[threading.Event] = deque()
        self._sessions = count(1)
        self.session = 0  # the number of the connection that listens, 0 while there is none
        self.renewed = threading.Event()  # set by each new one

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
            connection = self._make()
            try:
                self._connect(connection)
                while True:
                    # Our own beats are heard all the time: a connection that stays silent is none.
                    kind, channel, data = connection.read_response(timeout=LIVE_SECONDS)
                    failures = 0
                    if kind == "message":
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
            self.session = 0
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
            self.session = next(self._sessions)
        self.renewed.set()

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
        self._beat_heard = threading.Condition()
        self._proven_at = float("-inf")  # when the newest beat that came back was sent
        self._session = 0  # of the hearing, as far as it was noticed here
        self._missed: set[str] = set()  # rooms to be read again since
        self._epoch = ""
        self._membership = threading.RLock()  # rooms, their channels, and what was sent to whom change together
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
        """Whether this process has lately heard itself through Redis, and missed nothing before that."""
        caught_up = 0 < self._session == self._hearing.session and not self._missed
        return caught_up and time.monotonic() - self._proven_at < LIVE_SECONDS

    def prove(self, seconds: float) -> bool:
        """Send a beat through Redis and wait for it; False when it does not come back in time.

        Raises records.Unavailable when it cannot even be sent.
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

    def server_state(self) -> dict[str, Any]:
        """Return the `server` event's payload: `{"live", "now", "workers", "slots", "queued"}`."""
        return {"live": self.live, **self._overview}

    def close_websockets(self) -> None:
        """Send all clients away, so that they connect anew, to this process or to another, and ask anew."""
        self.server.eio.end(SERVICE_RESTART)

    # Rooms

    def basic_enter_room(self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None) -> None:
        with self._membership:
            super().basic_enter_room(sid, namespace, room, eio_sid=eio_sid)
            if _has_channel(room):
                self._hearing.subscribe(f"{QUEUE}:{room}")

    def basic_leave_room(self, sid: str, namespace: str, room: str | None) -> None:
        with self._membership:
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
                with self._beat_heard:
                    self._proven_at = max(self._proven_at, float(text))
                    self._beat_heard.notify_all()
            else:
                self.deliver(channel.removeprefix(f"{QUEUE}:"), text)

    def deliver(self, name: str | None, event: str) -> None:
        """Send an event (the JSON of `[name, payload]`) to a room's viewers here, or to all clients (None).

        A snapshot goes only where it is news.
        """
        packet = engineio_packet.Packet(engineio_packet.MESSAGE, f"2{event}")
        task_id, version = _stamp_of(event)
        with self._membership:
            for _, eio_sid in self.get_participants(NAMESPACE, name):
                if task_id:
                    # A viewer may be in the task's room and in the owner's: one push of a version is enough.
                    versions = self._sent.setdefault(eio_sid, {})
                    if versions.get(task_id, 0) >= version:
                        continue
                    versions[task_id] = version
                with suppress(SocketIsClosedError):  # just now; the others get it
                    self.server._send_eio_packet(eio_sid, packet)

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
        try:
            if self._hearing.session != self._session:
                self._start_anew()
            if not self.prove(DEAF_SECONDS):
                self._hearing.drop()
                return False
            self._notice_emptying()
            self._catch_up()
            self._overview = self.records.overview()
        except Deaf:
            return False
        except (Unavailable, redis.ConnectionError, redis.TimeoutError) as error:  # the last two from a pipeline
            logger.debug("Redis is away: %s", error)
            self._drop_idle_connections()
            return False
        except Exception:  # the beat has to go on, whatever it meets
            logger.exception("The beat failed")
            return False
        return True

    def _start_anew(self) -> None:
        """Note that the hearing has reconnected: any push may have been missed."""
        self._session = self._hearing.session
        self._missed = {name for name in tuple(self.rooms.get(NAMESPACE, {})) if _has_channel(name)}
        self._drop_idle_connections()

    def _drop_idle_connections(self) -> None:
        """Make no use of connections older than a fault: each one that is half-open would cost somebody a request."""
        self.records.client.connection_pool.disconnect(inuse_connections=False)

    def _notice_emptying(self) -> None:
        """When Redis has lost all that it held, have every client ask anew, and hear what is missing."""
        client = self.records.client
        epoch = client.get(EPOCH)
        if epoch is None:
            client.set(EPOCH, uuid4().hex, nx=True)
            epoch = client.get(EPOCH)
        if self._epoch and epoch != self._epoch:
            logger.warning("Redis was emptied; all clients ask anew")
            self.close_websockets()
        self._epoch = str(epoch)

    def _catch_up(self) -> None:
        """Read again what was missed; what cannot be read now stays for the next beat."""
        while self._missed:
            names = list(self._missed)[:REREAD]
            self._read_again([name for name in names if name in self.rooms.get(NAMESPACE, {})])
            self._missed.difference_update(names)

    def _read_again(self, names: list[str]) -> None:
        self.confirm(names)
        tasks = [name.removeprefix("task:") for name in names if name.startswith("task:")]
        for task_id, stored, line in zip(tasks, self.records.read(tasks), self._newest_lines(tasks), strict=True):
            name = room("task", task_id)
            if stored is None or not stored.owner:
                # Lost, perhaps made anew by its worker, and nobody's then: its viewers have to hear so.
                viewers = [eio_sid for _, eio_sid in self.get_participants(NAMESPACE, name)]
                self.server.eio.end(SERVICE_RESTART, viewers)
                continue
            self.deliver(name, f'["snapshot",{stored.snapshot}]')
            if line:  # whoever lacks lines before it sees the gap
                self.deliver(name, f'["log",{{"task_id":"{task_id}","lines":[{line}]}}]')
        owners = [name.removeprefix("owner:") for name in names if name.startswith("owner:")]
        for owner in owners:
            for snapshot in reversed(self.records.owned(owner, MINE)[0]):
                self.deliver(room("owner", owner), f'["snapshot",{snapshot}]')

    def _newest_lines(self, task_ids: list[str]) -> list[str]:
        """Return the newest line of each task's log as JSON, "" where there is none."""
        with self.records.client.pipeline(transaction=False) as pipe:
            for task_id in task_ids:
                pipe.lrange(f"headway:log:{task_id}", -1, -1)
            return ["".join(lines) for lines in pipe.execute()]

    def _announce(self) -> None:
        """Tell all clients how this process fares: whether it is live at once, the rest now and then."""
        state = self.server_state()
        news = {key: value for key, value in state.items() if key != "now"}
        turned = news["live"] != self._announced.get("live")
        due = time.monotonic() - self._announced_at >= ANNOUNCE_SECONDS
        if turned or (due and news != self._announced):
            self._announced, self._announced_at = news, time.monotonic()
            self.deliver(None, f'["server",{fragment(state)}]')


def _has_channel(name: Any) -> bool:
    return isinstance(name, str) and name.startswith(ROOMS)


def _stamp_of(event: str) -> tuple[str, int]:
    """Return task id and version of a snapshot event, ("", 0) of another; `record.lua` writes these two first."""
    if not event.startswith(SNAPSHOT_HEAD):
        return "", 0
    task_id, _, rest = event[len(SNAPSHOT_HEAD) :].partition('","version":')
    return task_id, int(rest[: rest.index(",")])
