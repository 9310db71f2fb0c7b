"""Tasks that run every so often: each time once, told where it was missed, paused where asked."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from celery import Celery

from headway.celery.worker.scheduler import Scheduler
from headway.registry import TASK_TYPES, task
from headway.schedules import MAX_MISSED, SCHEDULES, Schedule, rule_of
from headway.store.errors import RedisUnavailable
from headway.store.records import Records
from headway.store.schedules import ScheduleRecords, StoredSchedule
from tests.bodies import read

HOUR = 3600 * 1_000_000
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(scope="module")
def made() -> dict[str, Schedule]:
    """The schedules of two tasks: one of each hour, and one that has one run at a time."""

    @task("Tidy up", every="1h")
    def tidy_by_the_hour() -> None:
        pass

    @task("Count", every="1h", unique="count")
    def count_by_the_hour() -> None:
        pass

    names = ("tidy_by_the_hour", "count_by_the_hour")
    return {name: SCHEDULES.pop(name) for name in names}


@pytest.fixture
def hourly(made: dict[str, Schedule], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(SCHEDULES, "tidy_by_the_hour", made["tidy_by_the_hour"])
    return "tidy_by_the_hour"


@pytest.fixture
def alone(made: dict[str, Schedule], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(SCHEDULES, "count_by_the_hour", made["count_by_the_hour"])
    return "count_by_the_hour"


def kept(records: Records) -> StoredSchedule:
    [found] = records.schedules.all()
    return found


def settled(records: Records, name: str) -> int:
    """Return up to when a schedule's times are settled, in microseconds."""
    return int(records.client.hget(records.keys.schedule(name), "settled") or 0)


def put_back(records: Records, name: str, hours: int) -> None:
    """Have a schedule's times be settled up to some hours ago."""
    back = settled(records, name) - hours * HOUR
    records.client.hset(records.keys.schedule(name), "settled", back)


def tasks_in(records: Records) -> list[str]:
    return [key.rpartition(":")[2] for key in records.client.keys("headway:task:*")]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("every", "cron", "after", "wanted"),
    [
        ("90s", None, "2026-11-29 10:00:00", "2026-11-29 10:01:30"),
        ("15m", None, "2026-11-29 10:15:00", "2026-11-29 10:30:00"),
        ("1h30m", None, "2026-11-29 10:29:59", "2026-11-29 10:30:00"),
        ("1d", None, "2026-11-29 10:00:00", "2026-11-30 00:00:00"),
        (timedelta(hours=2), None, "2026-11-29 10:00:01", "2026-11-29 12:00:00"),
        (None, "30  2 * * *", "2026-11-29 10:00:00", "2026-11-30 01:30:00"),
        (None, "30 2 * * mon-fri", "2026-11-27 10:00:00", "2026-11-30 01:30:00"),
        (None, "*/15 * * * *", "2026-11-29 10:00:01", "2026-11-29 10:15:00"),
        (None, "0 0 29 2 *", "2026-11-29 10:00:00", "2028-02-28 23:00:00"),
    ],
)
def test_the_next_time_is_the_same_for_everybody(
    every: str | timedelta | None, cron: str | None, after: str, wanted: str
):
    rule = rule_of(every, cron)

    assert rule is not None
    assert rule.next_after(utc(after), BERLIN) == utc(wanted)


@pytest.mark.parametrize("hours", range(-3, 4))
@pytest.mark.parametrize("change", ["2026-03-29", "2026-10-25"])
def test_a_day_has_one_run_where_the_clock_is_changed(change: str, hours: int):
    rule = rule_of(None, f"30 {(2 + hours) % 24} * * *")
    assert rule is not None
    day = Schedule("x", "x", "celery", rule)

    noon = utc(f"{change} 12:00:00")
    _, count = day.missed(noon - timedelta(days=3), noon + timedelta(days=4), BERLIN)

    assert count == 7


