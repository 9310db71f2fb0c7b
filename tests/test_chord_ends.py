"""A chord whose part is revoked, cancelled, lost, expired or cannot be run fails, as with Celery's
own backend.

One worker of tests/plain_celery.py; each chord's parts that are not in trouble end by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from celery import chord
from celery.exceptions import ChordError
from celery.result import AsyncResult

from headway.snapshot import Phase
from headway.store.records import Records
from tests import plain_celery as plain
from tests.by_hand import reached
from tests.processes import wait_for

pytestmark = pytest.mark.usefixtures("plain_worker")


def start(*parts: Any, after: int = 0) -> tuple[AsyncResult, list[str]]:
    """Start a chord of these parts, behind some that take all places.

    Returns the body's result and the parts' ids.
    """
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
    reached(records, ids[1], Phase.RUNNING)
    plain.celery.control.revoke(ids[1], terminate=True)
    return body


def cancel_running(records: Records) -> AsyncResult:
    body, ids = start(plain.add.s(1, 1), plain.report.s(1000, 0.05))
    reached(records, ids[1], Phase.RUNNING)
    assert records.cancel(ids[1]).outcome == "cancelling"
    return body


def revoke_scheduled(records: Records) -> AsyncResult:
    body, ids = start(plain.add.s(1, 1), plain.add.s(1, 2).set(countdown=3600))
    reached(records, ids[1], Phase.SCHEDULED)
    plain.celery.control.revoke(ids[1])
    return body


def cancel_scheduled(records: Records) -> AsyncResult:
    body, ids = start(plain.add.s(1, 1), plain.add.s(1, 2).set(countdown=3600))
    reached(records, ids[1], Phase.SCHEDULED)
    assert records.cancel(ids[1]).outcome == "cancelled"
    return body


def cancel_retrying(records: Records) -> AsyncResult:
    body, ids = start(plain.add.s(1, 1), plain.fail_then_succeed.s(99))
    reached(records, ids[1], Phase.RETRYING)
    assert records.cancel(ids[1]).outcome == "cancelled"
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
    shared_records: Records, way: Callable[[Records], AsyncResult]
):
    body = way(shared_records)

    with pytest.raises(ChordError):
        AsyncResult(body.id, app=plain.celery).get(timeout=30)  # without its parents' errors
    assert reached(shared_records, body.id, Phase.FAILED).error["type"] == "ChordError"
    wait_for(lambda: not shared_records.client.zcard("headway:unnotified"))
