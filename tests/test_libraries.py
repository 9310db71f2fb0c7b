"""Function libraries of earlier versions: in use during a deploy, and deleted a day after it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from headway.store import functions
from headway.store.connection import connect
from headway.store.functions import LIBRARY, LIBRARY_DIGEST
from headway.store.records import Records
from tests.by_hand import claim, write

HOUR = 3600 * 1_000_000
OLD = "0123456789ab"
MESSAGE = {"task": "long_task", "args": [], "kwargs": {}, "options": {"queue": "celery"}}

AsVersion = Callable[[str], None]


@pytest.fixture
def as_version(monkeypatch: pytest.MonkeyPatch) -> AsVersion:
    """Have this process be one of another version, by its library's digest."""

    def become(digest: str) -> None:
        monkeypatch.setattr(functions, "LIBRARY", LIBRARY.replace(LIBRARY_DIGEST, digest))
        monkeypatch.setattr(functions, "LIBRARY_DIGEST", digest)

    return become


@pytest.fixture
def clean(records: Records) -> Records:
    records.client.execute_command("FUNCTION", "FLUSH")
    return records


def libraries(records: Records) -> set[str]:
    listed = str(records.client.execute_command("FUNCTION", "LIST"))
    return set(re.findall(r"'library_name', '(?:headway_)?(\w+)'", listed))


def put_back(records: Records, hours: float) -> None:
    """Have all uses so far be this many hours ago."""
    for digest, at in records.client.zrange("headway:libraries", 0, -1, withscores=True):
        records.client.zadd("headway:libraries", {digest: at - hours * HOUR})


def test_two_versions_work_on_one_task(clean: Records, as_version: AsVersion):
    as_version(OLD)
    task_id = clean.starts.create(owner="ada", message=MESSAGE, title="A", max_attempts=4).task_id
    as_version(LIBRARY_DIGEST)
    claim(clean, task_id)
    as_version(OLD)
    write(clean, task_id, 7)
    assert libraries(clean) == {OLD, LIBRARY_DIGEST}


def test_an_earlier_versions_library_is_deleted_a_day_after_its_last_use(
    clean: Records, as_version: AsVersion
):
    clean.client.execute_command(
        "FUNCTION", "LOAD", "#!lua name=strangers\nredis.register_function('f', function() end)"
    )
    as_version(OLD)
    clean.maintenance.heartbeat("w@here", 4, [], [])
    as_version(LIBRARY_DIGEST)
    clean.maintenance.heartbeat("w@here", 4, [], [])
    put_back(clean, 23.9)
    clean.maintenance.delete_unused_libraries()
    assert libraries(clean) == {OLD, LIBRARY_DIGEST, "strangers"}
    put_back(clean, 0.2)
    clean.maintenance.delete_unused_libraries()
    assert libraries(clean) == {LIBRARY_DIGEST, "strangers"}
    assert clean.client.zrange("headway:libraries", 0, -1) == [LIBRARY_DIGEST]


@pytest.mark.parametrize(
    "use",
    [
        lambda records: records.maintenance.heartbeat("w@here", 4, [], []),
        lambda records: records.maintenance.sweep("w@here"),
        lambda records: records.starts.create(owner="", message=MESSAGE, title="A", max_attempts=4),
        lambda records: records.queries.probe(),  # a web process does, every other second
    ],
    ids=["worker", "leader", "sender", "web"],
)
def test_a_library_that_another_version_still_calls_is_kept(
    clean: Records, as_version: AsVersion, use: Callable[[Records], object]
):
    as_version(OLD)
    clean.maintenance.heartbeat("w@here", 4, [], [])
    put_back(clean, 25)
    use(clean)
    as_version(LIBRARY_DIGEST)
    clean.maintenance.delete_unused_libraries()
    assert libraries(clean) == {OLD, LIBRARY_DIGEST}


def test_a_deleted_library_is_loaded_again_by_its_next_call(clean: Records, as_version: AsVersion):
    as_version(OLD)
    clean.queries.probe()
    put_back(clean, 25)
    as_version(LIBRARY_DIGEST)
    clean.maintenance.delete_unused_libraries()
    as_version(OLD)
    assert clean.read(["a-task"]) == [None]
    assert libraries(clean) == {OLD, LIBRARY_DIGEST}


def test_a_user_who_may_not_delete_leaves_it(clean: Records, as_version: AsVersion, redis_url: str):
    as_version(OLD)
    clean.queries.probe()
    put_back(clean, 25)
    as_version(LIBRARY_DIGEST)
    clean.client.execute_command(
        *[
            "ACL",
            "SETUSER",
            "headway",
            "reset",
            "on",
            ">password",
            "+@all",
            "-function|delete",
            "~*",
            "&*",
        ]
    )
    try:
        limited = Records(connect(redis_url.replace("//", "//headway:password@")), ttl_days=7)
        limited.maintenance.delete_unused_libraries()
        assert OLD in libraries(clean)
    finally:
        clean.client.acl_deluser("headway")
