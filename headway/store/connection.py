"""Connections to Redis: what passes by itself is Unavailable, nobody waits long, and a call costs
little.

Celery's broker and the fan-out's listener have connections of their own.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import termios
from collections.abc import Sequence
from enum import StrEnum
from queue import Empty
from typing import Any, TypedDict

import redis
from hiredis import pack_command
from redis.backoff import NoBackoff
from redis.exceptions import ClusterDownError, NoPermissionError
from redis.retry import Retry

MAX_CONNECTIONS = 32  # of one process
PIECE_BYTES = (
    256 * 1024
)  # of a large call that have to be on their way within a connection's timeout
LARGE_REPLY_SECONDS = (
    10.0  # more for the reply to one: its end is still on its way, and Redis has to take it in
)
HAS_TCP_INFO = hasattr(socket, "TCP_INFO")  # Linux
ESTABLISHED = b"\x01"  # the first byte of TCP_INFO
NO_BYTES = bytes(4)  # to read
OLDEST_REDIS = "7.0"  # which has functions
UNKNOWN_COMMAND = re.compile(r"unknown command [`']?([\w|]+)")
NO_RIGHT_IN_FUNCTION = ("ACL failure in script", "The user executing the script can't")


class Reason(StrEnum):
    """Why Redis is of no use now: a code for programs; `SENTENCES` has the words for people."""

    UNREACHABLE = "redis_unreachable"
    LOADING = "redis_loading"
    BUSY = "redis_busy"
    FULL = "redis_full"
    READ_ONLY = "redis_read_only"
    CANNOT_SAVE = "redis_cannot_save"
    TOO_OLD = "redis_too_old"
    NO_RIGHT = "redis_no_right"
    NO_LOGIN = "redis_no_login"


SENTENCES = {
    Reason.UNREACHABLE: "Redis does not answer",
    Reason.LOADING: "Redis is starting",
    Reason.BUSY: "Redis is busy",
    Reason.FULL: "Redis is full",
    Reason.READ_ONLY: "Redis takes no writes",
    Reason.CANNOT_SAVE: "Redis cannot write to its disk",
    Reason.TOO_OLD: f"Redis is older than {OLDEST_REDIS}",
    Reason.NO_RIGHT: "Redis refuses a right that Headway needs",
    Reason.NO_LOGIN: "Redis refuses the password",
}
# Redis-py takes the code off the words of these.
REASONS: tuple[tuple[type[Exception], Reason], ...] = (
    (redis.AuthenticationError, Reason.NO_LOGIN),
    (redis.BusyLoadingError, Reason.LOADING),
    (redis.ConnectionError, Reason.UNREACHABLE),
    (redis.TimeoutError, Reason.UNREACHABLE),
    (redis.OutOfMemoryError, Reason.FULL),
    (redis.ReadOnlyError, Reason.READ_ONLY),
    (ClusterDownError, Reason.READ_ONLY),  # a MASTERDOWN too
    (NoPermissionError, Reason.NO_RIGHT),
)
CODES = {
    "BUSY": Reason.BUSY,
    "MISCONF": Reason.CANNOT_SAVE,
    "NOREPLICAS": Reason.READ_ONLY,
}
WRITES_FAIL = {Reason.BUSY, Reason.FULL, Reason.READ_ONLY, Reason.CANNOT_SAVE}


class Unavailable(Exception):
    """Redis is away, hung or refuses: nothing was changed, or only the reply was lost.

    `reason` says why.
    """

    def __init__(self, message: str = "", reason: Reason = Reason.UNREACHABLE) -> None:
        super().__init__(message)
        self.reason = reason


class ReadOnly(Unavailable):
    """Redis answers, and is full, read-only or cannot write to its disk."""


class Problem(TypedDict):
    """What is wrong, for programs and for people."""

    code: str
    message: str


def problem_of(error: Unavailable) -> Problem:
    """Return what everybody may know of an error: nothing of addresses, users and rights."""
    return {"code": error.reason, "message": SENTENCES[error.reason]}


def translate(error: BaseException) -> Unavailable | None:
    """Return what an exception of redis-py means, None where it is a mistake of the caller's.

    The message is Redis's own, except that of a command which Redis does not know: there it repeats
    the arguments.
    """
    reason = _reason_of(error)
    if reason is None:
        return None
    message = str(error)
    if unknown := UNKNOWN_COMMAND.match(message):
        message = (
            f"it does not know {unknown[1]}; Headway needs Redis {OLDEST_REDIS} or newer, or Valkey"
        )
    elif reason is Reason.NO_RIGHT:
        message = f"{message} (`make doctor` says what is missing)"
    return (ReadOnly if reason in WRITES_FAIL else Unavailable)(message, reason)


def _reason_of(error: BaseException) -> Reason | None:
    for kind, reason in REASONS:
        if isinstance(error, kind):
            return reason
    if not isinstance(error, redis.ResponseError):
        return None
    message = str(error)
    if UNKNOWN_COMMAND.match(message):
        return Reason.TOO_OLD
    if message.startswith(NO_RIGHT_IN_FUNCTION):
        return Reason.NO_RIGHT
    return CODES.get(message.partition(" ")[0])


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


class _TranslateErrors:
    """Turns what passes by itself into Unavailable.

    A class, as a generator would cost each call more.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None and (translated := translate(error)):
            # Not even the traceback may show what Redis repeats of a command that it does not know.
            raise translated from (None if translated.reason is Reason.TOO_OLD else error)


translate_errors = _TranslateErrors()


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


class Pool(redis.BlockingConnectionPool):
    """redis-py's pool, without its metrics, which nobody reads here."""

    def get_connection(self, *_: Any, **__: Any) -> Any:
        """Return a connection that is there, as redis-py's does."""
        self._checkpid()
        try:
            connection = self.pool.get(timeout=self.timeout) or self.make_connection()
        except Empty:
            raise redis.ConnectionError("No connection available.") from None
        try:
            if connection.is_connected and _is_stale(connection):
                connection.disconnect()
            if not connection.is_connected:
                connection.connect()
        except BaseException:
            self.release(connection)
            raise
        return connection

    def release(self, connection: Any) -> None:
        """Put a connection back."""
        if connection.pid == os.getpid():
            self.pool.put_nowait(connection)
        else:  # a process that was forked meanwhile has to leave it alone
            super().release(connection)


def _is_stale(connection: redis.Connection) -> bool:
    try:
        return connection.can_read()
    except (redis.ConnectionError, redis.TimeoutError, OSError):
        return True


def connect(url: str, timeout: float = 1.0) -> Client:
    """Return a client that gives up after `timeout` seconds, without retries.

    redis-py's own retries turn one second into 14.6 against a Redis that hangs, and its usual pool
    raises at the 101st connection, which a storm of visitors asks for; here they take turns.
    """
    pool = Pool.from_url(
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
