"""Connections to Redis: what passes by itself is Unavailable, nobody waits long, and a call costs
little.

Celery's broker and the fan-out's listener have connections of their own.
"""

from __future__ import annotations

import fcntl
import socket
import termios
from collections.abc import Sequence
from typing import Any

import redis
from hiredis import pack_command
from redis.backoff import NoBackoff
from redis.retry import Retry

from headway.store.errors import translate_errors

MAX_CONNECTIONS = 32  # of one process
# of a large call that have to be on their way within a connection's timeout
PIECE_BYTES = 256 * 1024
# more for the reply to one: its end is still on its way, and Redis has to take it in
LARGE_REPLY_SECONDS = 10.0
HAS_TCP_INFO = hasattr(socket, "TCP_INFO")  # Linux
ESTABLISHED = b"\x01"  # the first byte of TCP_INFO
NO_BYTES = bytes(4)  # to read


class Client(redis.Redis):
    """A client of Redis that raises Unavailable for whatever passes by itself, and nothing else
    for it.
    """

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Do any command, as redis-py does."""
        with translate_errors:
            return super().execute_command(*args, **options)

    def function_pipeline(self) -> FunctionPipeline:
        """Return what calls functions of a loaded library."""
        return FunctionPipeline(self.connection_pool)


class FunctionPipeline:
    """Calls of functions, one behind the other on one connection, which this has for itself while a
    reply is due.

    Without what redis-py adds: nothing is retried, measured, converted.
    """

    __slots__ = ("_connection", "_due", "_is_large", "_pool")

    def __init__(self, pool: redis.ConnectionPool) -> None:
        self._pool = pool
        self._connection: Any = None
        self._due = 0
        self._is_large = False

    def call(self, function: str, keys: Sequence[str], args: Sequence[Any]) -> None:
        """Send a call; its reply has to be asked for, once.

        While another's is due, only where `has_reply`: a connection that has ended would be opened
        again.
        """
        with translate_errors:
            if not self._due:
                self._connection = self._pool.get_connection()
            try:
                packed = pack_command(("FCALL", function, len(keys), *keys, *args))
                self._is_large = len(packed) > PIECE_BYTES
                self._connection.send_packed_command(
                    _pieces(packed) if self._is_large else [packed]
                )
                self._due += 1
            finally:
                self._let_go()

    def reply(self) -> Any:
        """Wait for what Redis answers to the first call that was not asked for yet."""
        with translate_errors:
            try:
                if self._is_large:
                    timeout = self._connection.socket_timeout + LARGE_REPLY_SECONDS
                    return self._connection.read_response(timeout=timeout)
                return self._connection.read_response()
            finally:
                self._due -= 1
                self._let_go()

    @property
    def has_reply(self) -> bool:
        """Whether the connection stands and a reply has come.

        False also where that cannot be told.
        """
        return (
            self._due > 0
            and HAS_TCP_INFO
            and self._connection._sock is not None
            and _holds(self._connection._sock)
        )

    def _let_go(self) -> None:
        if not self._due:
            self._pool.release(self._connection)


def _pieces(packed: bytes) -> list[memoryview]:
    """Cut a call: redis-py sends each of these with a timeout of its own."""
    view = memoryview(packed)
    return [view[start : start + PIECE_BYTES] for start in range(0, len(packed), PIECE_BYTES)]


def peer_closed(connection: socket.socket) -> bool:
    """Whether the other end has closed a TCP connection; only Linux tells."""
    return (
        HAS_TCP_INFO
        and connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) != ESTABLISHED
    )


def _holds(connection: socket.socket) -> bool:
    """Whether there is something to read."""
    return fcntl.ioctl(connection.fileno(), termios.FIONREAD, NO_BYTES) != NO_BYTES


class Connection(redis.Connection):
    """A connection that is looked over, before each use, by two calls of the kernel.

    redis-py's own look polls, and in a green process that is a turn of the event loop.
    """

    def can_read(self, timeout: float = 0) -> bool:
        """Whether there is what nobody has asked for.

        True as well for a connection that has ended.
        """
        if timeout or not self._sock or not HAS_TCP_INFO:
            return bool(super().can_read(timeout))
        return peer_closed(self._sock) or _holds(self._sock)


def connect(url: str, timeout: float = 1.0) -> Client:
    """Return a client that gives up after `timeout` seconds, without retries.

    redis-py's own retries turn one second into 14.6 against a Redis that hangs, and its usual pool
    raises at the 101st connection, which a storm of visitors asks for; here they take turns.
    """
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=timeout,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
        protocol=2,
    )
    if pool.connection_class is redis.Connection:  # neither TLS nor a socket of Unix
        pool.connection_class = Connection
    return Client.from_pool(pool)  # type: ignore[return-value]  # redis-py names its own class there
