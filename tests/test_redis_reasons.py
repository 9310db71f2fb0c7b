"""What redis-py's exceptions mean: which of them pass, the reason, and no secret in what is
said of them.
"""

from __future__ import annotations

import traceback

import pytest
import redis
from redis.exceptions import MasterDownError, NoPermissionError

from headway.store.connection import connect
from headway.store.errors import SENTENCES, ReadOnly, Reason, RedisUnavailable, translate
from tests.old_redis import OldRedis

SECRET = "hunter2-marked"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (redis.ConnectionError("Error 111"), Reason.UNREACHABLE),
        (redis.TimeoutError("Timeout"), Reason.UNREACHABLE),
        (redis.BusyLoadingError("Redis is loading the dataset"), Reason.LOADING),
        (redis.AuthenticationError("invalid username-password pair"), Reason.NO_LOGIN),
        (redis.OutOfMemoryError("command not allowed"), Reason.FULL),
        (redis.ReadOnlyError("You can't write"), Reason.READ_ONLY),
        (MasterDownError("Link with MASTER is down"), Reason.READ_ONLY),
        (redis.ResponseError("NOREPLICAS Not enough good replicas to write."), Reason.READ_ONLY),
        (redis.ResponseError("MISCONF Errors writing to the AOF file"), Reason.CANNOT_SAVE),
        (redis.ResponseError("BUSY Redis is busy running a script"), Reason.BUSY),
        (NoPermissionError("No permissions to access a key"), Reason.NO_RIGHT),
        (
            redis.ResponseError("ACL failure in script: No permissions to access a key"),
            Reason.NO_RIGHT,
        ),
        (
            redis.ResponseError("The user executing the script can't run this command"),
            Reason.NO_RIGHT,
        ),  # as 7.0 says it
        (
            redis.ResponseError("unknown command 'FCALL', with args beginning with: 'x'"),
            Reason.TOO_OLD,
        ),
        (
            redis.ResponseError("unknown command `FUNCTION`, with args beginning with: `x`"),
            Reason.TOO_OLD,
        ),
    ],
)
def test_what_redis_refuses_has_a_reason(error: Exception, reason: Reason):
    translated = translate(error)

    assert translated is not None
    assert translated.reason is reason
    assert SENTENCES[reason]
    writes_fail = {Reason.FULL, Reason.READ_ONLY, Reason.CANNOT_SAVE, Reason.BUSY}
    assert isinstance(translated, ReadOnly) == (reason in writes_fail)


@pytest.mark.parametrize(
    "error", [redis.ResponseError("wrong number of arguments"), redis.DataError("x"), KeyError("x")]
)
def test_a_mistake_of_the_callers_is_none_of_these(error: Exception):
    assert translate(error) is None


def test_a_command_that_redis_does_not_know_is_named_without_its_arguments():
    with OldRedis() as server, pytest.raises(RedisUnavailable) as raised:
        connect(server.url).execute_command("FCALL", SECRET, 0)

    said = "".join(traceback.format_exception(raised.value))
    assert "FCALL" in str(raised.value)
    assert SECRET not in said


def test_every_reason_has_its_sentence():
    assert SENTENCES.keys() == set(Reason)
