"""A Redis user with no more rights than docs/redis.md names: all of Headway works, and one right
less is told at start.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from app import config, create_app
from headway.exceptions import ConfigError
from headway.snapshot import Phase
from headway.store.connection import connect
from headway.store.errors import Reason, RedisUnavailable
from headway.store.model import Delivery, StateWrite
from headway.store.records import Records
from headway.store.redis_checks import refuse_unfit
from headway.store.rights import FOR_BROKER, FOR_RECORDS
from tests.browser import Visitor
from tests.processes import ROOT, Valkey, running, web, worker

[RULES] = re.findall(
    r"ACL SETUSER headway (on >password .*?)```",
    (ROOT / "docs" / "redis.md").read_text(),
    re.DOTALL,
)
MESSAGE = {"task": "long_task", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
RUN = Delivery("token", 0)


@pytest.fixture
def admin(valkey: Valkey, redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client
        client.acl_deluser("headway")


@pytest.fixture
def url(admin: redis.Redis, redis_url: str) -> str:
    """The URL of a user with the rights that docs/redis.md names."""
    allow(admin, RULES)
    return redis_url.replace("redis://", "redis://headway:password@")


def allow(admin: redis.Redis, rules: str) -> None:
    admin.execute_command("ACL", "SETUSER", "headway", "reset", *rules.split())
    admin.acl_log_reset()


def denied(admin: redis.Redis) -> set[str]:
    """What Redis has refused; the look at what it evicts, by INFO, may be."""
    return {entry["object"] for entry in admin.acl_log()} - {"info"}


def records_of(url: str) -> Records:
    return Records(connect(url), ttl_days=7)


def test_records_are_written_and_read_with_these_rights(admin: redis.Redis, url: str):
    refuse_unfit(url, url, production=True)
    records = records_of(url)
    started = [
        records.starts.create(
            owner="ada", message=MESSAGE, title="A task", max_attempts=4, **options
        ).task_id
        for options in ({}, {"key": "once"}, {"when": "+60000000"}, {"encoded": "{}"})
    ]
    task_id, cancelled, scheduled, _ = started
    records.maintenance.heartbeat("worker@here", 4, [], started)
    records.cancel(cancelled)
    records.reschedule(scheduled, "+1000000")
    run = {"message": MESSAGE, "max_attempts": 4, "hostname": "here"}
    assert records.runs.claim(task_id, RUN, "run", **run) == "claimed"
    assert records.output.log(task_id, RUN, [("INFO", "a line")])
    for phase in (Phase.RUNNING, Phase.SUCCEEDED):
        fields = {"current": 1, "total": 2}
        write = StateWrite(task_id, RUN, phase, fields, meta="{}", name="long_task", max_attempts=4)
        assert records.runs.write(write) == "written"
    records.maintenance.sweep("leader")
    records.maintenance.unconfirmed()
    records.maintenance.republish(started)
    admin.zadd("headway:libraries", {"0123456789ab": 1})
    records.maintenance.delete_unused_libraries()
    records.maintenance.release([(task_id, "token")])

    assert len(records.lists.page("ada", 10)[0]) == len(started)
    assert records.queries.read_log(task_id, 0)["last_seq"] == 1
    assert records.queries.newest_lines([task_id]) != [""]
    assert records.queries.overview()["workers"] == 1
    records.forget(task_id)
    records.lists.page("ada", 10)
    records.maintenance.deregister("worker@here", 4)
    assert denied(admin) == set()


def test_a_whole_system_runs_with_these_rights(
    admin: redis.Redis, url: str, env: dict[str, str], tmp_path: Path
):
    env |= {"REDIS_URL": url}
    served, address = web(tmp_path, env)
    with running(served), running(worker(tmp_path, env)):
        visitor = Visitor(address).connect()
        visitor.call("watch_mine", {})
        ids = [visitor.start(), visitor.start("send_async_email", email="ada@example.com")]
        scheduled = visitor.http.post(
            f"{address}/tasks", json={"name": "long_task", "countdown": 0.5}, timeout=10
        )
        ended = visitor.wait_for_end(scheduled.json()["task_id"])
        assert visitor.wait_for_end(ids[0])["state"] == ended["state"] == "SUCCESS"

    assert denied(admin) == set()


@pytest.mark.parametrize(
    ("less", "missing"),
    [
        ("-zadd", "ZADD for headway:task:*"),
        ("-publish", "PUBLISH for celery-task-meta-*"),
        ("-@pubsub", "UNSUBSCRIBE"),
        ("-fcall", "'fcall' command"),
        ("-function|load", "'function|load' command"),
        ("-time", "'time' command"),
        ("-brpop", "BRPOP for celery"),
        ("-evalsha", "EVALSHA for _kombu.binding_deadlines"),
        (
            "resetkeys ~celery* ~mail* ~_kombu.binding* ~unacked* ~*.celery.pidbox*",
            "for headway:task:*",
        ),
        ("resetkeys ~headway:* ~mail* ~_kombu.binding* ~unacked* ~*.celery.pidbox*", "for celery"),
        ("resetkeys ~headway:* ~celery* ~_kombu.binding* ~unacked* ~*.celery.pidbox*", "for mail"),
        (
            "resetkeys ~headway:* ~celery* ~mail* ~unacked* ~*.celery.pidbox*",
            "for _kombu.binding.celery",
        ),
        ("resetkeys ~headway:* ~celery* ~mail* ~_kombu.binding* ~*.celery.pidbox*", "for unacked"),
        (
            "resetkeys ~headway:* ~celery* ~mail* ~_kombu.binding* ~unacked*",
            "for worker@host.celery.pidbox",
        ),
        (
            "resetchannels &celery-task-meta-* &/0.celery.pidbox &flask-socketio:*",
            "PUBLISH, SUBSCRIBE for flask-socketio",
        ),
        (
            "resetchannels &celery-task-meta-* &/0.celery.pidbox &flask-socketio",
            "for flask-socketio:task:*",
        ),
        (
            "resetchannels &flask-socketio &flask-socketio:* &/0.celery.pidbox",
            "for celery-task-meta-*",
        ),
        (
            "resetchannels &flask-socketio &flask-socketio:* &celery-task-meta-*",
            "for /0.celery.pidbox",
        ),
        (
            "resetchannels &flask-socketio &flask-socketio:* &celery-task-meta-* &/0.*",
            "PSUBSCRIBE for /0.celery.pidbox",
        ),
    ],
)
def test_a_right_that_is_missing_is_named_at_start(
    admin: redis.Redis, url: str, less: str, missing: str
):
    admin.function_flush()
    allow(admin, f"{RULES} {less}")

    with pytest.raises(ConfigError) as refused:
        refuse_unfit(url, url, queues=config.QUEUES, production=False)

    message = str(refused.value)
    assert message.startswith("result_backend: ")
    assert missing in message
    assert "docs/redis.md" in message
    assert "\n" not in message
    assert "password" not in message


def test_what_only_celery_needs_is_not_asked_for_where_its_broker_is_elsewhere(
    admin: redis.Redis, url: str
):
    allow(admin, f"{RULES} resetkeys ~headway:* ~celery* ~mail* -brpop -evalsha")

    refuse_unfit(url, "amqp://elsewhere", production=False)


def test_a_right_that_is_taken_away_later_is_no_error_of_the_servers(
    admin: redis.Redis, url: str, env: dict[str, str], caplog: pytest.LogCaptureFixture
):
    client = create_app(env | {"REDIS_URL": url}).test_client()
    assert client.post("/longtask").status_code == 202
    allow(admin, f"{RULES} -hset")

    refused = client.post("/longtask")

    assert refused.status_code == 503
    assert refused.headers["Retry-After"]
    assert refused.json["error"]["message"].startswith("Redis refuses a right")
    assert any("hset" in message and "headway doctor" in message for message in caplog.messages)


@pytest.mark.parametrize("less", ["-hset", "-fcall", "resetkeys", "resetchannels"])
def test_a_denial_is_unavailable_to_the_caller_whatever_it_is_for(
    admin: redis.Redis, url: str, less: str
):
    records = records_of(url)
    records.read(["a-task"])
    allow(admin, f"{RULES} {less}")

    with pytest.raises(RedisUnavailable) as raised:
        records.starts.create(owner="ada", message=MESSAGE, title="A task", max_attempts=4)

    assert raised.value.reason is Reason.NO_RIGHT


def test_a_project_needs_rights_for_its_own_queues_alone(admin: redis.Redis, redis_url: str):
    allow(admin, RULES.replace("~celery* ~mail*", "~celery-task* ~orders*"))
    url = redis_url.replace("redis://", "redis://headway:password@")

    refuse_unfit(url, url, queues=["orders"], production=False)

    with pytest.raises(ConfigError, match="for celery"):
        refuse_unfit(url, url, queues=["orders", "celery"], production=False)


def test_the_documents_name_each_key_that_is_used():
    """Each key of `rights` is matched by a pattern of docs/redis.md."""
    patterns = [rule[1:].replace("*", "") for rule in RULES.split() if rule[0] in "~&"]

    for target in (*FOR_RECORDS, *FOR_BROKER):
        assert not target or any(pattern in target for pattern in patterns), json.dumps(target)
