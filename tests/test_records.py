"""The record's promises, script by script, against a real Valkey."""

from __future__ import annotations

import itertools
import json
import time

import pytest

from headway.snapshot import FINAL, Phase, Snapshot
from headway.store.errors import ReadOnly, Unavailable
from headway.store.functions import shared_source
from headway.store.model import STORED, AlreadyUsed, Delivery, StateWrite
from headway.store.records import Records
from tests.processes import Valkey

NAMES = {"name": "long_task", "max_attempts": 4}
MESSAGE = {"task": "long_task", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
FIRST = Delivery("first", 0)
SECOND = Delivery("second", 0)


def start(records: Records, **options) -> str:
    message = MESSAGE | {"kwargs": options.pop("kwargs", {})}
    started = records.create(
        **{"owner": "ada", "message": message, "title": "Long task", "max_attempts": 4} | options
    )
    return started.task_id


def read(records: Records, task_id: str) -> Snapshot:
    [stored] = records.read([task_id])
    assert stored is not None
    return Snapshot.from_json(stored.snapshot)


def claim(records: Records, task_id: str, delivery: Delivery, run: str = "run") -> str:
    return records.runs.claim(
        task_id, delivery, run, message=MESSAGE, max_attempts=4, hostname="here"
    )


def write(records: Records, task_id: str, delivery: Delivery, phase: Phase, **fields) -> bool:
    return (
        records.runs.write(StateWrite(task_id, delivery, phase, fields, meta="{}", **NAMES))
        in STORED
    )


def lapse(records: Records, task_id: str) -> None:
    """Let the time of a lease go by."""
    records.client.zadd("headway:leases", {task_id: records.queries.now() - 1})


def due(records: Records) -> list[str]:
    """Return what a keeper gets to send, as if keepers had done their rounds all the time."""
    records.client.set("headway:last_sweep", records.queries.now())
    records.client.delete("headway:grace")
    return [task_id for task_id, _ in records.maintenance.sweep("keeper").due]


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

    before = records.queries.now() // 1000
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
    ahead = records.queries.now() + 10**12
    records.client.hset(f"headway:task:{task_id}", "version", ahead)

    claim(records, task_id, FIRST)

    assert read(records, task_id).version == ahead + 1


def test_of_two_deliveries_of_one_task_one_runs(records: Records):
    task_id = start(records)

    outcomes = [claim(records, task_id, FIRST), claim(records, task_id, SECOND)]

    assert outcomes == ["claimed", "running"]
    assert read(records, task_id).attempt == 1


def test_a_lost_run_is_queued_again_and_its_late_writes_are_refused(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    write(records, task_id, FIRST, Phase.RUNNING, current=9, total=10)
    assert due(records) == []
    lapse(records, task_id)
    assert claim(records, task_id, SECOND) == "running"  # until a keeper has seen to it

    assert due(records) == [task_id]

    waiting = read(records, task_id)
    assert (waiting.phase, waiting.status, waiting.current, waiting.attempt) == (
        "queued",
        "Worker lost, trying again",
        0,
        1,
    )
    assert not write(records, task_id, FIRST, Phase.RUNNING, current=10, total=10)
    assert not write(records, task_id, FIRST, Phase.SUCCEEDED, result=1)
    assert claim(records, task_id, SECOND) == "claimed"
    assert read(records, task_id).attempt == 2
    assert not write(records, task_id, FIRST, Phase.SUCCEEDED, result=1)
    assert write(records, task_id, SECOND, Phase.SUCCEEDED, result=2)


def test_the_last_attempt_that_is_lost_is_handed_out_to_be_failed(records: Records):
    task_id = start(records, max_attempts=2)
    for number, token in enumerate(("one", "two")):
        delivery = Delivery(token)
        assert (
            records.runs.claim(
                task_id, delivery, "run", message=MESSAGE, max_attempts=2, hostname="h"
            )
            == "claimed"
        )
        lapse(records, task_id)
        records.client.set("headway:last_sweep", records.queries.now())
        duties = records.maintenance.sweep("keeper")
        assert [lost[:2] for lost in duties.lost] == ([(task_id, "two")] if number else [])

    # put off, for whoever took it is storing the failure
    assert records.maintenance.sweep("keeper").lost == []
    assert write(records, task_id, Delivery("two"), Phase.FAILED)


def test_after_nobody_did_the_rounds_workers_get_the_time_to_renew(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    lapse(records, task_id)

    assert records.maintenance.sweep("keeper").due == []  # the first round ever
    assert read(records, task_id).phase == "running"


def test_one_keeper_at_a_time_has_the_office(records: Records):
    task_id = start(records)
    records.client.zadd("headway:outbox", {task_id: 1})

    assert records.maintenance.sweep("one").due != []
    records.client.zadd("headway:outbox", {task_id: 1})
    assert records.maintenance.sweep("two").due == []
    records.client.delete("headway:leader")  # the first one is gone
    assert records.maintenance.sweep("two").due != []


def test_a_worker_that_stops_gives_its_tasks_back_which_is_no_failure(records: Records):
    task_id = start(records, max_attempts=1)
    claim(records, task_id, FIRST)

    records.maintenance.release([(task_id, "second")])
    assert read(records, task_id).phase == "running"
    records.maintenance.release([(task_id, "first")])

    assert (read(records, task_id).phase, read(records, task_id).status) == ("queued", "Pending...")
    assert not write(records, task_id, FIRST, Phase.SUCCEEDED, result=1)
    assert claim(records, task_id, SECOND) == "claimed"


def test_only_its_holder_renews_a_lease_and_none_is_made_anew(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    lapse(records, task_id)

    records.maintenance.heartbeat("worker", 4, [(task_id, "second")], [])
    assert records.client.zscore("headway:leases", task_id) < records.queries.now()
    records.maintenance.heartbeat("worker", 4, [(task_id, "first")], [])
    assert records.client.zscore("headway:leases", task_id) > records.queries.now()

    records.runs.abandon(task_id, FIRST)
    records.maintenance.heartbeat("worker", 4, [(task_id, "first")], [])
    assert records.client.zscore("headway:leases", task_id) is None


def test_a_lost_process_is_told_by_its_parent(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    records.client.set("headway:last_sweep", records.queries.now())

    assert records.runs.mark_lost(task_id, SECOND) == "superseded"
    assert records.runs.mark_lost(task_id, FIRST) == "requeued"
    assert due(records) == [task_id]
    assert records.runs.mark_lost(task_id, FIRST) == "superseded"


def test_without_a_keeper_a_lost_process_is_the_tasks_end(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)

    assert records.runs.mark_lost(task_id, FIRST) == "exhausted"


@pytest.mark.parametrize("when", ["", "+60000000"])
def test_what_has_not_begun_is_cancelled_at_once(records: Records, when: str):
    task_id = start(records, when=when)

    cancelled = records.cancel(task_id)

    assert cancelled.outcome == "cancelled"
    assert read(records, task_id).phase == "cancelled"
    assert json.loads(cancelled.snapshot)["version"] == read(records, task_id).version
    assert claim(records, task_id, FIRST) == "final"
    assert due(records) == []
    assert records.cancel(task_id).outcome == "final"
    assert records.queries.overview()["queued"] == 0


def test_a_run_is_told_that_it_is_cancelled_and_a_true_end_stands(records: Records):
    stops = start(records)
    ends = start(records)
    for task_id in (stops, ends):
        claim(records, task_id, FIRST)
        assert records.cancel(task_id).outcome == records.cancel(task_id).outcome == "cancelling"

    outcome = records.runs.write(
        StateWrite(stops, FIRST, Phase.RUNNING, {"current": 3, "total": 10}, meta="{}", **NAMES)
    )

    assert outcome == "cancelling"
    assert (read(records, stops).phase, read(records, stops).current) == ("cancelling", 3)
    assert write(records, stops, FIRST, Phase.CANCELLED)
    assert write(records, ends, FIRST, Phase.SUCCEEDED, result=1)
    assert (read(records, stops).phase, read(records, ends).phase) == ("cancelled", "succeeded")


@pytest.mark.parametrize("how", ["lapse", "lose", "leave", "retry"])
def test_a_cancelled_run_that_is_lost_stopped_or_retried_ends_as_cancelled(
    records: Records, how: str
):
    task_id = start(records)
    claim(records, task_id, FIRST)
    records.cancel(task_id)
    if how == "lapse":
        lapse(records, task_id)
        assert due(records) == []
    elif how == "lose":
        records.client.set("headway:last_sweep", records.queries.now())
        assert records.runs.mark_lost(task_id, FIRST) == "cancelled"
    elif how == "leave":
        records.maintenance.release([(task_id, "first")])
    else:
        assert (
            records.runs.write(StateWrite(task_id, FIRST, Phase.RETRYING, {}, meta="{}", **NAMES))
            == "cancelled"
        )

    assert read(records, task_id).phase == "cancelled"


def test_a_cancelled_run_that_goes_on_is_killed_when_its_grace_is_over(records: Records):
    patient = start(records)
    soon = start(records)
    claim(records, patient, FIRST)
    claim(records, soon, FIRST)
    records.cancel(patient)
    Records(records.client, ttl_days=7, cancel_grace_seconds=0.0).cancel(soon)

    assert (
        records.maintenance.sweep("one").overdue
        == records.maintenance.sweep("not in office").overdue
        == {soon}
    )


def test_another_time_and_now(records: Records):
    task_id = start(records, when="+60000000")
    before = read(records, task_id)

    later = records.reschedule(task_id, "+120000000")
    assert later.outcome == "scheduled"
    assert json.loads(later.snapshot)["scheduled_for"] > before.scheduled_for
    assert due(records) == []
    assert records.reschedule(task_id, "").outcome == "queued"

    assert due(records) == [task_id]
    assert read(records, task_id).scheduled_for is None
    assert records.reschedule(task_id, "").outcome == "not_waiting"
    assert records.reschedule("nobody", "").outcome == "unknown"


@pytest.mark.parametrize("first", ["the message", "that it retries"])
def test_a_retry_waits_with_its_own_message_whichever_is_stored_first(records: Records, first: str):
    task_id = start(records)
    claim(records, task_id, FIRST)
    successor = MESSAGE | {"options": {"queue": "celery", "retries": 1}}

    if first == "the message":
        assert (
            records.outbox.defer(task_id, 1, message=successor, max_attempts=4, when="", run=FIRST)
            == "parked"
        )
        assert due(records) == []  # before its predecessor has ended
        assert write(records, task_id, FIRST, Phase.RETRYING)
    else:
        assert write(records, task_id, FIRST, Phase.RETRYING)
        assert (
            records.outbox.defer(
                task_id, 1, message=successor, max_attempts=4, when="", run=Delivery()
            )
            == "due"
        )

    records.client.zadd("headway:outbox", {task_id: 1}, xx=True)
    assert records.maintenance.sweep("keeper").due == [(task_id, successor)]
    assert read(records, task_id).phase == "queued"


def test_only_the_run_that_has_the_task_asks_for_its_next_attempt(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)

    assert (
        records.outbox.defer(task_id, 1, message=MESSAGE, max_attempts=4, when="", run=SECOND)
        == "superseded"
    )
    assert (
        records.outbox.defer(task_id, 0, message=MESSAGE, max_attempts=4, when="", run=Delivery())
        == "known"
    )


def test_a_message_that_was_lost_is_suspected_unless_a_worker_has_it(records: Records):
    lost = start(records)
    received = start(records)
    unsent = start(records)
    records.outbox.mark_published(lost)
    records.outbox.mark_published(received)
    records.maintenance.heartbeat("worker", 4, [], [received])

    assert records.maintenance.unconfirmed() == {"celery": [lost]}
    records.maintenance.republish([lost])

    assert due(records) == [lost]
    assert records.maintenance.unconfirmed() == {}
    assert unsent


def test_only_what_is_queued_is_suspected_or_sent_again(records: Records):
    gone = start(records)
    running = start(records)
    records.outbox.mark_published(gone)
    records.forget(gone)
    claim(records, running, FIRST)

    assert records.maintenance.unconfirmed() == {}
    assert records.client.zscore("headway:waiting:celery", gone) is None
    records.maintenance.republish([gone, running])
    assert records.client.zrange("headway:outbox", 0, -1) == []


def test_late_news_of_a_message_strikes_no_next_attempt(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    records.outbox.defer(task_id, 1, message=MESSAGE, max_attempts=4, when="+60000000", run=FIRST)
    write(records, task_id, FIRST, Phase.RETRYING, error=None, current=0, total=1)

    records.outbox.mark_published(task_id)

    assert records.client.zscore("headway:outbox", task_id) is not None


def test_a_run_that_is_given_back_has_no_successor(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    records.outbox.defer(task_id, 1, message=MESSAGE, max_attempts=4, when="+60000000", run=FIRST)

    records.maintenance.release([(task_id, "first")])

    assert read(records, task_id).phase == "queued"
    assert records.client.zscore("headway:outbox", task_id) is None


def test_a_next_attempt_that_nobody_has_claimed_may_be_ended_by_its_worker(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    write(records, task_id, FIRST, Phase.RETRYING, error=None, current=0, total=1)

    # it has expired, or was revoked
    assert write(records, task_id, Delivery("again", 1), Phase.CANCELLED)


def test_what_a_worker_had_received_is_forgotten_when_nobody_says_it_again(records: Records):
    records.client.zadd("headway:reserved", {"long gone": records.queries.now() - 1})

    records.maintenance.heartbeat("one@host", 4, [], ["here"])

    assert records.client.zrange("headway:reserved", 0, -1) == ["here"]


def test_an_e_mail_that_was_committed_by_a_lost_run_is_unknown(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    assert records.runs.advance_commit(task_id, FIRST, "prepared") == "written"
    assert records.runs.advance_commit(task_id, SECOND, "committing") == "superseded"
    lapse(records, task_id)
    due(records)
    claim(records, task_id, SECOND)

    # the first had not got so far
    assert records.runs.advance_commit(task_id, SECOND, "prepared") == "written"
    assert records.runs.advance_commit(task_id, SECOND, "committing") == "written"
    # its own word: the server said no
    assert records.runs.advance_commit(task_id, SECOND, "prepared") == "written"
    assert records.runs.advance_commit(task_id, SECOND, "committing") == "written"
    assert records.runs.advance_commit(task_id, FIRST, "committing") == "superseded"
    lapse(records, task_id)
    due(records)
    claim(records, task_id, Delivery("third"))

    assert records.runs.advance_commit(task_id, Delivery("third"), "prepared") == "unknown"


def test_a_delivery_that_another_process_takes_up_is_lost_and_not_claimed_twice(records: Records):
    task_id = start(records)
    assert claim(records, task_id, FIRST, "one") == "claimed"
    assert claim(records, task_id, FIRST, "one") == "claimed"  # the reply was lost
    assert records.runs.advance_commit(task_id, FIRST, "committing") == "written"
    before = read(records, task_id)

    assert claim(records, task_id, FIRST, "another") == "lost"

    assert read(records, task_id) == before
    records.client.set("headway:last_sweep", records.queries.now())
    assert records.runs.mark_lost(task_id, FIRST) == "requeued"
    assert claim(records, task_id, FIRST, "another") == "superseded"
    assert claim(records, task_id, SECOND) == "claimed"
    assert records.runs.advance_commit(task_id, SECOND, "prepared") == "unknown"


def test_a_cancelled_e_mail_is_not_committed(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    records.cancel(task_id)

    assert records.runs.advance_commit(task_id, FIRST, "committing") == "cancelling"


def test_a_retry_supersedes_the_attempt_before_it_whichever_is_stored_first(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)

    assert claim(records, task_id, Delivery("retry", 1)) == "claimed"

    assert not write(
        records, task_id, FIRST, Phase.RETRYING, error={"type": "E", "message": "late"}
    )
    assert not write(records, task_id, FIRST, Phase.FAILED)
    assert claim(records, task_id, SECOND) == "stale"
    assert read(records, task_id).phase == "running"
    assert read(records, task_id).attempt == 2


def test_after_a_retry_the_old_attempt_is_out_and_the_next_may_claim(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    assert write(
        records,
        task_id,
        FIRST,
        Phase.RETRYING,
        error={"type": "E", "message": "m"},
        current=0,
        total=1,
    )
    waiting = read(records, task_id)

    assert (waiting.phase, waiting.state, waiting.error) == (
        "retrying",
        "PENDING",
        {"type": "E", "message": "m"},
    )
    for late in (FIRST, SECOND):
        assert not write(records, task_id, late, Phase.RUNNING, current=5, total=6)
        assert not write(records, task_id, late, Phase.CANCELLED)
    assert claim(records, task_id, Delivery("again", 1)) == "claimed"
    running = read(records, task_id)
    assert (running.phase, running.error, running.scheduled_for) == ("running", None, None)


def test_each_run_from_which_a_task_was_taken_is_out_for_good(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    records.runs.abandon(task_id, FIRST)  # it gave the task up, and lives on
    assert claim(records, task_id, SECOND) == "claimed"
    due(records)  # there are keepers
    assert records.runs.mark_lost(task_id, SECOND) == "requeued"

    for late in (FIRST, SECOND):
        assert not write(records, task_id, late, Phase.SUCCEEDED, result=1)
        assert claim(records, task_id, late) == "superseded"


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

    monkeypatch.setattr(records.queries, "now", lambda: int(records.client.time()[0] * 1e6 - 60e6))

    with pytest.raises(TooLate):
        start(records)

    assert records.client.keys("headway:*") == []


def test_a_start_begins_though_redis_clock_was_put_forward(records: Records):
    start(records)
    asked, ahead = records._clock
    records._clock = asked, ahead - 3600 * 1_000_000  # what was seen of the clock before

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
    records.runs.log(task_id, FIRST, [("INFO", "line")])
    week = 7 * 24 * 3600 * 1000
    unended = 90 * 24 * 3600 * 1000
    keys = [f"headway:task:{task_id}", f"celery-task-meta-{task_id}", f"headway:log:{task_id}"]

    for key in (*keys, "headway:owner:ada"):
        assert week + unended - 60_000 < records.client.pttl(key) <= week + unended, key
    write(records, task_id, FIRST, Phase.SUCCEEDED)
    for key in keys:
        assert week - 60_000 < records.client.pttl(key) <= week, key
    [once] = records.client.keys("headway:once:*")
    assert records.client.pttl(once) > 0


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
        == "parked"
    )

    records.client.hset(record, "kept", 0)  # as after an hour
    write(records, task_id, FIRST, Phase.RUNNING, current=1, total=2)
    assert records.client.pttl(record) > month * 1000

    write(records, task_id, FIRST, Phase.FAILED, status="the end")
    assert records.client.pttl(record) <= records.ttl


def test_the_outbox_holds_a_task_until_it_is_sent(records: Records):
    now = start(records)
    later = start(records, when="+60000000")
    assert due(records) == []

    records.client.zadd("headway:outbox", {now: 1, later: 1})
    duties = dict(records.maintenance.sweep("keeper").due)

    assert duties.keys() == {now, later}
    assert duties[now] == MESSAGE
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
    monkeypatch.setattr("headway.store.runs.LOG_LINES", 3)
    task_id = start(records)
    claim(records, task_id, FIRST)

    for number in range(1, 6):
        assert records.runs.log(task_id, FIRST, [("INFO", f'line "{number}"')])

    tail = records.queries.read_log(task_id, 0)
    assert [(line["seq"], line["text"]) for line in tail["lines"]] == [
        (3, 'line "3"'),
        (4, 'line "4"'),
        (5, 'line "5"'),
    ]
    assert (tail["first_seq"], tail["last_seq"]) == (3, 5)
    assert [line["seq"] for line in records.queries.read_log(task_id, 4)["lines"]] == [5]
    assert records.queries.read_log(task_id, 5) == {"lines": [], "first_seq": 3, "last_seq": 5}
    assert not records.runs.log(task_id, SECOND, [("INFO", "a stranger")])


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


def test_a_hung_redis_holds_up_a_report_for_a_second_at_most(records: Records, valkey: Valkey):
    task_id = start(records)
    claim(records, task_id, FIRST)
    valkey.freeze()
    try:
        for _ in range(2):  # on the open connection, and on a new one
            begun = time.monotonic()
            with pytest.raises(Unavailable):
                write(records, task_id, FIRST, Phase.RUNNING, current=1, total=2)
            assert time.monotonic() - begun < 2  # which a second attempt would take
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
    records.client.hdel(f"headway:task:{task_id}", "still")

    assert read(records, task_id) == before
    assert write(records, task_id, FIRST, Phase.RUNNING, current=1, total=2)
    assert (read(records, task_id).current, read(records, task_id).title) == (1, before.title)
