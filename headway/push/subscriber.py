"""A web process's subscriber: its one listening connection to Redis, and its subscriptions."""

from __future__ import annotations

import logging
import socket
import threading
import time
from _thread import RLock  # which no async mode patches
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any, TypeAlias

import hiredis
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from headway.push.subscriptions import Subscriptions

logger = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 1.0
RECONNECT_SECONDS = (0.05, 0.1, 0.2, 0.5)

Messages: TypeAlias = list[tuple[str, bytes]]  # channels, and what was published there
# As the engine's `read`.
Read: TypeAlias = Callable[[Any, Callable[[bytes], bool]], Iterator[None]]
# Delivers messages; returns those that it leaves.
Deliver: TypeAlias = Callable[[Messages], Messages]


class SubscriptionTimeout(Exception):
    """Redis did not confirm a subscription in time."""


class Receiver:
    """Takes the bytes of one connection and has its messages delivered; keeps what is left."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._replies = hiredis.Reader()
        self._left: deque[tuple[int, Messages]] = deque()
        self.at = 0.0  # when something came last

    def take(self, data: bytes) -> bool:
        """Take what has arrived, as the engine's `read` wants it."""
        self.at = time.monotonic()
        self._replies.feed(data)
        confirmed = 0
        messages: Messages = []
        while (reply := self._replies.gets()) is not False:
            kind, channel, message = reply
            if kind == b"message":
                messages.append((channel.decode(), message))
            else:
                confirmed += kind == b"subscribe"
        rest = self._deliver(messages)
        if confirmed or rest:
            self._left.append((confirmed, rest))
        return bool(self._left)

    def left(self) -> Iterator[tuple[int, Messages]]:
        """Yield how many subscriptions were confirmed, and messages, as far as these are left."""
        while self._left:
            yield self._left.popleft()


class RedisSubscriber:
    """The one Redis connection that listens: it subscribes, reads, and reconnects."""

    def __init__(self, url: str, silence_seconds: float) -> None:
        """Set up; a connection that is silent for `silence_seconds` will be given up."""
        self._silence_seconds = silence_seconds
        self._make = _maker_of_connections(url)
        # The state changes only under `_lock`, which nothing that waits is done under, and commands
        # are taken and sent only under `_sending`, so that they go out in their order.
        self._lock = RLock()
        self._sending = threading.RLock()
        self._connection: Any = None
        self._subscriptions = Subscriptions()
        self._sessions = count(1)
        self.session = 0  # the number of the listening connection, 0 while there is none
        self.renewed = threading.Event()  # set by each new connection
        self._receiver = Receiver(list)

    @property
    def received_at(self) -> float:
        """When something came last from Redis, or the connection was made."""
        return self._receiver.at

    def subscribe(self, channel: str) -> None:
        """Subscribe to a channel, with the next `wait`; an existing subscription is kept."""
        with self._lock:
            self._subscriptions.add(channel)

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe from a channel, with the next `wait`."""
        with self._lock:
            self._subscriptions.remove(channel)

    def subscriptions(self, channels: Iterable[str]) -> list[tuple[int, int] | None]:
        """Return the numbers of the session and of its subscription to each of the channels.

        None for a channel without a subscription that Redis has confirmed.
        """
        with self._lock:
            numbers = [self._subscriptions.confirmed(channel) for channel in channels]
            return [(self.session, number) if number else None for number in numbers]

    def wait(self, channels: Iterable[str], seconds: float) -> None:
        """Wait until Redis has confirmed all of these channels on the current connection.

        Raises SubscriptionTimeout after `seconds`.
        """
        deadline = time.monotonic() + seconds
        channels = list(channels)
        if not self._subscriptions.missing(channels) and not self._subscriptions.has_unsent:
            return
        time.sleep(0)  # others may want channels too: one write for all
        while True:
            self._flush()
            with self._lock:
                number = self._subscriptions.missing(channels)
                if not number:
                    return
                answered = self._subscriptions.answer(number)
            if not answered.wait(max(0.0, deadline - time.monotonic())):
                raise SubscriptionTimeout(", ".join(channels))

    def listen(self, read: Read, deliver: Deliver) -> Iterator[Messages]:
        """Have all that arrives delivered, and yield what `deliver` leaves; reconnects for ever.

        `deliver` is called as `read` reads: it may be in a thread that must not wait.
        """
        failures = 0
        while True:
            connection = self._make()
            try:
                connection.connect()
                receiver = self._receiver = Receiver(deliver)
                self._begin(connection)
                for _ in read(connection._sock, receiver.take):
                    failures = 0
                    for confirmed, messages in receiver.left():
                        self._confirm(confirmed)
                        yield messages
                raise redis.ConnectionError("Redis has closed the connection.")
            except Exception as error:  # a connection that is broken fails in many ways
                if not failures:
                    logger.warning("The subscription to Redis is lost (%s); reconnecting", error)
                self.break_connection()
                connection.disconnect()
                time.sleep(RECONNECT_SECONDS[min(failures, len(RECONNECT_SECONDS) - 1)])
                failures += 1

    def break_connection(self) -> None:
        """Break the connection, so that the reader wakes up and makes another one.

        It is shut down, not closed: closing would not wake the reader, and redis-py would open a
        closed connection again at the next command.
        """
        with self._lock:
            connection = self._connection
            self._connection = None
            self.session = 0
            self._subscriptions.lose_answers()
        if connection is not None and connection._sock is not None:
            with suppress(OSError):
                connection._sock.shutdown(socket.SHUT_RDWR)

    def _begin(self, connection: Any) -> None:
        connection._sock.settimeout(self._silence_seconds)
        with self._sending:
            with self._lock:
                self._connection = connection
                self._receiver.at = time.monotonic()
                self._subscriptions.ask_again()
            self._flush()
        with self._lock:
            if self._connection is None:
                raise redis.ConnectionError(
                    "The connection broke while it was being asked for its channels."
                )
            self.session = next(self._sessions)
            waiting = self._subscriptions.take_waiting()
        for event in waiting:  # waiters of the former connection wait again, on this one
            event.set()
        self.renewed.set()

    def _confirm(self, count: int) -> None:
        for _ in range(count):
            with self._lock:
                answered = self._subscriptions.confirm()
            if answered is not None:
                answered.set()

    def _flush(self) -> None:
        """Send the unsent commands; without a connection, the next one subscribes to everything."""
        with self._sending:
            with self._lock:
                commands = self._subscriptions.take_unsent()
                connection = self._connection
            if commands and connection is not None:
                try:
                    packed = connection.pack_commands(commands)
                    connection.send_packed_command(packed, check_health=False)
                except (redis.RedisError, OSError):
                    self.break_connection()


def _maker_of_connections(url: str) -> Callable[[], Any]:
    """Return a function that makes a connection, which is not open yet."""
    pool = redis.ConnectionPool.from_url(
        url,
        socket_timeout=HANDSHAKE_SECONDS,
        socket_connect_timeout=HANDSHAKE_SECONDS,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
    # Not taken from the pool, which gives out 100 connections in its life and then none.
    return partial(pool.connection_class, **pool.connection_kwargs)
