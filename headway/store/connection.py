"""Connections to Redis with short timeouts, cheap calls, and one exception for an outage.

Celery's broker and the fan-out's listener have connections of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import redis
from hiredis import pack_command
from redis.backoff import NoBackoff
from redis.retry import Retry

from headway.store.errors import translate_errors
from headway.store.free_connections import FreeConnections
from headway.tcp import HAS_TCP_INFO, has_unread, peer_closed

MAX_CONNECTIONS = 32  # of one client
# A large call is sent in pieces of this size, each with the connection's timeout.
PIECE_BYTES = 256 * 1024
# Added to the timeout of its reply: the end of the call is under way, and Redis has to read it.
LARGE_REPLY_SECONDS = 10.0


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

        That must be called, once: only then does the call's connection go back to the pool.
        """
        return self.function_pipeline().begin_function(function, keys, args)

    def function_pipeline(self) -> FunctionPipeline:
        """Return a pipeline: a call in it need not wait for the reply to the one before."""
        return FunctionPipeline(self.connection_pool)


class FunctionPipeline:
    """Calls of functions on one connection, which it holds until their replies have been read.

    It skips what redis-py adds: nothing is retried, measured or converted.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._held: _HeldConnection | None = None

    def begin_function(
        self, function: str, keys: Sequence[str], args: Sequence[Any]
    ) -> Callable[[], Any]:
        """Send an FCALL, and return a function that waits for its reply.

        That must be called, once, and in the order of the calls.
        """
        packed = pack_command(("FCALL", function, len(keys), *keys, *args))
        is_large = len(packed) > PIECE_BYTES
        with translate_errors:
            held = self._held or _HeldConnection(self._pool.get_connection())
            try:
                held.connection.send_packed_command(_pieces(packed) if is_large else [packed])
            except BaseException:
                self._discard(held)
                raise
        held.unread += 1
        self._held = held
        return partial(self._reply, held, is_large)

    def close(self) -> None:
        """Discard outstanding replies, with their connection."""
        if self._held:
            self._discard(self._held)

    def _reply(self, held: _HeldConnection, is_large: bool) -> Any:
        with translate_errors:
            if held.is_lost:
                raise redis.ConnectionError("Its connection was lost before this reply.")
            connection = held.connection
            try:
                if is_large:
                    timeout = connection.socket_timeout + LARGE_REPLY_SECONDS
                    reply = connection.read_response(timeout=timeout)
                else:
                    reply = connection.read_response()
            except redis.ResponseError:
                self._note_read(held)
                raise
            except BaseException:  # a late reply would be taken for the next one's
                self._discard(held)
                raise
            self._note_read(held)
            return reply

    def _note_read(self, held: _HeldConnection) -> None:
        held.unread -= 1
        if not held.unread:
            self._return_to_pool(held)

    def _discard(self, held: _HeldConnection) -> None:
        held.is_lost = True
        held.connection.disconnect()
        self._return_to_pool(held)

    def _return_to_pool(self, held: _HeldConnection) -> None:
        self._held = None
        self._pool.release(held.connection)


class _HeldConnection:
    """A connection, and how many replies it has still to read."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.unread = 0
        self.is_lost = False


def _pieces(packed: bytes) -> list[memoryview]:
    """Cut a call into pieces; redis-py sends each with a timeout of its own."""
    view = memoryview(packed)
    return [view[start : start + PIECE_BYTES] for start in range(0, len(packed), PIECE_BYTES)]


class Connection(redis.Connection):
    """A connection that two system calls check before each use.

    redis-py's own check polls, which costs a green process a turn of its event loop.
    """

    def can_read(self, timeout: float = 0) -> bool:
        """Whether unread bytes have arrived, or the peer has closed the connection."""
        if timeout or not self._sock or not HAS_TCP_INFO:
            return bool(super().can_read(timeout))
        return peer_closed(self._sock) or has_unread(self._sock)


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
