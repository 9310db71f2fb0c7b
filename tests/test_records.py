"""The record's promises, script by script, against a real Valkey."""

from __future__ import annotations

import itertools
import json

import pytest

from app.records import AlreadyUsed, Delivery, Records, celery_meta
from app.snapshot import FINAL, Phase, Snapshot

NAMES = {"name": "long_task", "max_attempts": 4}
FIRST, SECOND = Delivery("first", 0), Delivery("second", 0)


def start(records: Records, **options) -> str:
    message = {"name": "long_task", "args": [], "kwargs": options.pop("kwargs", {}), "queue": "celery"}
    started = records.create(**{"owner": "ada", "message": message, "title": "Long task", "max_attempts": 4} | options)
    return started.task_id


def read(records: Records, task_id: str) -> Snapshot:
    [stored] = records.read([task_id])
    assert stored is not None
    return Snapshot.from_json(stored.snapshot)


def claim(records: Records, task_id: str, delivery: Delivery) -> str:
    return records.claim(task_id, delivery, **NAMES, hostname="here")


def write(records: Records, task_id: str, delivery: Delivery, phase: Phase, **fields) -> bool:
    return records.write(task_id, delivery, phase, fields, meta=celery_meta(task_id, "X"), **NAMES)


def test_a_new_task_is_queued_and_waits_behind_those_before_it(records: Records):
    first, second = start(records), start(records)

    one, two = read(records, first), read(records, second)

    assert (one.phase, one.state, one.current, one.total, one.status) == ("queued", "PENDING", 0, 1, "Pending...")
    assert (one.queue_position, two.queue_position) == (0, 1)
    assert one.created_at.endswith("Z")
    assert len(one.created_at) == len("2026-11-22T08:00:00.000Z")
    assert one.attempt == 0


def test_times_are_redis_time_in_rfc_3339(records: Records):
    from datetime import UTC, datetime

    before = records.now() // 1000
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

    head = (__import__("app.records").records.SCRIPTS / "record.lua").read_text()

    text = records.client.eval(head + f"return stamp({moment} * 1000000 + 123456)", 0)

    assert json.loads(text) == datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.123Z")


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
    ahead = records.now() + 10**12
    records.client.hset(f"headway:task:{task_id}", "version", ahead)

    claim(records, task_id, FIRST)

    assert read(records, task_id).version == ahead + 1


def test_of_two_deliveries_of_one_task_one_runs(records: Records):
    task_id = start(records)

    verdicts = [claim(records, task_id, FIRST), claim(records, task_id, SECOND)]

    assert verdicts == ["claimed", "running"]
    assert read(records, task_id).attempt == 1