@pytest.mark.parametrize(
    ("cron", "zone", "begin", "wanted"),
    [
        (
            "*/20 * * * *",
            "Europe/Berlin",
            "2026-10-25T02:30+02:00",
            "02:40 02:00 02:20 02:40",
        ),
        ("*/20 * * * *", "Europe/Berlin", "2026-03-29T01:30+01:00", "01:40 03:00 03:20 03:40"),
        ("30 * * * *", "America/New_York", "2026-11-01T00:40-04:00", "01:30 01:30 02:30 03:30"),
        ("30 * * * *", "America/New_York", "2026-03-08T00:40-05:00", "01:30 03:30 04:30"),
        (
            "*/15 * * * *",
            "Australia/Lord_Howe",
            "2026-04-05T01:35+11:00",
            "01:45 01:30 01:45",
        ),
        ("*/15 * * * *", "Australia/Lord_Howe", "2026-10-04T01:35+10:30", "01:45 02:30 02:45"),
        ("0 * 25 10 *", "Europe/Berlin", "2026-10-25T01:30+02:00", "02:00 02:00 03:00"),
        ("0 * 1 7 *", "Europe/Berlin", "2026-02-01T00:30+01:00", "00:00 01:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T02:00+02:00", "02:30 02:30"),  # the day after
    ],
)
def test_a_rule_for_every_hour_runs_in_the_hour_that_comes_twice_too(
    cron: str, zone: str, begin: str, wanted: str
):
    rule = rule_of(None, cron)
    assert rule is not None
    where = ZoneInfo(zone)
    due = datetime.fromisoformat(begin)

    seen = []
    for _ in wanted.split():
        due = rule.next_after(due, where)
        seen.append(f"{due.astimezone(where):%H:%M}")

    assert seen == wanted.split()


@pytest.mark.parametrize(
    ("every", "cron", "why"),
    [
        ("", None, "no interval"),
        ("soon", None, "no interval"),
        ("0s", None, "no interval"),
        ("1.5h", None, "no interval"),
        ("400d", None, "no interval"),
        (timedelta(milliseconds=1500), None, "no interval"),
        (None, "", "not five fields"),
        (None, "@daily", "not five fields"),
        (None, "61 * * * *", "never comes"),
        (None, "0 0 31 2 *", "never comes"),
        (None, "a b c d e", "never comes"),
        ("1h", "0 * * * *", "not by both"),
    ],
)
def test_what_is_no_schedule_is_refused(every: str | None, cron: str | None, why: str):
    with pytest.raises(ValueError, match=why):
        rule_of(every, cron)


def test_a_task_that_needs_arguments_cannot_run_by_itself():
    with pytest.raises(TypeError, match="month needs a default"):

        @task("Report", every="1d")
        def needy(month: str) -> None:
            pass

    assert "needy" not in SCHEDULES
    TASK_TYPES.pop("needy", None)


def test_a_new_schedule_waits_for_its_first_time(celery: Celery, records: Records, hourly: str):
    Scheduler(celery.backend).start_due()

    found = kept(records)
    assert tasks_in(records) == []
    assert (found.name, found.title, found.rule) == (hourly, "Tidy up", "every 1 h")
    assert found.seen < found.next <= found.seen + HOUR
    assert settled(records, hourly) == found.seen


def test_each_time_has_one_run_whatever_number_of_workers(
    celery: Celery, records: Records, hourly: str
):
    Scheduler(celery.backend).start_due()
    put_back(records, hourly, 1)
    workers = [Scheduler(celery.backend) for _ in range(20)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(Scheduler.start_due, workers))

    [task_id] = tasks_in(records)
    snapshot = read(records, task_id)
    assert (snapshot.name, snapshot.title) == (hourly, "Tidy up")
    assert (records.client.llen("celery"), snapshot.phase) == (1, "queued")
    assert (kept(records).task_id, kept(records).missed) == (task_id, 0)


def test_what_was_missed_is_made_up_for_once_and_told(
    celery: Celery, records: Records, hourly: str, caplog: pytest.LogCaptureFixture
):
    Scheduler(celery.backend).start_due()
    put_back(records, hourly, 5)

    with caplog.at_level(logging.WARNING):
        Scheduler(celery.backend).start_due()
        Scheduler(celery.backend).start_due()

    assert len(tasks_in(records)) == 1
    assert kept(records).missed == 4
    assert "was due 4 times before" in caplog.text


def test_a_time_passes_while_a_unique_run_is_open(celery: Celery, records: Records, alone: str):
    def come_again() -> None:
        put_back(records, alone, 1)
        records.client.delete(*records.client.keys("headway:once:*"))  # as if at another time
        Scheduler(celery.backend).start_due()

    Scheduler(celery.backend).start_due()
    put_back(records, alone, 1)
    Scheduler(celery.backend).start_due()
    [first] = tasks_in(records)
    ran_at = kept(records).ran_at
    come_again()
    assert tasks_in(records) == [first]
    assert kept(records).ran_at == ran_at, "a time that passes is no run"

    records.cancel(first)
    come_again()

    assert len(tasks_in(records)) == 2
    assert kept(records).task_id != first


def test_a_year_without_workers_is_made_up_for_once(celery: Celery, records: Records, hourly: str):
    Scheduler(celery.backend).start_due()
    put_back(records, hourly, 24 * 366)

    for _ in range(3):
        Scheduler(celery.backend).start_due()

    assert len(tasks_in(records)) == 1
    assert kept(records).missed == MAX_MISSED - 1


