"""Translates redis-py's exceptions into reasons why Redis is unusable now."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TypedDict

import redis
from redis.exceptions import ClusterDownError, NoPermissionError

from headway.display.languages import Sentence
from headway.exceptions import HeadwayError

OLDEST_REDIS = "7.0"  # the first with functions
UNKNOWN_COMMAND = re.compile(r"unknown command [`']?([\w|]+)")
NO_RIGHT_IN_FUNCTION = ("ACL failure in script", "The user executing the script can't")


class Reason(StrEnum):
    """Why Redis is unusable now, as a code for programs; `SENTENCES` has the text for people."""

    UNREACHABLE = "redis_unreachable"
    LOADING = "redis_loading"
    BUSY = "redis_busy"
    FULL = "redis_full"
    READ_ONLY = "redis_read_only"
    CANNOT_SAVE = "redis_cannot_save"
    TOO_OLD = "redis_too_old"
    NO_RIGHT = "redis_no_right"
    NO_LOGIN = "redis_no_login"
    WRONG_TYPE = "redis_wrong_type"


SENTENCES = {
    Reason.UNREACHABLE: Sentence("Redis does not answer"),
    Reason.LOADING: Sentence("Redis is starting"),
    Reason.BUSY: Sentence("Redis is busy"),
    Reason.FULL: Sentence("Redis is full"),
    Reason.READ_ONLY: Sentence("Redis takes no writes"),
    Reason.CANNOT_SAVE: Sentence("Redis cannot write to its disk"),
    Reason.TOO_OLD: Sentence("Redis is older than {version}", version=OLDEST_REDIS),
    Reason.NO_RIGHT: Sentence("Redis refuses a right that Headway needs"),
    Reason.NO_LOGIN: Sentence("Redis refuses the password"),
    Reason.WRONG_TYPE: Sentence("A key in Redis holds another type than it should"),
}
# By type, because redis-py strips the error code from the messages of these.
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
    "WRONGTYPE": Reason.WRONG_TYPE,
}
WRITES_FAIL = {Reason.BUSY, Reason.FULL, Reason.READ_ONLY, Reason.CANNOT_SAVE}


class RedisUnavailable(HeadwayError):
    """Redis is away, hangs or refuses: nothing was changed, or only the reply was lost.

    `reason` says why.
    """

    def __init__(self, message: str = "", reason: Reason = Reason.UNREACHABLE) -> None:
        super().__init__(message)
        self.reason = reason

    @property
    def problem(self) -> Problem:
        """What anybody may know of it: no addresses, users or rights."""
        return {"code": self.reason, "message": SENTENCES[self.reason]}


class ReadOnly(RedisUnavailable):
    """Redis answers, but is busy, full, read-only or cannot write to its disk."""


class Problem(TypedDict):
    """What is wrong, for programs and for people."""

    code: str
    message: str


def translate(error: BaseException) -> RedisUnavailable | None:
    """Return what an exception of redis-py means; None if it is the caller's mistake.

    The message is Redis's own, except for an unknown command: there Redis repeats the arguments.
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
        message = f"{message} (`headway doctor` says what is missing)"
    return (ReadOnly if reason in WRITES_FAIL else RedisUnavailable)(message, reason)


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


class _TranslateErrors:
    """Raises RedisUnavailable from redis-py's exceptions that mean it.

    A class, because a generator would cost each call more.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None and (translated := translate(error)):
            # Not even the traceback may show the arguments that Redis repeats of such a command.
            raise translated from (None if translated.reason is Reason.TOO_OLD else error)


translate_errors = _TranslateErrors()