def test_a_delivery_may_take_over_when_the_lease_has_run_out(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    records.client.zadd("headway:leases", {task_id: records.now() - 1})

    assert claim(records, task_id, SECOND) == "claimed"

    assert read(records, task_id).attempt == 2
    assert not write(records, task_id, FIRST, Phase.RUNNING, current=9, total=10)
    assert not write(records, task_id, FIRST, Phase.SUCCEEDED, result=1)
    assert write(records, task_id, SECOND, Phase.SUCCEEDED, result=2)


def test_a_dropped_delivery_is_made_good_if_the_holder_is_lost(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    assert claim(records, task_id, SECOND) == "running"
    assert records.due() == []

    records.client.zadd("headway:outbox", {task_id: 1})
    assert records.due() == []  # its holder lives
    records.release([(task_id, "first")])
    records.client.zadd("headway:outbox", {task_id: 1})

    assert [due for due, _ in records.due()] == [task_id]
    assert claim(records, task_id, Delivery("third", 0)) == "claimed"


def test_only_its_holder_gives_a_lease_up(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)

    records.release([(task_id, "second")])

    assert claim(records, task_id, SECOND) == "running"


def test_a_renewed_lease_keeps_others_out_and_only_its_holder_renews(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    records.client.zadd("headway:leases", {task_id: records.now() - 1})

    records.renew([(task_id, "second")])
    assert records.client.zscore("headway:leases", task_id) < records.now()
    records.renew([(task_id, "first")])

    assert claim(records, task_id, SECOND) == "running"


def test_a_retry_supersedes_the_attempt_before_it_whichever_is_stored_first(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)

    assert claim(records, task_id, Delivery("retry", 1)) == "claimed"

    assert not write(records, task_id, FIRST, Phase.RETRYING, error={"type": "E", "message": "late"})
    assert not write(records, task_id, FIRST, Phase.FAILED)
    assert claim(records, task_id, SECOND) == "stale"
    assert read(records, task_id).phase == "running"
    assert read(records, task_id).attempt == 2


def test_after_a_retry_the_old_attempt_is_out_and_the_next_may_claim(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    assert write(records, task_id, FIRST, Phase.RETRYING, error={"type": "E", "message": "m"}, current=0, total=1)
    waiting = read(records, task_id)

    assert (waiting.phase, waiting.state, waiting.error) == ("retrying", "PENDING", {"type": "E", "message": "m"})
    for late in (FIRST, SECOND):
        assert not write(records, task_id, late, Phase.RUNNING, current=5, total=6)
        assert not write(records, task_id, late, Phase.CANCELLED)
    assert claim(records, task_id, Delivery("again", 1)) == "claimed"
    assert read(records, task_id).error is None


def test_a_write_whose_reply_was_lost_is_told_again_that_it_was_stored(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    arguments = (task_id, FIRST, Phase.FAILED, {"status": "x"})

    first = records.write(*arguments, meta="{}", **NAMES, write_id="w1")
    version = read(records, task_id).version
    again = records.write(*arguments, meta="{}", **NAMES, write_id="w1")
    other = records.write(*arguments, meta="{}", **NAMES, write_id="w2")

    assert (first, again, other) == (True, True, False)
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
    [({}, (1, 1)), ({"current": 3, "total": 10}, (10, 10)), ({"current": 3, "total": None}, (3, 3))],
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


def test_a_start_that_redis_saw_too_late_is_refused(records: Records, monkeypatch: pytest.MonkeyPatch):
    from app.records import TooLate

    monkeypatch.setattr(records, "now", lambda: int(records.client.time()[0] * 1e6 - 60e6))

    with pytest.raises(TooLate):
        start(records)

    assert records.client.keys("headway:*") == []


def test_everything_that_names_a_task_has_a_time_to_live(records: Records):
    task_id = start(records, key="k")
    claim(records, task_id, FIRST)
    records.log(task_id, FIRST, [("INFO", "line")])
    week = 7 * 24 * 3600 * 1000

    for key in (
        f"headway:task:{task_id}",
        f"celery-task-meta-{task_id}",
        f"headway:log:{task_id}",
        "headway:owner:ada",
    ):
        assert week - 60_000 < records.client.pttl(key) <= week, key
    [once] = records.client.keys("headway:once:*")
    assert records.client.pttl(once) > 0


def test_a_task_for_later_lives_a_week_after_its_time(records: Records):
    month = 30 * 86400

    task_id = start(records, when=f"+{month * 1_000_000}")

    assert records.client.pttl(f"headway:task:{task_id}") > month * 1000
    assert read(records, task_id).phase == "scheduled"


def test_the_outbox_holds_a_task_until_it_is_sent(records: Records):
    now, later = start(records), start(records, when="+60000000")
    assert records.due() == []

    records.client.zadd("headway:outbox", {now: 1, later: 1})
    due = dict(records.due())

    assert due.keys() == {now, later}
    assert due[now]["name"] == "long_task"
    assert read(records, later).phase == "queued"
    assert records.due() == []  # put off, for whoever took them is sending
    records.sent(now)
    assert records.client.zscore("headway:outbox", now) is None
    claim(records, later, FIRST)
    assert records.client.zscore("headway:outbox", later) is None


def test_an_owners_list_has_all_and_only_theirs_newest_first(records: Records):
    mine = [start(records) for _ in range(7)]
    start(records, owner="bob")

    first, cursor = records.owned("ada", 3)
    assert cursor is not None
    second, cursor = records.owned("ada", 3, cursor=cursor)
    assert cursor is not None
    third, end = records.owned("ada", 3, cursor=cursor)

    ids = [json.loads(snapshot)["task_id"] for snapshot in first + second + third]
    assert ids == mine[::-1]
    assert end is None


def test_a_list_can_be_of_some_phases_and_forgets_what_expired(records: Records):
    done, gone, waiting = start(records), start(records), start(records)
    claim(records, done, FIRST)
    write(records, done, FIRST, Phase.SUCCEEDED, result=1)
    records.forget(gone)

    page, _ = records.owned("ada", 10, [Phase.SUCCEEDED, Phase.FAILED])
    everything, _ = records.owned("ada", 10)

    assert [json.loads(snapshot)["task_id"] for snapshot in page] == [done]
    assert {json.loads(snapshot)["task_id"] for snapshot in everything} == {done, waiting}
    assert records.client.zscore("headway:owner:ada", gone) is None


def test_a_log_numbers_its_lines_and_keeps_the_newest(records: Records, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("app.records.LOG_LINES", 3)
    task_id = start(records)
    claim(records, task_id, FIRST)

    for number in range(1, 6):
        assert records.log(task_id, FIRST, [("INFO", f'line "{number}"')])

    tail = records.tail(task_id, 0)
    assert [(line["seq"], line["text"]) for line in tail["lines"]] == [
        (3, 'line "3"'),
        (4, 'line "4"'),
        (5, 'line "5"'),
    ]
    assert (tail["first_seq"], tail["last_seq"]) == (3, 5)
    assert [line["seq"] for line in records.tail(task_id, 4)["lines"]] == [5]
    assert records.tail(task_id, 5) == {"lines": [], "first_seq": 3, "last_seq": 5}
    assert not records.log(task_id, SECOND, [("INFO", "a stranger")])


def test_each_write_is_published_to_the_task_and_to_its_owner_and_to_celery(records: Records):
    task_id = start(records)
    listener = records.client.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(f"flask-socketio:task:{task_id}", "flask-socketio:owner:ada", f"celery-task-meta-{task_id}")
    for _ in range(3):
        listener.get_message(timeout=1)

    claim(records, task_id, FIRST)

    messages = [listener.get_message(timeout=5) for _ in range(3)]
    heard = {message["channel"]: json.loads(message["data"]) for message in messages if message}
    current = json.loads(records.read([task_id])[0].snapshot)
    assert heard[f"flask-socketio:task:{task_id}"] == ["snapshot", current]
    assert heard["flask-socketio:owner:ada"] == ["snapshot", current]
    assert heard[f"celery-task-meta-{task_id}"]["status"] == "STARTED"
    listener.close()


def test_workers_are_counted_while_they_greet(records: Records):
    start(records)
    records.greet("one@here", 4, 10)
    records.greet("two@here", 2, 10)
    assert {key: records.overview()[key] for key in ("workers", "slots", "queued")} == {
        "workers": 2,
        "slots": 6,
        "queued": 1,
    }

    records.greet("one@here", 4, 0)
    records.greet("two@here", 2, -1)

    assert records.overview()["workers"] == 0
