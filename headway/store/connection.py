"""Connections to Redis with short timeouts, cheap calls, and one exception for an outage.

Celery's broker and the fan-out's listener have connections of their own.
"""

from __future__ import annotations

import fcntl
import socket
import termios
from collections.abc import Callable, Sequence
from typing import Any

import redis
from hiredis import pack_command
from redis.backoff import NoBackoff
from redis.retry import Retry

from headway.store.errors import translate_errors
from headway.store.free_connections import FreeConnections

MAX_CONNECTIONS = 32  # of one client
# A large call is sent in pieces of this size, each with the connection's timeout.
PIECE_BYTES = 256 * 1024
# Added to the timeout of its reply: the end of the call is under way, and Redis has to read it.
LARGE_REPLY_SECONDS = 10.0
HAS_TCP_INFO = hasattr(socket, "TCP_INFO")  # Linux
ESTABLISHED = b"\x01"  # the first byte of TCP_INFO
NO_BYTES = bytes(4)  # FIONREAD where there is nothing to read


class Client(redis.Redis):
    """A Redis client that raises RedisUnavailable when Redis is away, hangs or refuses.

    The caller's own mistakes stay redis-py's exceptions.
    """

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Execute a command, as redis-py does."""
        with translate_errors:
            return super().execute_command(*args, **options)

    def begin_function(
        self, function: str, keys: Sequence[str], args: Sequence[Any]
    ) -> Callable[[], Any]:
        """Send an FCALL, and return a function that waits for its reply.

        That must be called, once: the call's connection goes back to the pool then. Does without
        what redis-py adds: nothing is retried, measured or converted.
        """
        pool = self.connection_pool
        with translate_errors:
            connection: Any = pool.get_connection()
            try:
                packed = pack_command(("FCALL", function, len(keys), *keys, *args))
                is_large = len(packed) > PIECE_BYTES
                connection.send_packed_command(_pieces(packed) if is_large else [packed])
            except BaseException:
                pool.release(connection)
                raise

        def reply() -> Any:
            with translate_errors:
                try:
                    if is_large:
                        timeout = connection.socket_timeout + LARGE_REPLY_SECONDS
                        return connection.read_response(timeout=timeout)
                    return connection.read_response()
                finally:
                    pool.release(connection)

        return reply


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
        queue_class=FreeConnections,
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
