"""What a record shows and how long it is kept, script by script, against a real Valkey."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from headway.snapshot import FINAL, Phase
from headway.store.errors import ReadOnly, RedisUnavailable
from headway.store.functions import shared_source
from headway.store.model import AlreadyUsed, Delivery, StateWrite
from headway.store.records import Records
from tests.by_records import FIRST, MESSAGE, NAMES, SECOND, claim, due, lapse, read, start, write
from tests.processes import Valkey


def test_a_new_task_is_queued_and_waits_behind_those_before_it(records: Records):
    first = start(records)
    second = start(records)

    one = read(records, first)
    two = read(records, second)

    assert (one.phase, one.state, one.current, one.total, one.status) == (
        "queued",
        "PENDING",
        0,
        1,
        "Pending...",
    )
    assert (one.queue_position, two.queue_position) == (0, 1)
    assert one.created_at.endswith("Z")
    assert len(one.created_at) == len("2026-11-22T08:00:00.000Z")
    assert one.attempt == 0


def test_times_are_redis_time_in_rfc_3339(records: Records):
    from datetime import UTC, datetime

    before = records.clock.now() // 1000
    snapshot = read(records, start(records))

    created = datetime.fromisoformat(snapshot.created_at)
    assert created.tzinfo == UTC
    assert before <= created.timestamp() * 1000 <= before + 5000


@pytest.mark.parametrize(
    "moment",
    [0, 951_782_400, 951_868_799, 1_709_164_800, 1_735_689_599, 4_107_542_399, 1_764_547_200],
)
def test_stamps_agree_with_pythons_calendar(records: Records, moment: int):
    from datetime import UTC, datetime

    source = f"{shared_source()}return format_time({moment} * 1000000 + 123456)"

    text = records.client.eval(source, 0)

    assert json.loads(text) == datetime.fromtimestamp(moment, UTC).strftime(
        "%Y-%m-%dT%H:%M:%S.123Z"
    )


@pytest.mark.parametrize("final", sorted(FINAL))
@pytest.mark.parametrize("late", sorted(Phase))
def test_a_final_state_is_final(records: Records, final: Phase, late: Phase):
    task_id = start(records)
    claim(records, task_id, FIRST)
    assert write(records, task_id, FIRST, final, status="the end")
    before = read(records, task_id)

    for delivery in (FIRST, SECOND, Delivery("retry", 1), Delivery()):
        assert not write(records, task_id, delivery, late, status="too late")
        assert claim(records, task_id, delivery) == "final"

    assert read(records, task_id) == before


def test_versions_grow_with_each_write_and_never_fall_behind_the_clock(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    versions = [read(records, task_id).version]

    for done in range(50):
        write(records, task_id, FIRST, Phase.RUNNING, current=done, total=50)
        versions.append(read(records, task_id).version)

    assert all(later > earlier for earlier, later in itertools.pairwise(versions))
    records.forget(task_id)
    write(records, task_id, Delivery(), Phase.RUNNING, current=1, total=2)
    assert read(records, task_id).version > versions[-1]


def test_a_version_grows_even_when_the_clock_falls_back(records: Records):
    task_id = start(records)
    ahead = records.clock.now() + 10**12
    records.client.hset(f"headway:task:{task_id}", "version", ahead)

    claim(records, task_id, FIRST)

    assert read(records, task_id).version == ahead + 1


def test_a_write_whose_reply_was_lost_is_told_again_that_it_was_stored(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    arguments = (task_id, FIRST, Phase.FAILED, {"status": "x"})

    first = records.runs.write(StateWrite(*arguments, meta="{}", **NAMES, write_id="w1"))
    version = read(records, task_id).version
    again = records.runs.write(StateWrite(*arguments, meta="{}", **NAMES, write_id="w1"))
    other = records.runs.write(StateWrite(*arguments, meta="{}", **NAMES, write_id="w2"))

    assert (first, again, other) == ("written", "written", "final")
    assert read(records, task_id).version == version


def test_the_bar_never_goes_back_within_an_attempt(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)

    write(records, task_id, FIRST, Phase.RUNNING, current=5, total=10, status="five")
    write(records, task_id, FIRST, Phase.RUNNING, current=3, total=10, status="three")
    write(records, task_id, FIRST, Phase.RUNNING, current=6, total=1000, status="more")

    snapshot = read(records, task_id)
    assert (snapshot.current, snapshot.total, snapshot.status) == (5, 10, "more")


def test_the_next_attempt_begins_at_nought(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    write(records, task_id, FIRST, Phase.RUNNING, current=5, total=10)
    claim(records, task_id, Delivery("retry", 1))

    assert write(records, task_id, Delivery("retry", 1), Phase.RUNNING, current=1, total=10)
    assert read(records, task_id).current == 1


@pytest.mark.parametrize(
    ("reported", "shown"),
    [
        ({}, (1, 1)),
        ({"current": 3, "total": 10}, (10, 10)),
        ({"current": 3, "total": None}, (3, 3)),
    ],
)
def test_success_shows_a_full_bar(records: Records, reported, shown):
    task_id = start(records)
    claim(records, task_id, FIRST)
    if reported:
        write(records, task_id, FIRST, Phase.RUNNING, **reported)

    write(records, task_id, FIRST, Phase.SUCCEEDED, result=[])

    snapshot = read(records, task_id)
    assert (snapshot.current, snapshot.total) == shown
    assert snapshot.result == []
    assert snapshot.finished_at is not None


@pytest.mark.parametrize("final", [Phase.FAILED, Phase.CANCELLED])
def test_an_end_without_success_keeps_the_last_numbers(records: Records, final: Phase):
    task_id = start(records)
    claim(records, task_id, FIRST)
    write(records, task_id, FIRST, Phase.RUNNING, current=3, total=10)

    write(records, task_id, FIRST, final)

    assert (read(records, task_id).current, read(records, task_id).total) == (3, 10)


def test_one_key_of_one_owner_is_one_task(records: Records):
    first = start(records, key="k")

    assert start(records, key="k") == first
    assert start(records, key="k", owner="bob") != first
    assert start(records, key="other") != first
    with pytest.raises(AlreadyUsed):
        start(records, key="k", kwargs={"other": "body"})


def test_a_start_that_redis_saw_too_late_is_refused(
    records: Records, monkeypatch: pytest.MonkeyPatch
):
    from headway.store.model import TooLate

    monkeypatch.setattr(records.clock, "now", lambda: int(records.client.time()[0] * 1e6 - 60e6))

    with pytest.raises(TooLate):
        start(records)

    assert records.client.keys("headway:*") == []


def test_a_start_begins_though_redis_clock_was_put_forward(records: Records):
    start(records)
    asked, ahead = records.clock._reading
    records.clock._reading = asked, ahead - 3600 * 1_000_000  # what was seen of the clock before

    assert read(records, start(records)).phase == "queued"


def test_a_message_is_put_down_with_its_record_or_not_at_all(records: Records):
    task_id = start(records, encoded="the message", key="once")
    with pytest.raises(AlreadyUsed):
        start(records, encoded="another", key="once", kwargs={"other": 1})

    assert records.client.lrange("celery", 0, -1) == ["the message"]
    assert records.client.zscore("headway:outbox", task_id) is None
    assert start(records, encoded="the message", key="once") == task_id
    assert records.client.llen("celery") == 1


def test_everything_that_names_a_task_lives_until_a_week_after_its_end(records: Records):
    task_id = start(records, key="k")
    claim(records, task_id, FIRST)
    records.output.log(task_id, FIRST, [("INFO", "line")])
    week = 7 * 24 * 3600 * 1000
    unended = 90 * 24 * 3600 * 1000
    keys = [f"headway:task:{task_id}", f"celery-task-meta-{task_id}", f"headway:log:{task_id}"]

    for key in keys:
        assert week + unended - 60_000 < records.client.pttl(key) <= week + unended, key
    for key in ("headway:owner:ada", "headway:index:ada"):  # which may last an hour longer
        left = records.client.pttl(key)
        assert week + unended - 60_000 < left <= week + unended + 3600_000, key
    write(records, task_id, FIRST, Phase.SUCCEEDED)
    for key in keys:
        assert week - 60_000 < records.client.pttl(key) <= week, key
    [once] = records.client.keys("headway:once:*")
    assert records.client.pttl(once) > 0


def test_a_list_lives_as_long_as_the_newest_of_its_tasks(records: Records):
    start(records)
    lists = ["headway:owner:ada", "headway:index:ada", "headway:phase:queued:ada"]
    for key in lists:
        records.client.pexpire(key, 60_000)

    task_id = start(records)

    left = records.client.pttl(f"headway:task:{task_id}")
    assert all(records.client.pttl(key) >= left for key in lists)


def test_a_task_for_later_lives_a_week_after_its_time(records: Records):
    month = 30 * 86400

    task_id = start(records, when=f"+{month * 1_000_000}")

    assert records.client.pttl(f"headway:task:{task_id}") > month * 1000
    assert read(records, task_id).phase == "scheduled"


def test_a_successor_that_waits_long_keeps_its_record_whatever_is_said_meanwhile(records: Records):
    task_id = start(records)
    month = 30 * 86400
    record = f"headway:task:{task_id}"
    claim(records, task_id, FIRST)
    assert (
        records.outbox.defer(
            task_id, 1, message=MESSAGE, max_attempts=4, when=f"+{month * 1_000_000}", run=FIRST
        )
        == "deferred"
    )

    records.client.hset(record, "ttl_refreshed_at", 0)  # as after an hour
    write(records, task_id, FIRST, Phase.RUNNING, current=1, total=2)
    assert records.client.pttl(record) > month * 1000

    write(records, task_id, FIRST, Phase.FAILED, status="the end")
    assert records.client.pttl(record) <= records.ttl


def test_the_outbox_holds_a_task_until_it_is_sent(records: Records):
    now = start(records)
    later = start(records, when="+60000000")
    assert due(records) == []

    records.client.zadd("headway:outbox", {now: 1, later: 1})
    swept = dict(records.maintenance.sweep("leader").due)

    assert swept.keys() == {now, later}
    assert swept[now] == MESSAGE
    assert read(records, later).phase == "queued"
    assert due(records) == []  # put off, for whoever took them is sending
    records.outbox.mark_published(now)
    assert records.client.zscore("headway:outbox", now) is None
    claim(records, later, FIRST)
    assert records.client.zscore("headway:outbox", later) is None


def test_an_owners_list_has_all_and_only_theirs_newest_first(records: Records):
    mine = [start(records) for _ in range(7)]
    start(records, owner="bob")

    first, cursor = records.lists.page("ada", 3)
    assert cursor is not None
    second, cursor = records.lists.page("ada", 3, cursor=cursor)
    assert cursor is not None
    third, end = records.lists.page("ada", 3, cursor=cursor)

    ids = [json.loads(snapshot)["task_id"] for snapshot in first + second + third]
    assert ids == mine[::-1]
    assert end is None


def test_a_list_can_be_of_some_phases_and_forgets_what_expired(records: Records):
    done = start(records)
    gone = start(records)
    waiting = start(records)
    claim(records, done, FIRST)
    write(records, done, FIRST, Phase.SUCCEEDED, result=1)
    records.forget(gone)

    page, _ = records.lists.page("ada", 10, [Phase.SUCCEEDED, Phase.FAILED])
    everything, _ = records.lists.page("ada", 10)

    assert [json.loads(snapshot)["task_id"] for snapshot in page] == [done]
    assert {json.loads(snapshot)["task_id"] for snapshot in everything} == {done, waiting}
    assert records.client.zscore("headway:owner:ada", gone) is None


def test_a_log_numbers_its_lines_and_keeps_the_newest(
    records: Records, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("headway.store.output.LOG_LINES", 3)
    task_id = start(records)
    claim(records, task_id, FIRST)

    for number in range(1, 6):
        assert records.output.log(task_id, FIRST, [("INFO", f'line "{number}"')])

    tail = records.queries.read_log(task_id, 0)
    assert [(line["seq"], line["text"]) for line in tail["lines"]] == [
        (3, 'line "3"'),
        (4, 'line "4"'),
        (5, 'line "5"'),
    ]
    assert (tail["first_seq"], tail["last_seq"]) == (3, 5)
    assert [line["seq"] for line in records.queries.read_log(task_id, 4)["lines"]] == [5]
    assert records.queries.read_log(task_id, 5) == {"lines": [], "first_seq": 3, "last_seq": 5}
    assert not records.output.log(task_id, SECOND, [("INFO", "a stranger")])


def test_each_write_is_published_to_the_task_and_to_its_owner_and_to_celery(records: Records):
    task_id = start(records)
    listener = records.client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(
        f"flask-socketio:task:{task_id}", "flask-socketio:owner:ada", f"celery-task-meta-{task_id}"
    )
    for _ in range(3):
        listener.get_message(timeout=20)

    claim(records, task_id, FIRST)

    messages = [listener.get_message(timeout=20) for _ in range(3)]
    heard = {message["channel"]: json.loads(message["data"]) for message in messages if message}
    current = json.loads(records.read([task_id])[0].snapshot)
    assert heard[f"flask-socketio:task:{task_id}"] == ["snapshot", current]
    assert heard["flask-socketio:owner:ada"] == ["snapshot", current]
    assert heard[f"celery-task-meta-{task_id}"]["status"] == "STARTED"
    listener.close()


def test_workers_are_counted_while_they_say_that_they_are_there(records: Records):
    start(records)
    records.maintenance.heartbeat("one@here", 4, [], [])
    records.maintenance.heartbeat("two@here", 2, [], [])
    assert {key: records.queries.overview()[key] for key in ("workers", "slots", "queued")} == {
        "workers": 2,
        "slots": 6,
        "queued": 1,
    }

    records.maintenance.deregister("one@here", 4)
    records.client.zadd("headway:workers", {"two@here 2": 1})

    assert records.queries.overview()["workers"] == 0


def test_a_hung_redis_holds_up_a_report_for_a_second_at_most(
    redis_timeouts: list[object], records: Records, valkey: Valkey
):
    task_id = start(records)
    claim(records, task_id, FIRST)
    valkey.freeze()
    try:
        for attempt in (1, 2):  # on the open connection, and on a new one
            with pytest.raises(RedisUnavailable):
                write(records, task_id, FIRST, Phase.RUNNING, current=1, total=2)
            assert len(redis_timeouts) == attempt
    finally:
        valkey.thaw()

    assert write(records, task_id, FIRST, Phase.RUNNING, current=1, total=2)


def test_a_full_redis_takes_no_new_task_and_lets_what_has_begun_go_on(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    records.client.config_set("maxmemory", 1)
    try:
        with pytest.raises(ReadOnly):
            start(records)
        assert write(records, task_id, FIRST, Phase.RUNNING, current=1, total=2)
        assert write(records, task_id, FIRST, Phase.SUCCEEDED, result=1)
    finally:
        records.client.config_set("maxmemory", 0)

    assert [json.loads(snapshot)["task_id"] for snapshot in records.lists.page("ada", 10)[0]] == [
        task_id
    ]
    start(records)


def test_a_message_that_came_by_an_exchange_is_never_suspected(records: Records):
    task_id = "by-an-exchange"
    message = MESSAGE | {"options": {"exchange": "reports", "routing_key": "reports.monthly"}}
    assert (
        records.runs.claim(task_id, FIRST, "run", message=message, max_attempts=4, hostname="here")
        == "claimed"
    )
    lapse(records, task_id)

    assert due(records) == [task_id]
    records.outbox.mark_published(task_id)
    assert records.maintenance.unconfirmed() == {}


def test_a_record_that_an_earlier_version_has_kept_is_read_and_written_as_any(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    before = read(records, task_id)
    records.client.hdel(f"headway:task:{task_id}", "static")

    assert read(records, task_id) == before
    assert write(records, task_id, FIRST, Phase.RUNNING, current=1, total=2)
    assert (read(records, task_id).current, read(records, task_id).title) == (1, before.title)


def test_an_ended_record_takes_no_room_that_its_run_needed(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    assert write(records, task_id, FIRST, Phase.RUNNING, current=1, total=2)
    assert write(records, task_id, FIRST, Phase.SUCCEEDED, result=42)
    record = f"headway:task:{task_id}"

    client = records.client
    fresh = f"headway:copy:{task_id}"
    client.hset(fresh, mapping=client.hgetall(record))
    client.pexpire(fresh, 1000)

    assert client.memory_usage(record, samples=0) <= client.memory_usage(fresh, samples=0)
    assert client.pttl(record) > 1000
    left = {"owner", "version", "phase", "total", "static", "message", "history", "fence"}
    assert set(client.hkeys(record)) == left


@pytest.mark.parametrize(
    ("phase", "changes"),
    [
        (Phase.SUCCEEDED, {"result": {"result": [None, '"result":', ""]}, "total": 3}),
        (Phase.SUCCEEDED, {"result": None, "status": "Done"}),
        (Phase.FAILED, {"error": {"type": "ValueError", "message": '"error":null,"attempt":'}}),
        (Phase.FAILED, {"error": {"type": "ValueError", "message": ""}, "current": 1, "total": 2}),
        (Phase.CANCELLED, {"status": "Cancelled"}),
    ],
)
@pytest.mark.parametrize("title", ["Report", '"finished_at":null,"files":'])
def test_an_ended_record_is_read_as_its_end_was_pushed(
    records: Records, phase: Phase, changes: dict[str, Any], title: str
):
    task_id = start(records, title=title)
    claim(records, task_id, FIRST)
    pushes = records.client.pubsub()
    pushes.subscribe(f"flask-socketio:task:{task_id}")
    assert pushes.get_message(timeout=10)

    assert write(records, task_id, FIRST, phase, **changes)

    message = pushes.get_message(timeout=10)
    pushes.close()
    assert message is not None
    [stored] = records.read([task_id])
    assert stored is not None
    assert json.loads(stored.snapshot) == json.loads(message["data"])[1]
