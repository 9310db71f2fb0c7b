"""A chord whose part is revoked, cancelled, lost, expired or cannot be run fails, as with Celery's own backend.

One worker of tests/plain_celery.py; each chord's parts that are not in trouble end by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import chord
from celery.exceptions import ChordError
from celery.result import AsyncResult

from app.connection import connect
from app.records import Records
from app.snapshot import Snapshot
from tests import plain_celery as plain
from tests.processes import Process, Valkey, running, wait_for, worker
from tests.test_callers import shown


@pytest.fixture(scope="module")
def process(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with connect(valkey.url) as client:
        client.flushall()
    plain.celery.conf.broker_url = valkey.url
    plain.celery.conf.result_backend = f"app.backend.LiveBackend+{valkey.url}"
    with running(
        worker(tmp_path_factory.mktemp("worker"), {"REDIS_URL": valkey.url}, "celery", "tests.plain_celery")
    ) as it:
        yield it


@pytest.fixture
def records(process: Process, valkey: Valkey) -> Iterator[Records]:
    client = connect(valkey.url)
    yield Records(client, 7)
    client.close()


def reached(records: Records, task_id: str, phase: str) -> Snapshot:
    def there() -> Snapshot | None:
        now = shown(records, task_id)
        return now if now and now.phase == phase else None

    return wait_for(there, 20, f"{task_id} is {shown(records, task_id)}")


def start(*parts: Any, after: int = 0) -> tuple[AsyncResult, list[str]]:
    """Start a chord of these parts, behind some that take all places; returns the body's result and the parts' ids."""
    for _ in range(after):
        plain.sleep.delay(2)
    body = chord(list(parts), app=plain.celery)(plain.total.s())
    return body, [child.id for child in body.parent.children]


def revoke_queued(_: Records) -> AsyncResult:
    body, ids = start(*[plain.add.s(1, n) for n in range(12)], after=4)
    plain.celery.control.revoke(ids[-1])
    return body


def revoke_running(records: Records) -> AsyncResult:
    body, ids = start(plain.add.s(1, 1), plain.sleep.s(60))
    reached(records, ids[1], "running")
    plain.celery.control.revoke(ids[1], terminate=True)
    return body


def cancel_running(records: Records) -> AsyncResult:
    body, ids = start(plain.add.s(1, 1), plain.report.s(1000, 0.05))
    reached(records, ids[1], "running")
    assert records.cancel(ids[1]).verdict == "cancelling"
    return body


def revoke_scheduled(records: Records) -> AsyncResult:
    body, ids = start(plain.add.s(1, 1), plain.add.s(1, 2).set(countdown=3600))
    reached(records, ids[1], "scheduled")
    plain.celery.control.revoke(ids[1])
    return body


def cancel_scheduled(records: Records) -> AsyncResult:
    body, ids = start(plain.add.s(1, 1), plain.add.s(1, 2).set(countdown=3600))
    reached(records, ids[1], "scheduled")
    assert records.cancel(ids[1]).verdict == "cancelled"
    return body


def cancel_retrying(records: Records) -> AsyncResult:
    body, ids = start(plain.add.s(1, 1), plain.fail_then_succeed.s(99))
    reached(records, ids[1], "retrying")
    assert records.cancel(ids[1]).verdict == "cancelled"
    return body


def lose_each_time(_: Records) -> AsyncResult:
    return start(plain.add.s(1, 1), plain.die.s())[0]


def expire(_: Records) -> AsyncResult:
    return start(plain.add.s(1, 1), plain.add.s(1, 2).set(expires=-1))[0]


def name_an_unknown_task(_: Records) -> AsyncResult:
    return start(plain.add.s(1, 1), plain.celery.signature("tests.gone"))[0]


def take_too_long(_: Records) -> AsyncResult:
    return start(plain.add.s(1, 1), plain.too_long.s())[0]


@pytest.mark.parametrize(
    "way",
    [
        revoke_queued,
        revoke_running,
        cancel_running,
        revoke_scheduled,
        cancel_scheduled,
        cancel_retrying,
        lose_each_time,
        expire,
        name_an_unknown_task,
        take_too_long,
    ],
)
def test_the_body_of_a_chord_with_a_part_in_trouble_ends_as_failed(
    records: Records, way: Callable[[Records], AsyncResult]
):
    body = way(records)

    with pytest.raises(ChordError):
        AsyncResult(body.id, app=plain.celery).get(timeout=30)  # without its parents' errors
    assert reached(records, body.id, "failed").error["type"] == "ChordError"
    wait_for(lambda: not records.client.zcard("headway:untold"))
