"""Connections to Redis with short timeouts, cheap calls, and one exception for an outage.

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

MAX_CONNECTIONS = 32  # of one client
# A large call is sent in pieces of this size, each with the connection's timeout.
PIECE_BYTES = 256 * 1024
# Added to the timeout of its reply: the end of the call is under way, and Redis has to read it.
LARGE_REPLY_SECONDS = 10.0
HAS_TCP_INFO = hasattr(socket, "TCP_INFO")  # Linux
ESTABLISHED = b"\x01"  # the first byte of TCP_INFO
NO_BYTES = bytes(4)  # FIONREAD where there is nothing to read


class Client(redis.Redis):
    """A Redis client that raises Unavailable when Redis is away, hangs or refuses.

    The caller's own mistakes stay redis-py's exceptions.
    """

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Execute a command, as redis-py does."""
        with translate_errors:
            return super().execute_command(*args, **options)

    def function_pipeline(self) -> FunctionPipeline:
        """Return a pipeline for functions of a loaded library."""
        return FunctionPipeline(self.connection_pool)


class FunctionPipeline:
    """Pipelined FCALLs on one connection of the pool, held while a reply is due.

    Does without what redis-py adds: nothing is retried, measured or converted.
    """

    __slots__ = ("_connection", "_due", "_is_large", "_pool")

    def __init__(self, pool: redis.ConnectionPool) -> None:
        self._pool = pool
        self._connection: Any = None
        self._due = 0
        self._is_large = False

    def call(self, function: str, keys: Sequence[str], args: Sequence[Any]) -> None:
        """Send a call; `reply` must be called once for it.

        While another reply is due, send only if `has_reply`: redis-py would silently reopen a
        connection that has ended.
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
        """Wait for the oldest outstanding reply and return it."""
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
        """Whether the connection is open and a reply has arrived.

        False also where the platform cannot tell.
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
    """Cut a call into pieces; redis-py sends each with a timeout of its own."""
    view = memoryview(packed)
    return [view[start : start + PIECE_BYTES] for start in range(0, len(packed), PIECE_BYTES)]


def peer_closed(connection: socket.socket) -> bool:
    """Whether the peer has closed a TCP connection; only Linux can tell."""
    return (
        HAS_TCP_INFO
        and connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1) != ESTABLISHED
    )


def _holds(connection: socket.socket) -> bool:
    """Whether there are bytes to read."""
    return fcntl.ioctl(connection.fileno(), termios.FIONREAD, NO_BYTES) != NO_BYTES


class Connection(redis.Connection):
    """A connection that two system calls check before each use.

    redis-py's own check polls, which costs a green process a turn of its event loop.
    """

    def can_read(self, timeout: float = 0) -> bool:
        """Whether unread bytes have arrived, or the peer has closed the connection."""
        if timeout or not self._sock or not HAS_TCP_INFO:
            return bool(super().can_read(timeout))
        return peer_closed(self._sock) or _holds(self._sock)


def connect(url: str, timeout: float = 1.0) -> Client:
    """Return a client that gives up after `timeout` seconds, without retries.

    Against a Redis that hangs, redis-py's own retries turn 1 s into 14.6 s. Its default pool raises
    at the 101st connection, which a rush of visitors reaches; here callers wait for a free one.
    """
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=timeout,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
        encoding_errors="replace",  # else one bad byte in a list of records would cost the list
        protocol=2,
    )
    if pool.connection_class is redis.Connection:  # neither TLS nor a Unix socket
        pool.connection_class = Connection
    return Client.from_pool(pool)  # type: ignore[return-value]  # redis-py declares its own class
