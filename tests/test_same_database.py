"""Whether the broker is the Redis of the records: messages are settled with a task's end,
rights are checked.
"""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery

from headway.celery.backend import LiveBackend
from headway.celery.cli import findings
from headway.celery.messages.broker_url import broker_url
from headway.store.connection import connect
from headway.store.redis_server import Server
from headway.store.redis_url import is_same_database

SAME = [
    ("redis://localhost:6379/0", "redis://127.0.0.1:6379/0"),
    ("redis://localhost/0", "redis://[::1]:6379"),
    ("redis://", "redis://LOCALHOST:6379/0"),
    ("redis://ada:secret@h/2", "redis://h:6379/2"),
    ("rediss://h/0?ssl_cert_reqs=none", "rediss://h"),
]
OTHER = [
    ("redis://localhost/0", "redis://localhost/1"),
    ("redis://localhost:6379/0", "redis://127.0.0.1:6380/0"),
    ("redis://localhost/0", "redis://h/0"),
    ("redis://h/0", "amqp://h/0"),
    ("redis://h/0", ""),
    ("redis://h/0", "redis://h:port/0"),
    ("redis://h/0", "redis://h/0?virtual_host=1"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_these_are_one(one: str, other: str):
    assert is_same_database(one, other)
    assert is_same_database(other, one)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_these_are_two(one: str, other: str):
    assert not is_same_database(one, other)
    assert not is_same_database(other, one)


def live(broker: Any, url: str) -> LiveBackend:
    return LiveBackend(app=Celery("a", broker=broker, set_as_current=False), url=url)


def test_a_live_backend_settles_with_a_broker_by_another_name(redis_url: str):
    assert (
        live(redis_url.replace("127.0.0.1", "localhost"), redis_url).unacked
        == "unacked unacked_index"
    )
    assert live("amqp://localhost", redis_url).unacked == ""


def test_of_several_brokers_the_first_counts(redis_url: str):
    brokers = [redis_url, "amqp://elsewhere"]

    assert broker_url(live(brokers, redis_url).app) == redis_url
    app = Celery("a", broker=brokers, backend=f"headway+{redis_url}", set_as_current=False)
    assert {finding.subject for finding in findings(app)} > {"tasks", "rights"}


@pytest.mark.parametrize(
    ("broker", "asked"),
    [
        ("redis://localhost:{port}/0", True),
        ("redis://ada:pw@127.0.0.1:{port}/0", False),
        ("amqp://h", False),
    ],
)
def test_rights_for_the_broker_are_asked_for_where_its_user_is_ours(
    redis_url: str, broker: str, asked: bool
):
    client = connect(redis_url)
    port = redis_url.rpartition(":")[2].partition("/")[0]

    server = Server(client, redis_url, broker.format(port=port))

    assert server.is_broker is asked
    client.close()
