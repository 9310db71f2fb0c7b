"""A record is read for those who may see it; for others it is as if there were none."""

from __future__ import annotations

import pytest
import redis

from headway.store.model import Sent
from headway.store.queries import EVERYBODY
from headway.store.records import Records

HERS = "7f3a1c52-hers"
NOBODYS = "7f3a1c52-nobodys"
TOKEN = f"1 id task:{HERS}"


@pytest.fixture(autouse=True)
def two_tasks(records: Records) -> None:
    for task_id, owner in ((HERS, "ada"), (NOBODYS, "")):
        records.starts.enqueue(task_id, Sent("long_task", "", owner, "celery", "+60000000", "", 4))


def found(records: Records, reader: str, claim: str = "") -> list[str]:
    ids = [HERS, NOBODYS, "unknown"]
    stored = records.read(ids, claims=[claim, "", ""], readers=[reader] * 3)
    return [task_id for task_id, one in zip(ids, stored, strict=True) if one]


@pytest.mark.parametrize(
    ("reader", "claim", "expected"),
    [
        ("ada", "", [HERS]),
        ("eve", "", []),
        ("", "", []),
        ("eve", TOKEN, [HERS]),
        ("", TOKEN, [HERS]),
        (EVERYBODY, "", [HERS, NOBODYS]),
    ],
)
def test_a_reader_gets_what_is_theirs_or_what_a_token_names(
    records: Records, reader: str, claim: str, expected: list[str]
):
    assert found(records, reader, claim) == expected


def test_programs_that_name_no_reader_get_all(records: Records):
    assert None not in records.read([HERS, NOBODYS])


def test_readers_of_one_call_may_differ(records: Records):
    stored = records.read([HERS, HERS], readers=["eve", "ada"])

    assert [one is not None for one in stored] == [False, True]


def test_a_key_of_another_kind_is_no_task_of_anybodys(records: Records, redis_url: str):
    with redis.Redis.from_url(redis_url) as writer:
        writer.delete(f"headway:task:{HERS}")
        writer.lpush(f"headway:task:{HERS}", "junk")

    assert found(records, "ada") == []
