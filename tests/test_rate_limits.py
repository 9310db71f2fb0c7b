"""Tasks that wait in their worker for Celery's `rate_limit`: the worker holds them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker.consumer import Consumer
from kombu.utils.limits import TokenBucket

from headway.celery.worker.leases import WorkerLeases
from headway.store.records import Records
from tests.by_records import start


@pytest.fixture
def consumer() -> Any:
    """Celery's own, as far as it limits rates: one task in ten seconds."""
    limited = SimpleNamespace(
        task_buckets={"any": TokenBucket(0.1), "unlimited": None},
        timer=SimpleNamespace(call_after=lambda *_, **__: None),
        _limit_order=0,
    )
    limited._schedule_bucket_request = lambda bucket: Consumer._schedule_bucket_request(
        limited, bucket
    )
    limited._limit_move_to_pool = lambda request: None
    return limited


def test_a_task_that_waits_for_its_rate_limit_is_not_missed(records: Records, consumer: Any):
    app = SimpleNamespace(
        amqp=SimpleNamespace(queues=SimpleNamespace(consume_from={"celery": None}))
    )
    worker = SimpleNamespace(app=app, hostname="here", concurrency=1, consumer=consumer)
    leases = WorkerLeases(worker, "here/1", records, SimpleNamespace(is_stuck=False))  # type: ignore[arg-type]
    ids = [start(records) for _ in range(3)]
    bucket = consumer.task_buckets["any"]
    for task_id in ids:
        Consumer._limit_task(consumer, SimpleNamespace(id=task_id), bucket, 1)
        records.outbox.mark_published(task_id)
    assert len(bucket.contents) == 2  # the first one may run now

    leases.renew(taking=True)

    missed = records.maintenance.unconfirmed()
    assert {task_id for of_queue in missed.values() for task_id in of_queue} == {ids[0]}
