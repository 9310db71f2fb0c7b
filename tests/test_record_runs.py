"""Who may run a task: claims, leases, cancels and retries, against a real Valkey."""

from __future__ import annotations

import json

import pytest

from headway.snapshot import Phase
from headway.store.model import Delivery, StateWrite
from headway.store.records import Records
from tests.by_records import FIRST, MESSAGE, NAMES, SECOND, claim, due, lapse, read, start, write


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
    assert claim(records, task_id, SECOND) == "running"  # until a sweep has requeued it

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
        records.client.set("headway:last_sweep", records.clock.now())
        duties = records.maintenance.sweep("leader")
        assert [lost[:2] for lost in duties.exhausted] == ([(task_id, "two")] if number else [])

    # put off, for whoever took it is storing the failure
    assert records.maintenance.sweep("leader").exhausted == []
    assert write(records, task_id, Delivery("two"), Phase.FAILED)


def test_after_nobody_did_the_rounds_workers_get_the_time_to_renew(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    lapse(records, task_id)

    assert records.maintenance.sweep("leader").due == []  # the first round ever
    assert read(records, task_id).phase == "running"


def test_one_worker_at_a_time_is_the_leader(records: Records):
    task_id = start(records)
    records.client.zadd("headway:outbox", {task_id: 1})

    assert records.maintenance.sweep("one").due != []
    records.client.zadd("headway:outbox", {task_id: 1})
    assert records.maintenance.sweep("two").due == []
    records.client.delete("headway:leader")  # the first one is gone
    assert records.maintenance.sweep("two").due != []


@pytest.mark.parametrize("is_spent", [True, False])
def test_what_is_given_back_is_sent_again_where_the_broker_has_it_no_more(
    records: Records, is_spent: bool
):
    task_id = start(records)
    claim(records, task_id, FIRST)

    records.maintenance.release([(task_id, "first")], [task_id] * is_spent)

    assert due(records) == [task_id] * is_spent
    assert claim(records, task_id, SECOND) == "claimed"


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
    assert records.client.zscore("headway:leases", task_id) < records.clock.now()
    records.maintenance.heartbeat("worker", 4, [(task_id, "first")], [])
    assert records.client.zscore("headway:leases", task_id) > records.clock.now()

    records.runs.abandon(task_id, FIRST)
    records.maintenance.heartbeat("worker", 4, [(task_id, "first")], [])
    assert records.client.zscore("headway:leases", task_id) is None


def test_a_lost_process_is_told_by_its_parent(records: Records):
    task_id = start(records)
    claim(records, task_id, FIRST)
    records.client.set("headway:last_sweep", records.clock.now())

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
        records.client.set("headway:last_sweep", records.clock.now())
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
            == "deferred"
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
    assert records.maintenance.sweep("leader").due == [(task_id, successor)]
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
    records.client.zadd("headway:reserved", {"long gone": records.clock.now() - 1})

    records.maintenance.heartbeat("one@host", 4, [], ["here"])

    assert records.client.zrange("headway:reserved", 0, -1) == ["here"]


def test_a_delivery_that_another_process_takes_up_is_lost_and_not_claimed_twice(records: Records):
    task_id = start(records)
    assert claim(records, task_id, FIRST, "one") == "claimed"
    assert claim(records, task_id, FIRST, "one") == "claimed"  # the reply was lost
    before = read(records, task_id)

    assert claim(records, task_id, FIRST, "another") == "lost"

    assert read(records, task_id) == before
    records.client.set("headway:last_sweep", records.clock.now())
    assert records.runs.mark_lost(task_id, FIRST) == "requeued"
    assert claim(records, task_id, FIRST, "another") == "superseded"
    assert claim(records, task_id, SECOND) == "claimed"


def test_a_process_that_is_lost_before_its_task_has_a_record_leaves_no_lease(records: Records):
    records.client.set("headway:last_sweep", records.clock.now())
    assert records.runs.mark_lost("sent", FIRST) == "exhausted"

    assert write(records, "sent", FIRST, Phase.FAILED)

    assert records.client.zrange("headway:leases", 0, -1) == []


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
