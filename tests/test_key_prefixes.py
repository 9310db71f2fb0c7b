"""Two projects in one Redis database, each with a prefix of its own: neither sees the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from celery import Celery
from celery.exceptions import ImproperlyConfigured

from headway.celery.backend import LiveBackend
from headway.celery.messages.broker import missing, withdraw
from headway.push.manager import RoomManager
from headway.push.subscriber import RedisSubscriber
from headway.snapshot import Phase, Snapshot
from headway.store.connection import connect
from headway.store.keys import Keys
from headway.store.model import Delivery, StateWrite
from headway.store.records import Records
from headway.store.rights import missing as missing_rights
from headway.system import system_of
from tests.by_hand import claim, published, shown, subscribed, write

ID = "the-same-id"
OWNER = "ada"
HERE = Delivery("test", 0)
MESSAGE = {"task": "long_task", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
MINUTE = 60_000_000


def project(url: str, prefix: str, backend: str = "headway+") -> Celery:
    app = Celery(f"project-{prefix}", broker=url, backend=f"{backend}{url}", set_as_current=False)
    app.conf.result_backend_transport_options = {"global_keyprefix": prefix}
    app.conf.broker_transport_options = {"global_keyprefix": prefix}

    @app.task(name="add", shared=False)
    def add(x: int, y: int) -> int:
        return x + y

    return app


@pytest.fixture
def apps(redis_url: str) -> list[Celery]:
    return [project(redis_url, "one_"), project(redis_url, "two_")]


@pytest.fixture
def both(apps: list[Celery]) -> list[Records]:
    return [app.backend.records for app in apps]


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


def create(records: Records, **options: Any) -> str:
    options = {"owner": OWNER, "task_id": ID} | options
    return records.starts.create(message=MESSAGE, title="A task", max_attempts=4, **options).outcome


def test_a_task_of_one_project_is_unknown_to_the_other(both: list[Records]):
    one, two = both
    create(one)
    claim(one, ID)
    write(one, ID, 7)
    one.output.log(ID, HERE, [("INFO", "a line")])

    assert shown(one, ID).current == 7
    assert two.read([ID]) == [None]
    assert list(two.queries.scan()) == []
    assert two.lists.page(OWNER, 10) == ([], None)
    assert two.queries.read_log(ID, 0)["lines"] == []
    assert two.queries.newest_lines([ID]) == [""]
    assert two.queries.overview()["queues"] == {}
    assert two.cancel(ID).outcome == "unknown"
    assert shown(one, ID).phase == Phase.RUNNING


def test_the_same_id_is_another_task_in_each(both: list[Records]):
    one, two = both
    assert [create(records, key="once") for records in both] == ["created", "created"]
    assert create(two, key="once") == "replayed"
    for current, records in enumerate(both, 5):
        claim(records, ID)
        write(records, ID, current)
    one.cancel(ID)
    one.forget(ID)

    assert shown(one, ID) is None
    assert shown(two, ID).current == 6
    assert len(list(two.queries.scan())) == len(two.lists.page(OWNER, 10)[0]) == 1


def test_what_is_queued_and_who_works_is_counted_for_each(both: list[Records], client: redis.Redis):
    one, two = both
    create(one)
    create(one, task_id="another")
    create(two)
    one.maintenance.heartbeat("w@here", 4, [], [], queues=["celery"])

    assert [records.queries.overview()["queued"] for records in both] == [2, 1]
    assert [records.queries.overview()["workers"] for records in both] == [1, 0]
    assert [shown(records, ID).queue_position for records in both] == [0, 0]
    two.maintenance.heartbeat("w@here", 4, [], [], queues=["celery"])
    two.maintenance.deregister("w@here", 4)
    assert one.queries.overview()["workers"] == 1
    assert list(client.scan_iter("*headway:worker:*")) == ["one_headway:worker:w@here"]


def test_each_has_a_leader_and_finds_its_own_lost_runs(both: list[Records], client: redis.Redis):
    one, two = both
    for records in both:
        create(records)
        claim(records, ID)
        records.maintenance.sweep(f"a worker of {records.keys.prefix}")
        client.delete(records.keys.shared("grace"))
    client.zadd(one.keys.shared("leases"), {ID: 1})

    assert two.maintenance.sweep("a worker of two_").due == []
    assert shown(two, ID).phase == Phase.RUNNING
    assert [task_id for task_id, _ in one.maintenance.sweep("a worker of one_").due] == [ID]
    assert shown(one, ID).phase == Phase.QUEUED
    client.zadd(two.keys.shared("leases"), {ID: 1})
    assert [task_id for task_id, _ in two.maintenance.sweep("a worker of two_").due] == [ID]


def test_each_sends_what_is_due_in_its_own_outbox(both: list[Records]):
    one, two = both
    create(one)
    create(two, when=f"+{MINUTE}")
    one.client.zadd(one.keys.shared("outbox"), {ID: 1})

    assert two.maintenance.sweep("a worker").due == []
    assert two.outbox.take_due(ID) is None
    assert [task_id for task_id, _ in one.maintenance.sweep("a worker").due] == [ID]


def test_a_restored_backup_pauses_the_project_that_it_holds(both: list[Records]):
    one, two = both
    seen = one.maintenance.sweep("a worker").seen
    assert two.maintenance.sweep("a worker").seen.epoch != seen.epoch
    assert one.maintenance.sweep("a worker", seen=seen._replace(sweeps=1000)).paused

    assert one.queries.overview()["paused"]
    assert not two.queries.overview()["paused"]
    assert not two.maintenance.resume()
    assert one.maintenance.resume()


def test_a_push_reaches_the_viewers_of_its_own_project(both: list[Records]):
    one, two = both
    create(two)
    with subscribed(one, "*") as channels:
        create(one)
        one.output.log(ID, Delivery(), [("INFO", "a line")])
        heard = {message["channel"] for message in published(channels)}
    rooms = {one.keys.channel(f"task:{ID}"), one.keys.channel(f"owner:{OWNER}")}
    assert heard == {*rooms, one.keys.celery(ID)}


def test_a_web_process_listens_to_its_own_project(
    both: list[Records], redis_url: str, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []
    monkeypatch.setattr(RedisSubscriber, "subscribe", lambda self, channel: asked.append(channel))
    for records in both:
        manager = RoomManager(redis_url, records)
        assert manager.channel_of("task:1") == records.keys.channel("task:1")
    assert len(set(asked)) == 6
    assert [channel.partition("flask")[0] for channel in asked] == ["one_"] * 3 + ["two_"] * 3


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_stock_client_with_the_same_prefix_reads_a_result(
    apps: list[Celery], redis_url: str, size: int
):
    text = "x" * size
    for app in apps:
        app.backend.mark_as_done(ID, f"{app.main} {text}")

    for app, prefix in zip(
        apps, ["one", "two"], strict=True
    ):  # a client may leave the "_" to Celery
        stock = project(redis_url, prefix, backend="")
        assert stock.AsyncResult(ID).get(timeout=20) == f"{app.main} {text}"
        assert app.AsyncResult(ID).result == f"{app.main} {text}"
        size_and_pieces = app.backend.records.results.read(ID)
        assert json.loads(b"".join(size_and_pieces[1])) == f"{app.main} {text}"


def test_a_message_and_its_record_are_one_write_in_the_projects_queue(
    apps: list[Celery], client: redis.Redis
):
    one, two = apps
    one.tasks["add"].apply_async((1, 2), task_id=ID)
    assert system_of(one).encoder is not None
    assert client.llen("one_celery") == 1
    assert client.exists("celery", "two_celery") == 0
    assert two.backend.records.read([ID]) == [None]
    encoded = system_of(two).encoder.write("other", MESSAGE | {"task": "add", "args": [1, 2]})
    create(two.backend.records, task_id="other", encoded=encoded)
    assert [json.loads(text)["headers"]["id"] for text in client.lrange("two_celery", 0, -1)] == [
        "other"
    ]
    assert missing(one, "celery", [ID, "other"]) == {"other"}
    assert missing(two, "celery", [ID, "other"]) == {ID}


def test_a_message_that_a_worker_holds_is_taken_out_of_its_own_brokers_hands(
    apps: list[Celery], client: redis.Redis
):
    for app in apps:
        app.tasks["add"].apply_async((1, 2), task_id=ID)
    for app in apps:
        channel = app.connection_for_read().channel()
        channel.do_restore = False
        channel.basic_get("celery")
    withdraw(apps[0], [ID])
    assert [client.hlen(f"{prefix}unacked") for prefix in ("one_", "two_")] == [0, 1]


def test_rights_are_looked_at_under_the_prefixes(client: redis.Redis, redis_url: str):
    keys = "~shop_headway:* ~shop_celery* ~jobs_*"
    channels = "&shop_flask-socketio* &shop_celery-task-meta-* &jobs_/0.celery.pidbox"
    client.execute_command(
        *f"ACL SETUSER headway reset on >password +@all {keys} {channels}".split()
    )
    url = redis_url.replace("redis://", "redis://headway:password@")
    try:
        denied = [
            missing_rights(Records(connect(url), 7, keys=keys), ["celery"], broker=True)
            for keys in (Keys("shop_", "jobs_"), Keys("shop_", "_"), Keys("_", "jobs_"))
        ]
        assert denied[0] == []
        assert all(target.startswith("_") for rights in denied[1:] for _, target in rights)
        assert all(denied[1:])
    finally:
        client.acl_deluser("headway")


def test_nothing_is_written_but_under_the_prefix(apps: list[Celery], client: redis.Redis):
    app = apps[0]
    records = app.backend.records
    create(records, key="once")
    create(records, task_id="later", when=f"+{MINUTE}")
    app.tasks["add"].apply_async((1, 2), task_id="sent", headers={"headway_owner": OWNER})
    claim(records, ID)
    records.output.log(ID, HERE, [("INFO", "a line")])
    records.maintenance.heartbeat("w@here", 4, [(ID, HERE.token)], ["sent"], queues=["celery"])
    records.maintenance.sweep("a worker", seen=records.maintenance.sweep("a worker").seen)
    end = StateWrite(ID, HERE, Phase.SUCCEEDED, {}, meta="{}", name="long_task", max_attempts=4)
    whole = b'"' + b"x" * 100_000 + b'"'
    records.runs.write(end._replace(fields={"result": "x", "result_size": len(whole)}, whole=whole))
    records.runs._staging.put("a text that no write takes over")
    records.maintenance.release([("sent", "")])

    assert {key for key in client.scan_iter() if not key.startswith("one_")} == set()
    [stored] = records.read([ID])
    assert Snapshot.from_json(stored.snapshot).phase == Phase.SUCCEEDED


@pytest.mark.parametrize(
    ("option", "prefix"),
    [
        ("result_backend_transport_options", "a b"),
        ("result_backend_transport_options", "shop*"),
        ("result_backend_transport_options", "shop[1]"),
        ("broker_transport_options", "a b"),
    ],
)
def test_a_prefix_that_would_not_stand_for_itself_is_refused(option: str, prefix: str):
    app = Celery(broker="redis://h", backend="headway+redis://h", set_as_current=False)
    app.conf.update({option: {"global_keyprefix": prefix}})
    with pytest.raises(ImproperlyConfigured, match=r"^global_keyprefix: .* may hold "):
        _ = app.backend


def test_without_a_prefix_the_keys_are_what_they_were():
    app = Celery(broker="redis://h", backend="headway+redis://h", set_as_current=False)
    backend: LiveBackend = app.backend
    assert backend.records.keys == Keys("", "")
