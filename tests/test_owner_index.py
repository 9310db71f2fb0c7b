"""Counts, filters and search over all tasks of an owner, by the index that is kept with them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from headway.push.resync import MINE, Resync
from headway.snapshot import Phase
from headway.store.model import Sent
from headway.store.records import Records
from tests.by_hand import HERE, claim, write

ADA = "ada"


def start(records: Records, title: str = "Long task", owner: str = ADA, when: str = "", **kwargs):
    message = {"task": "long_task", "args": [], "kwargs": kwargs, "options": {"queue": "celery"}}
    return records.starts.create(
        owner=owner, message=message, title=title, max_attempts=4, when=when
    ).task_id


def ended(records: Records, phase: Phase, title: str = "Long task", **fields: object) -> str:
    task_id = start(records, title)
    claim(records, task_id)
    write_fields(records, task_id, phase, **fields)
    return task_id


def write_fields(records: Records, task_id: str, phase: Phase, **fields: object) -> None:
    from headway.store.model import StateWrite

    records.runs.write(
        StateWrite(task_id, HERE, phase, fields, meta="{}", name="long_task", max_attempts=4)
    )


def counts(records: Records, owner: str = ADA) -> dict[str, int]:
    return {name: n for name, n in records.lists.counts(owner).items() if n}


def found(records: Records, *words: str, phases: Iterable[Phase] = ()) -> list[str]:
    page, _ = records.lists.page(ADA, 100, phases, words=words)
    return [json.loads(snapshot)["task_id"] for snapshot in page]


def test_each_phase_is_counted_by_itself(records: Records):
    start(records)
    start(records, when="+60000000")
    claim(records, start(records))
    ended(records, Phase.SUCCEEDED, result=1)
    ended(records, Phase.FAILED, error={"type": "ValueError", "message": "no"})
    stopped = start(records)
    records.cancel(stopped)
    start(records, owner="bob")

    assert counts(records) == {
        "scheduled": 1,
        "queued": 1,
        "running": 1,
        "succeeded": 1,
        "failed": 1,
        "cancelled": 1,
    }
    assert counts(records, "bob") == {"queued": 1}
    assert counts(records, "nobody") == {}


def test_what_has_expired_is_not_counted_and_goes_with_the_next_start(records: Records):
    gone = ended(records, Phase.SUCCEEDED, result=1)
    records.forget(gone)
    for phase in Phase:  # as if its time were over
        records.client.zadd(records.keys.phase(ADA, phase), {gone: 1}, xx=True)

    start(records)

    assert records.client.zscore(records.keys.owner(ADA), gone) is None
    assert records.client.hget(records.keys.index(ADA), gone) is None
    assert counts(records) == {"queued": 1}


def test_the_index_lives_as_long_as_its_tasks(records: Records):
    task_id = ended(records, Phase.SUCCEEDED, result=1)
    start(records, when="+3600000000")

    kept = records.client.pttl(records.keys.record(task_id))
    keys = [records.keys.phase(ADA, Phase.SUCCEEDED), records.keys.index(ADA)]
    assert all(records.client.pttl(key) >= kept - 1000 for key in keys)
    until = records.client.zscore(keys[0], task_id)
    assert until == pytest.approx(records.clock.now() / 1000 + kept, abs=5000)


def test_a_record_that_outlives_what_the_index_says_is_counted_again(records: Records):
    task_id = start(records)
    records.client.zadd(records.keys.phase(ADA, Phase.QUEUED), {task_id: 1})

    assert counts(records) == {"queued": 1}


@pytest.mark.parametrize(
    "words",
    [
        ["report"],
        ["REPORT", "november"],
        ["Über"],
        ["grace@example.com"],
        ["4711"],
        ['"final"'],
        ["disk", "report"],
    ],
)
def test_a_task_is_found_by_words_of_title_error_and_arguments(records: Records, words: list[str]):
    start(records, "Another")
    wanted = start(records, 'Report Über November "final"', email="grace@example.com", row=4711)
    claim(records, wanted)
    write_fields(records, wanted, Phase.FAILED, error={"type": "OSError", "message": "Disk full"})

    assert found(records, *words) == [wanted]
    assert found(records, *words, "nowhere") == []


def test_a_task_is_found_by_what_it_says_now(records: Records):
    task_id = start(records)
    claim(records, task_id)
    write_fields(records, task_id, Phase.RUNNING, status="Counting sheep", current=1, total=9)

    assert found(records, "sheep") == [task_id]
    assert found(records, "sheep", phases=[Phase.FAILED]) == []


def test_a_secret_among_the_arguments_is_not_found(
    records: Records, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("headway.masking._forms", ("hunter2-secret",))
    start(records, password="hunter2-secret")

    assert found(records, "hunter2-secret") == []


def test_pages_of_a_search_go_through_more_than_one_call_looks_at(
    records: Records, monkeypatch: pytest.MonkeyPatch
):
    wanted = [start(records, "Needle") for _ in range(3)]
    for _ in range(2100):
        start(records, "Hay")

    page, cursor = records.lists.page(ADA, 2, words=["needle"])
    assert cursor is not None
    rest, end = records.lists.page(ADA, 2, cursor=cursor, words=["needle"])

    ids = [json.loads(snapshot)["task_id"] for snapshot in page + rest]
    assert ids == wanted[::-1]
    assert end is None


def test_a_page_that_is_full_before_the_next_match_is_found_goes_on_there(records: Records):
    old = start(records, "Needle")
    for _ in range(2100):
        start(records, "Hay")
    new = start(records, "Needle")

    page, cursor = records.lists.page(ADA, 1, words=["needle"])
    assert cursor is not None
    rest, end = records.lists.page(ADA, 1, cursor=cursor, words=["needle"])

    assert [json.loads(snapshot)["task_id"] for snapshot in page + rest] == [new, old]
    assert end is None


def test_few_of_a_phase_are_paged_as_many_are(records: Records):
    ids = [start(records) for _ in range(5)]
    for task_id in ids[:4]:
        claim(records, task_id)
    write(records, ids[3], 1, Phase.SUCCEEDED)

    first, cursor = records.lists.page(ADA, 2, [Phase.RUNNING])
    assert cursor is not None
    second, end = records.lists.page(ADA, 2, [Phase.RUNNING], cursor)

    assert [json.loads(one)["task_id"] for one in first + second] == ids[:3][::-1]
    assert end is None


def test_what_is_open_comes_with_the_newest_however_old_it_is(records: Records):
    running = start(records)
    claim(records, running)
    old = [start(records) for _ in range(6)]
    new = [ended(records, Phase.SUCCEEDED, result=1) for _ in range(3)]

    mine, cursor = records.lists.newest_and_open(ADA, 3)

    # The one that runs although more than the limit of queued ones are newer.
    ids = [json.loads(snapshot)["task_id"] for snapshot in mine]
    assert ids == [running, *old[:2:-1], *new[::-1]]
    assert cursor == records.lists.page(ADA, 3)[1]


def test_what_is_open_among_the_newest_comes_once(records: Records):
    ended(records, Phase.SUCCEEDED, result=1)
    running = [start(records) for _ in range(3)]
    for task_id in running:
        claim(records, task_id)

    for limit in (2, 3, 4, 50):
        mine, _ = records.lists.newest_and_open(ADA, limit)
        ids = [json.loads(snapshot)["task_id"] for snapshot in mine]
        assert len(set(ids)) == len(ids) == min(4, max(limit, 3))
        assert set(running) <= set(ids)


def test_after_an_outage_an_owner_is_told_of_what_is_open_however_old_it_is(records: Records):
    running = start(records)
    claim(records, running)
    for _ in range(MINE):
        ended(records, Phase.SUCCEEDED, result=1)
    told: list[Any] = []

    def keep(room: str, event: bytes) -> None:
        told.append((room, json.loads(event)[1]["task_id"]))

    manager = SimpleNamespace(records=records, confirm=lambda names: None, deliver=keep)

    Resync(manager)._read_again([f"owner:{ADA}"])

    assert len(told) == MINE + 1
    assert (f"owner:{ADA}", running) in told


def test_what_an_earlier_version_has_listed_is_counted_and_found(records: Records):
    task_id = start(records, "From before")
    for phase in Phase:
        records.client.delete(records.keys.phase(ADA, phase))
    records.client.delete(records.keys.index(ADA))

    assert found(records, "before", phases=[Phase.QUEUED]) == [task_id]
    assert counts(records) == {"queued": 1}


def test_what_an_earlier_version_has_changed_is_listed_and_counted_as_it_is(records: Records):
    task_id = ended(records, Phase.FAILED, "Half a deploy")
    other = records.keys.phase(ADA, Phase.QUEUED)
    score = records.client.zscore(records.keys.phase(ADA, Phase.FAILED), task_id)
    records.client.delete(records.keys.phase(ADA, Phase.FAILED))
    records.client.zadd(other, {task_id: score})  # as it was when the index last heard of it
    records.client.hset(records.keys.index(ADA), task_id, "|queued|half a deploy")

    assert found(records, phases=[Phase.QUEUED]) == []
    assert found(records, phases=[Phase.FAILED]) == [task_id]
    assert counts(records) == {"failed": 1}


def test_a_task_that_celery_sends_is_counted_for_as_long_as_it_is_kept(records: Records):
    task_id = str(uuid4())
    records.starts.enqueue(task_id, Sent("shop.order", "Order 7", ADA, "celery", "", "send", 4))

    kept = records.client.pttl(records.keys.record(task_id))
    until = records.client.zscore(records.keys.phase(ADA, Phase.QUEUED), task_id)
    assert until == pytest.approx(records.clock.now() / 1000 + kept, abs=5000)
    assert found(records, "order") == [task_id]