def test_a_paused_schedule_runs_nothing_and_makes_up_for_nothing(
    celery: Celery, records: Records, hourly: str
):
    Scheduler(celery.backend).start_due()
    assert records.schedules.pause(hourly, is_paused=True)
    put_back(records, hourly, 3)

    Scheduler(celery.backend).start_due()
    records.schedules.pause(hourly, is_paused=False)
    Scheduler(celery.backend).start_due()

    assert tasks_in(records) == []
    assert not kept(records).is_paused


def die(*_: object) -> bool:
    raise RedisUnavailable("gone")


def test_a_worker_that_dies_between_its_start_and_its_note_costs_no_second_run(
    celery: Celery, records: Records, hourly: str, monkeypatch: pytest.MonkeyPatch
):
    Scheduler(celery.backend).start_due()
    put_back(records, hourly, 1)
    with monkeypatch.context() as patch:
        patch.setattr(ScheduleRecords, "settle", die)
        with pytest.raises(RedisUnavailable):
            Scheduler(celery.backend).start_due()

    Scheduler(celery.backend).start_due()

    assert kept(records).task_id in tasks_in(records)
    assert len(tasks_in(records)) == 1


def test_the_time_after_such_a_death_has_a_run_of_its_own(
    celery: Celery, records: Records, hourly: str, monkeypatch: pytest.MonkeyPatch
):
    clock = celery.backend.records.clock
    looks = iter([clock.now() - HOUR])
    now = clock.now
    Scheduler(celery.backend).start_due()
    put_back(records, hourly, 2)
    with monkeypatch.context() as patch:
        patch.setattr(ScheduleRecords, "settle", die)
        patch.setattr(clock, "now", lambda: next(looks, None) or now())
        with pytest.raises(RedisUnavailable):
            Scheduler(celery.backend).start_due()

    Scheduler(celery.backend).start_due()

    assert len(tasks_in(records)) == 2


def test_a_note_that_comes_late_changes_nothing(celery: Celery, records: Records, hourly: str):
    Scheduler(celery.backend).start_due()
    before = settled(records, hourly)

    assert records.schedules.settle(hourly, before, before + 2, "first", 0)
    assert not records.schedules.settle(hourly, before, before + 1, "late", 9)

    assert (settled(records, hourly), kept(records).task_id) == (before + 2, "first")


@pytest.mark.parametrize("field", ["settled", "next", "seen", "ran_at", "missed", "task_id"])
@pytest.mark.parametrize("junk", ["", "x", "-1", "nan", "1e9", "9" * 400])
def test_junk_in_a_schedule_stops_nothing(
    celery: Celery, records: Records, hourly: str, field: str, junk: str
):
    Scheduler(celery.backend).start_due()
    records.client.hset(records.keys.schedule(hourly), field, junk)

    Scheduler(celery.backend).start_due()

    assert kept(records).name == hourly
    assert tasks_in(records) == []


@pytest.mark.parametrize("name", ["schedules", "schedule:tidy_by_the_hour"])
def test_a_key_of_another_type_begins_afresh(
    celery: Celery, records: Records, hourly: str, name: str
):
    records.client.rpush(records.keys.shared(name), "junk")
    assert records.schedules.all() == []
    assert not records.schedules.pause(hourly, is_paused=True)

    Scheduler(celery.backend).start_due()

    assert kept(records).name == hourly


def test_a_schedule_that_fails_keeps_no_other_from_its_time(
    celery: Celery, records: Records, hourly: str, monkeypatch: pytest.MonkeyPatch
):
    class Broken:
        text = "never"

        def next_after(self, moment: datetime, zone: object) -> datetime:
            raise ArithmeticError

    broken = Schedule("broken", "Broken", "celery", Broken())
    monkeypatch.setattr(
        "headway.celery.worker.scheduler.SCHEDULES", {"broken": broken, **SCHEDULES}
    )
    Scheduler(celery.backend).start_due()
    put_back(records, hourly, 1)

    Scheduler(celery.backend).start_due()

    assert len(tasks_in(records)) == 1


def test_a_worker_looks_again_when_the_next_is_due(
    celery: Celery, records: Records, hourly: str, monkeypatch: pytest.MonkeyPatch
):
    scheduler = Scheduler(celery.backend)
    scheduler.start_due()
    put_back(records, hourly, 1)

    scheduler.start_due()  # it looked a moment ago
    assert tasks_in(records) == []

    later = time.monotonic() + 3601
    monkeypatch.setattr(time, "monotonic", lambda: later)
    scheduler.start_due()
    assert len(tasks_in(records)) == 1
