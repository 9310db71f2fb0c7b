"""A Redis that takes no writes: what can be read is still shown, and the rest is refused with
its reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import redis

from headway.store.connection import connect
from headway.store.errors import ReadOnly
from headway.store.records import Records
from tests.no_writes import WAYS, read_only
from tests.processes import Valkey

MESSAGE = {"task": "long_task", "args": [], "kwargs": {}, "options": {"queue": "celery"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A Valkey of this file's own, which it may spoil."""
    server = Valkey(tmp_path_factory.mktemp("spoilt"))
    yield server
    server.stop()


@pytest.fixture
def records(server: Valkey) -> Iterator[Records]:
    client = connect(server.url)
    yield Records(client, ttl_days=7)
    client.close()


def start(records: Records) -> str:
    return records.starts.create(
        owner="ada", message=MESSAGE, title="A task", max_attempts=4
    ).task_id


def snapshot_ids(page: list[str]) -> list[str]:
    return [json.loads(snapshot)["task_id"] for snapshot in page]


@pytest.mark.parametrize("way", WAYS)
def test_what_can_be_read_is_read(records: Records, server: Valkey, way: str):
    task_id = start(records)
    gone = start(records)
    records.forget(gone)  # it stays on its owner's list until a reader can take it off
    records.maintenance.heartbeat("one@here", 4, [], [])
    queued = records.queries.overview()["queued"]
    with redis.Redis.from_url(server.url) as client:
        client.zadd("headway:workers", {"gone@here 8": 1})

    with WAYS[way](server):
        with pytest.raises(ReadOnly):
            start(records)
        page, _ = records.lists.page("ada", 1)
        [stored] = records.read([task_id])
        overview = records.queries.overview()
        log = records.queries.read_log(task_id, 0)

    assert snapshot_ids(page) == [task_id]
    assert stored is not None
    assert (overview["workers"], overview["slots"], overview["queued"]) == (1, 4, queued)
    assert log["lines"] == []


def test_a_list_forgets_what_expired_as_soon_as_it_can(records: Records, server: Valkey):
    task_id = start(records)
    gone = start(records)
    records.forget(gone)
    key = "headway:owner:ada"
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        with read_only(server):
            records.lists.page("ada", 10)
            assert client.zscore(key, gone) is not None

        records.lists.page("ada", 10)

        assert client.zscore(key, gone) is None
        assert client.zscore(key, task_id) is not None
