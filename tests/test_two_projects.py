"""Two projects with workers of their own in one Redis database, told apart by their prefixes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from celery import Celery, chord

from headway.push.follow import follow
from headway.snapshot import Phase
from tests import plain_celery as plain
from tests.documents import block
from tests.processes import Valkey, running, wait_for, worker
from tests.terminal import call, snapshots

PREFIXES = ("one_", "two_")
ID = "the-same-id"


def client_of(url: str, prefix: str) -> Celery:
    """A process that sends the tasks of the project with this prefix."""
    app = Celery(prefix, broker=url, backend=f"headway+{url}", set_as_current=False)
    documented = block("docs/celery.md", "app.conf.result_backend_transport_options")
    exec(documented.replace("shop_", prefix), {"app": app})
    return app


@pytest.fixture(scope="module")
def apps(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Celery]]:
    folder = tmp_path_factory.mktemp("workers")
    env = {"REDIS_URL": valkey.url}
    started = [
        worker(folder, env | {"KEY_PREFIX": prefix}, "celery", "tests.plain_celery")
        for prefix in PREFIXES
    ]
    with running(started[0]), running(started[1]):
        yield [client_of(valkey.url, prefix) for prefix in PREFIXES]


def test_each_worker_runs_the_tasks_of_its_own_project(apps: list[Celery]):
    one, two = apps
    results = [
        app.send_task(plain.add.name, (number, number), task_id=ID)
        for number, app in enumerate(apps, 1)
    ]
    assert [result.get(timeout=20) for result in results] == [2, 4]
    header = chord((one.signature(plain.add.name, (n, 1)) for n in range(3)), app=one)
    assert header(one.signature(plain.total.name)).get(timeout=20) == 6
    assert two.backend.records.queries.overview()["workers"] == 1
    assert len(list(two.backend.records.queries.scan())) == 1


def test_a_lost_run_is_run_again_in_its_own_project(apps: list[Celery], tmp_path: Path):
    one, two = apps
    result = one.send_task(plain.die_once.name, (str(tmp_path),))
    assert result.get(timeout=30) == "alive"
    assert two.backend.records.read([result.id]) == [None]


def test_a_task_is_followed_and_listed_under_its_prefix(apps: list[Celery], valkey: Valkey):
    result = apps[1].send_task(plain.report.name, (3, 0.05))
    updates = list(follow(apps[1].backend.records, result.id, lambda outage: None))
    assert updates[-1].snapshot.phase == Phase.SUCCEEDED
    lists = [
        call("--redis-url", valkey.url, "--key-prefix", prefix, "list", "--json")
        for prefix in PREFIXES
    ]
    ids = [{each["task_id"] for each in snapshots(listed)} for listed in lists]
    assert [result.id in found for found in ids] == [False, True]


def test_nothing_lies_under_no_prefix(apps: list[Celery], valkey: Valkey):
    with redis.Redis.from_url(valkey.url, decode_responses=True) as client:
        wait_for(lambda: not client.hlen("one_unacked") and not client.hlen("two_unacked"))
        assert {key for key in client.scan_iter() if not key.startswith(PREFIXES)} == set()
