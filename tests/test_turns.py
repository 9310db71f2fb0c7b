"""Turns: tasks of an owner that wait for those before them, or take their place."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from celery import Celery
from celery.app.task import Context

from headway.celery.worker.live_tasks import make_all_live
from headway.message_headers import PARENT, with_headers
from headway.registry import task
from headway.snapshot import Phase, Snapshot
from headway.store.model import Outcome, StartResult
from headway.store.records import Records
from headway.turns import Turn
from tests.by_hand import HERE, claim, shown, write
from tests.by_records import MESSAGE, due

ONE = Turn(line="1 digest")
TWO = Turn(line="2 digest")
LATEST = Turn("digest", "1 digest", replaces=True)


def create(records: Records, turn: Turn = ONE, **options: Any) -> StartResult:
    about = {"owner": "ada", "message": MESSAGE, "title": "Long task", "max_attempts": 4}
    return records.starts.create(**about | {"turn": turn, "encoded": "a message"} | options)


def read(records: Records, task_id: str) -> Snapshot:
    snapshot = shown(records, task_id)
    assert snapshot is not None
    return snapshot


def end(records: Records, task_id: str) -> None:
    claim(records, task_id)
    write(records, task_id, 1000, Phase.SUCCEEDED)


def sent(records: Records) -> int:
    return records.client.llen("celery")


# A line


def test_the_next_one_starts_when_the_first_has_ended(records: Records):
    first, second, third = (create(records) for _ in range(3))
    assert [first.outcome, second.outcome, third.outcome] == ["created", "in_line", "in_line"]
    assert sent(records) == 1
    waits = [read(records, each.task_id) for each in (second, third)]
    assert [each.phase for each in waits] == [Phase.QUEUED] * 2
    assert [each.status for each in waits] == ["Waits for its turn"] * 2
    assert [each.queue_position for each in waits] == [0, 1]
    assert records.client.zcard("headway:waiting:") == 0
    claim(records, first.task_id)
    assert due(records) == []

    write(records, first.task_id, 1000, Phase.SUCCEEDED)

    assert due(records) == [second.task_id]
    begun = read(records, second.task_id)
    assert (begun.status, begun.queue, begun.queue_position) == ("Pending...", "celery", 0)
    assert read(records, third.task_id).queue_position == 0
    end(records, second.task_id)
    assert due(records) == [third.task_id]


def test_a_task_that_names_its_parent_alone_is_in_its_owners_line(records: Records):
    parent = create(records, Turn()).task_id
    message = with_headers(MESSAGE, {PARENT: parent})
    first = create(records, owner="", message=message)
    second = create(records)
    assert second.outcome == Outcome.IN_LINE

    end(records, first.task_id)

    assert due(records) == [second.task_id]


@pytest.mark.parametrize("phase", [Phase.FAILED, Phase.CANCELLED])
def test_any_end_passes_the_turn_on(records: Records, phase: Phase):
    first, second = create(records), create(records)
    claim(records, first.task_id)

    write(records, first.task_id, 1, phase)

    assert due(records) == [second.task_id]


def test_one_that_is_cancelled_in_line_leaves_it(records: Records):
    first, second, third = (create(records) for _ in range(3))

    records.cancel(second.task_id)

    assert read(records, third.task_id).queue_position == 0
    assert due(records) == []
    records.cancel(first.task_id)
    assert due(records) == [third.task_id]


def test_a_lost_attempt_keeps_its_turn(records: Records):
    first, second = create(records), create(records)
    claim(records, first.task_id)
    records.client.zadd("headway:leases", {first.task_id: 1})

    assert due(records) == [first.task_id]
    assert read(records, second.task_id).status == "Waits for its turn"


@pytest.mark.parametrize("phase", [Phase.RETRYING, Phase.WAITING])
def test_one_that_goes_on_later_keeps_its_turn(records: Records, phase: Phase):
    first, second = create(records), create(records)
    claim(records, first.task_id)

    write(records, first.task_id, 1, phase)

    assert second.task_id not in due(records)
    assert read(records, second.task_id).status == "Waits for its turn"


def test_a_turn_of_a_record_that_is_gone_is_taken(records: Records):
    first, second = create(records), create(records)
    records.client.delete(f"headway:task:{first.task_id}")  # as if it had expired
    assert due(records) == []

    records.client.zadd("headway:outbox", {second.task_id: 1})  # an hour later

    assert due(records) == [second.task_id]
    assert create(records).outcome == Outcome.IN_LINE


def test_one_that_is_looked_at_keeps_its_place(records: Records):
    first, second, _ = (create(records) for _ in range(3))
    records.client.zadd("headway:outbox", {second.task_id: 1})  # an hour later
    assert due(records) == []

    end(records, first.task_id)

    assert due(records) == [second.task_id]


def test_one_whose_record_is_gone_is_passed_over(records: Records):
    first, second, third = (create(records) for _ in range(3))
    records.client.delete(f"headway:task:{second.task_id}")  # as if it had expired

    end(records, first.task_id)

    assert due(records) == [third.task_id]


def test_one_for_later_joins_the_line_when_its_time_comes(records: Records):
    later = create(records, when="+60000000")
    now = create(records)
    assert (later.outcome, now.outcome) == ("scheduled", "created")

    records.reschedule(later.task_id, "")

    assert due(records) == []
    assert read(records, later.task_id).status == "Waits for its turn"
    records.cancel(now.task_id)
    assert due(records) == [later.task_id]


def test_lines_are_kept_no_longer_than_their_tasks(records: Records):
    create(records)
    create(records)

    keys = [*records.client.keys("headway:turns:*"), *records.client.keys("headway:line:*")]
    assert len(keys) == 2
    assert all(records.client.pttl(key) > 0 for key in keys)


def test_of_many_starts_at_once_as_many_begin_as_may(records: Records):
    with ThreadPoolExecutor(32) as pool:
        found = [*pool.map(lambda _: create(records, TWO).outcome, range(100))]

    assert (found.count(Outcome.CREATED), found.count(Outcome.IN_LINE)) == (2, 98)
    assert sent(records) == 2


def test_another_owner_waits_for_those_with_the_workers_alone(records: Records):
    many = [create(records, TWO).task_id for _ in range(200)]

    other = create(records, TWO, owner="bob")

    assert (other.outcome, sent(records)) == (Outcome.CREATED, 3)
    assert read(records, other.task_id).queue_position == 2
    assert read(records, many[-1]).queue_position == 197
    end(records, many[0])
    assert due(records) == [many[2]]
    assert read(records, other.task_id).queue_position == 1
    assert read(records, many[2]).queue_position == 2  # behind the other owner's


# The latest


def test_a_newer_one_takes_the_place_of_one_that_has_not_begun(records: Records):
    first, second = create(records, LATEST), create(records, LATEST)

    replaced = read(records, first.task_id)
    assert (replaced.phase, replaced.status) == (Phase.CANCELLED, "Replaced by a newer one")
    assert second.outcome == Outcome.CREATED


def test_a_run_is_asked_to_stop_and_the_newest_waits_for_its_end(records: Records):
    first = create(records, LATEST).task_id
    claim(records, first)

    second, third = create(records, LATEST), create(records, LATEST)

    assert [second.outcome, third.outcome] == ["in_line", "in_line"]
    phases = [read(records, each).phase for each in (first, second.task_id, third.task_id)]
    assert phases == [Phase.CANCELLING, Phase.CANCELLED, Phase.QUEUED]
    write(records, first, 1, Phase.CANCELLED)
    assert due(records) == [third.task_id]


# As it is written


def a_task(customer: int): ...


@pytest.mark.parametrize(
    "options",
    [
        {"when_open": "queue"},
        {"unique": "{customer}", "when_open": "never"},
        {"unique": "{customer}", "debounce": 1},
        {"unique": "{customer}", "when_open": "latest", "debounce": -1},
        {"unique": "{customer}", "max_running": 2},
        {"unique": "{customer}", "when_open": "latest", "max_running": 2},
        {"max_running": -1},
    ],
)
def test_what_does_not_go_together_is_refused(options: dict[str, Any]):
    with pytest.raises(TypeError, match=r"when_open|debounce|max_running"):
        task("A task", **options)(a_task)


# In the processes of a project


@pytest.fixture(scope="module", autouse=True)
def kinds() -> None:
    @task("Queue of {customer}", unique="{customer}", when_open="queue")
    def turns_queue(customer: int): ...

    @task("Latest of {customer}", unique="{customer}", when_open="latest", debounce=60)
    def turns_latest(customer: int): ...


@pytest.fixture
def jobs(redis_url: str) -> Celery:
    return Celery("jobs", broker=redis_url, backend=f"headway+{redis_url}", set_as_current=False)


@pytest.mark.parametrize("is_live", [False, True])
def test_what_is_sent_waits_or_takes_the_place_of_the_last(
    jobs: Celery, is_live: bool, records: Records
):
    if is_live:
        make_all_live(jobs)
    records.client.set("headway:last_sweep", records.clock.now())  # a worker sweeps

    queue = [jobs.tasks["turns_queue"].delay(1).id for _ in range(2)]
    latest = [jobs.tasks["turns_latest"].delay(1).id for _ in range(2)]

    assert [read(records, each).status for each in queue] == ["Pending...", "Waits for its turn"]
    phases = [read(records, each).phase for each in latest]
    assert phases == [Phase.CANCELLED, Phase.SCHEDULED]
    assert sent(records) == 1
    end(records, queue[0])
    assert due(records) == [queue[1]]


@pytest.mark.parametrize("name", ["turns_queue", "turns_latest"])
def test_while_nobody_sweeps_it_is_sent_at_once(jobs: Celery, records: Records, name: str):
    ids = [jobs.tasks[name].delay(1).id for _ in range(2)]

    assert sent(records) == len(set(ids)) == 2


def test_who_ends_a_task_sends_the_next_one(jobs: Celery, records: Records):
    records.client.set("headway:last_sweep", records.clock.now())  # a worker sweeps
    queue = jobs.tasks["turns_queue"]
    first, second = (queue.delay(1).id for _ in range(2))
    claim(records, first)

    end = Context(id=first, task="turns_queue", headway_fence=HERE.token, retries=0)
    jobs.backend.mark_as_done(first, None, end)

    assert read(records, first).phase == Phase.SUCCEEDED
    assert (read(records, second).status, sent(records)) == ("Pending...", 2)
    assert due(records) == []
