"""Schedules under wrong clocks: a worker's, a web process's, and Redis's own; and beside beat's."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery, beat

from headway.celery.worker.scheduler import Scheduler
from headway.registry import task
from headway.store.clock import RedisClock
from headway.store.records import Records
from tests.bodies import read
from tests.test_schedules import HOUR, kept, put_back, settled, tasks_in

DAY = 24 * 3600.0


@pytest.fixture(scope="module", autouse=True)
def hourly() -> str:
    @task("Sweep up", every="1h")
    def sweep_by_the_hour() -> None: ...

    return "sweep_by_the_hour"


def look(celery: Celery) -> None:
    """Look as a worker does that has just started."""
    Scheduler(celery.backend).start_due()


@pytest.mark.parametrize("wrong", [DAY, -DAY])
def test_a_workers_clock_says_nothing(
    celery: Celery, records: Records, hourly: str, monkeypatch: pytest.MonkeyPatch, wrong: float
):
    look(celery)
    put_back(records, hourly, 1)
    right = kept(records).next
    now = time.time

    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now() + wrong)
        look(celery)
    look(celery)

    assert len(tasks_in(records)) == 1
    assert kept(records).next - right in (0, HOUR)  # where an hour has just begun
    assert kept(records).missed == 0


def test_where_redis_clock_was_ahead_nothing_runs_twice_and_the_next_time_comes(
    celery: Celery, records: Records, hourly: str, monkeypatch: pytest.MonkeyPatch
):
    redis_now = RedisClock.now
    look(celery)
    with monkeypatch.context() as patch:
        patch.setattr(RedisClock, "now", lambda clock: redis_now(clock) + 5 * HOUR)
        look(celery)
    [ahead] = tasks_in(records)
    assert kept(records).missed == 4

    look(celery)  # the clock is right again, and the schedule with it
    assert settled(records, hourly) <= records.clock.now()
    put_back(records, hourly, 1)
    look(celery)

    assert len(tasks_in(records)) == 2
    assert kept(records).task_id != ahead
    monkeypatch.setattr(RedisClock, "now", lambda clock: redis_now(clock) + 5 * HOUR)
    look(celery)  # the time that has had its run comes
    assert len(tasks_in(records)) == 2


def test_what_beat_sends_and_what_a_schedule_starts_runs_once_each(
    celery: Celery, records: Records, hourly: str
):
    @celery.task(name="beaten")
    def beaten() -> None: ...

    celery.conf.beat_schedule = {"beaten": {"task": "beaten", "schedule": 3600.0}}
    beats = beat.Scheduler(app=celery)
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1, seconds=1)
    beats.schedule["beaten"].last_run_at = an_hour_ago
    look(celery)
    put_back(records, hourly, 1)

    for _ in range(3):
        beats.tick()
        look(celery)

    names = sorted(read(records, task_id).name for task_id in tasks_in(records))
    assert names == ["beaten", hourly]
    assert records.client.llen("celery") == 2
