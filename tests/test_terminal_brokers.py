"""The terminal beside any broker: one in a list, none, another Redis, one that hangs or is away."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery

from headway.celery.messages import broker
from headway.cli import project
from headway.snapshot import Phase
from headway.store.records import Records
from tests import plain_celery as plain
from tests.by_hand import shown
from tests.processes import free_port
from tests.terminal import call

SECRET = "hunter2-marked"
START = ("-A", "tests.plain_celery:shop", "start", "add", "x=1", "y=2")
DOCTOR = ("-A", "tests.plain_celery:shop", "doctor")

MakeShop = Callable[..., Celery]


@pytest.fixture
def make_shop(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> MakeShop:
    """Makes a project with this broker, which `-A tests.plain_celery:shop` finds."""

    def make(broker_url: Any, **settings: Any) -> Celery:
        shop = Celery(
            "shop", broker=broker_url, backend=f"headway+{redis_url}", set_as_current=False
        )
        shop.conf.update(settings)
        shop.task(plain.add.run, name="add", shared=False)
        monkeypatch.setattr(plain, "shop", shop, raising=False)
        return shop

    return make


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port at which nobody says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "BROKER_SECONDS", 0.2)
    monkeypatch.setattr(broker, "CHECK_SECONDS", 0.2)


@pytest.mark.parametrize(
    "several", [lambda url: [url], lambda url: [url, url], lambda url: f"{url};{url}"]
)
def test_a_broker_that_is_named_in_a_list_is_used(
    make_shop: MakeShop, records: Records, redis_url: str, several: Callable[[str], Any]
):
    make_shop(several(redis_url))

    started = call(*START)
    looked = call(*DOCTOR)

    assert (started.exit_code, started.stderr) == (0, "")
    assert records.client.llen("celery") == 1
    assert looked.exit_code == 0


def test_a_task_goes_to_the_queue_that_its_project_says(
    make_shop: MakeShop, records: Records, redis_url: str
):
    make_shop(redis_url, task_routes={"add": {"queue": "sums"}})

    assert call(*START).exit_code == 0

    assert records.client.llen("sums") == 1


def test_a_task_of_an_exchange_is_refused(make_shop: MakeShop, redis_url: str):
    make_shop(redis_url, task_routes={"add": {"exchange": "media", "routing_key": "video"}})

    result = call(*START)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(
        "Error: add is routed to an exchange: name its queue in task_routes"
    )


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_broker_that_does_not_answer_does_not_hold_up_a_start(
    make_shop: MakeShop, records: Records, silent_port: int, scheme: str, is_there: bool
):
    port = silent_port if is_there else free_port()
    make_shop(f"{scheme}://ops:{SECRET}@127.0.0.1:{port}//", broker_connection_timeout=0.2)

    started = call(*START)
    looked = call(*DOCTOR)

    assert started.exit_code == 0
    assert shown(records, started.stdout.strip()).phase is Phase.QUEUED
    assert records.client.zcard("headway:outbox") == 1  # from where a worker sends it
    assert (looked.exit_code, looked.stdout.splitlines()[-1][:26]) == (
        1,
        "✗ broker: does not answer ",
    )
    assert SECRET not in started.output + looked.output


def test_another_redis_as_the_broker_is_looked_at(make_shop: MakeShop, redis_url: str):
    make_shop(redis_url.replace("/0", "/1"))

    result = call(*DOCTOR)

    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].startswith("✓ broker: 127.0.0.1:")


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("redis://h", True),
        (["redis://h:6379/0"], True),
        (("redis://h", "redis://h"), False),
        ("redis://h;redis://g", False),
        ("redis://h/1", False),
        ("redis://h/one", False),
        ("my.own.transport://h", False),
        ([], False),
        ("", False),
    ],
)
def test_messages_are_written_with_their_records_where_the_broker_is_that_redis(
    named: Any, expected: bool
):
    shop = Celery("shop", set_as_current=False)
    shop.conf.broker_url = named

    assert (broker.message_encoder(shop, "redis://h:6379/0") is not None) is expected
