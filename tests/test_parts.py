"""Parts: the tasks that a task starts, as records count and list them."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from headway.message_headers import PARENT, with_headers
from headway.snapshot import Phase, Snapshot
from headway.store.model import StateWrite
from headway.store.records import Records
from tests.by_hand import HERE, claim, published, save_text, shown, subscribed, write
from tests.by_records import MESSAGE


def start(records: Records, parent: str = "", owner: str = "ada", title: str = "Part", **more: str):
    headers = {PARENT: parent} if parent else {}
    options = {"queue": "celery", "headers": headers}
    message = {"task": "long_task", "args": [], "kwargs": {}, "options": options}
    return records.starts.create(
        owner=owner, message=message, title=title, max_attempts=4, task_id=str(uuid4()), **more
    ).task_id


def begun(records: Records, parent: str = "", **more: str) -> str:
    task_id = start(records, parent, **more)
    claim(records, task_id)
    return task_id


def end(records: Records, task_id: str, phase: Phase = Phase.SUCCEEDED) -> None:
    fields = {"error": {"type": "OSError", "message": "no such file"}} if phase == "failed" else {}
    change = StateWrite(task_id, HERE, phase, fields, "{}", "long_task", max_attempts=4)
    assert records.runs.write(change) == "written"


def snapshot(records: Records, task_id: str) -> Snapshot:
    found = shown(records, task_id)
    assert found is not None
    return found


def parts_of(records: Records, task_id: str, *phases: Phase) -> list[str]:
    page, following = records.lists.parts(task_id, 100, phases)
    assert following is None
    return [json.loads(one)["task_id"] for one in page]


def listed(records: Records, owner: str = "ada") -> list[str]:
    return [json.loads(one)["task_id"] for one in records.lists.page(owner, 100)[0]]


def counts(records: Records, task_id: str) -> tuple[int, int, int]:
    found = snapshot(records, task_id).parts
    assert found is not None
    return found["count"], found["ended"], found["failed"]


def test_a_task_that_a_task_starts_is_its_part_and_no_card_of_its_own(records: Records):
    parent = begun(records)
    first = start(records, parent)
    second = start(records, parent)

    assert snapshot(records, first).parent_id == parent
    assert snapshot(records, parent).parent_id is None
    assert parts_of(records, parent) == [first, second]
    assert listed(records) == [parent]
    assert counts(records, parent) == (2, 0, 0)
    assert snapshot(records, first).parts is None


def test_a_part_that_is_known_by_its_message_alone_has_its_parents_owner(records: Records):
    parent = begun(records)
    part = str(uuid4())
    message = with_headers(MESSAGE, {PARENT: parent})
    assert records.runs.claim(part, HERE, "run", message=message, max_attempts=4, hostname="here")

    assert parts_of(records, parent) == [part]
    assert records.client.hget(f"headway:task:{part}", "owner") == "ada"


def test_a_parent_counts_what_becomes_of_its_parts_once(records: Records):
    parent = begun(records)
    done, failed, cancelled, waiting = (begun(records, parent) for _ in range(4))
    end(records, done)
    end(records, failed, Phase.FAILED)
    records.cancel(cancelled)
    end_again = StateWrite(done, HERE, Phase.SUCCEEDED, {}, "{}", "long_task", max_attempts=4)
    assert records.runs.write(end_again) == "final"

    records.runs.mark_lost(waiting, HERE)

    assert counts(records, parent) == (4, 2, 1)


def test_progress_is_of_all_parts_as_far_as_each_has_got(records: Records):
    parent = begun(records)
    half, done, _ = (begun(records, parent) for _ in range(3))
    write(records, half, 500)
    end(records, done)

    parts = snapshot(records, parent).parts
    assert parts
    assert parts["progress"] == 0.5

    write(records, half, 100)
    end(records, half, Phase.FAILED)
    parts = snapshot(records, parent).parts
    assert parts
    assert parts["progress"] == 0.6667


def test_the_part_that_failed_first_is_named(records: Records):
    parent = begun(records)
    early, late = (begun(records, parent, title=title) for title in ("Early", "Late"))
    end(records, late, Phase.FAILED)
    end(records, early, Phase.FAILED)

    parts = snapshot(records, parent).parts
    assert parts is not None
    error = {"type": "OSError", "message": "no such file"}
    assert parts["first_failed"] == {"task_id": late, "title": "Late", "error": error}


def test_viewers_of_a_parent_are_told_of_its_parts_and_its_owner_of_no_part(records: Records):
    parent = begun(records)
    end(records, parent)
    before = snapshot(records, parent).version
    with subscribed(records, "flask-socketio:*") as pubsub:
        part = start(records, parent)
        told = []
        for message in published(pubsub):
            pushed = json.loads(message["data"])[1]
            told.append((message["channel"].split(":")[1], pushed["task_id"], pushed["version"]))

    rooms = {(kind, task_id) for kind, task_id, _ in told}
    assert rooms == {("task", part), ("task", parent), ("owner", parent)}
    now = snapshot(records, parent)
    assert now.phase == Phase.SUCCEEDED
    assert {version for _, task_id, version in told if task_id == parent} == {now.version}
    assert now.version > before


def test_a_task_for_somebody_else_is_no_part(records: Records):
    parent = begun(records)
    other = start(records, parent, owner="bob")
    unowned = start(records, parent, owner="")

    assert snapshot(records, other).parent_id is None
    assert listed(records, "bob") == [other]
    assert snapshot(records, unowned).parent_id == parent
    [stored] = records.read([unowned])
    assert stored
    assert stored.owner == "ada"


def test_a_part_of_a_task_without_a_record_stands_by_itself(records: Records):
    task_id = start(records, str(uuid4()))

    assert snapshot(records, task_id).parent_id is None
    assert listed(records) == [task_id]


def test_open_parts_count_among_the_open_tasks_of_their_owner(records: Records):
    parent = begun(records)
    part = start(records, parent)
    assert records.lists.count_open("ada") == 2

    records.cancel(part)
    end(records, parent)
    assert records.lists.count_open("ada") == 0


def test_cancelling_parts_reaches_parts_of_parts_and_those_that_come_later(
    records: Records, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("headway.store.records.PARTS_BATCH", 1)
    parent = begun(records)
    done = begun(records, parent)
    below = begun(records, done)
    end(records, done)
    waiting = start(records, parent)

    assert records.cancel_parts(parent) == 2
    later = start(records, parent)

    assert snapshot(records, below).phase == Phase.CANCELLING
    assert snapshot(records, waiting).phase == Phase.CANCELLED
    assert snapshot(records, later).phase == Phase.CANCELLED
    assert snapshot(records, parent).phase == Phase.RUNNING
    assert snapshot(records, done).phase == Phase.SUCCEEDED
    assert records.cancel_parts(parent) == 0


def test_a_part_that_is_run_again_takes_the_place_of_the_failed_one(records: Records):
    parent = begun(records)
    first, second, third = (begun(records, parent) for _ in range(3))
    end(records, second, Phase.FAILED)
    records.cancel_parts(parent)
    again = start(records, former_part=second)

    assert parts_of(records, parent) == [first, again, third]
    parts = snapshot(records, parent).parts
    assert parts
    assert (parts["failed"], parts["first_failed"]) == (0, None)
    assert snapshot(records, again).phase == Phase.QUEUED
    assert snapshot(records, start(records, former_part=second)).parent_id is None
    end(records, third, Phase.SUCCEEDED)
    assert counts(records, parent) == (3, 1, 0)


def test_a_part_is_forgotten_by_itself_or_with_the_task_that_started_it(records: Records):
    parent = begun(records)
    failed = begun(records, parent)
    kept = begun(records, parent)
    end(records, failed, Phase.FAILED)
    end(records, parent)
    assert records.forget_ended(parent) == "not_final"

    assert records.forget_ended(failed) == "forgotten"

    assert parts_of(records, parent) == [kept]
    assert counts(records, parent) == (1, 0, 0)
    end(records, kept)
    gone = begun(records, parent)
    end(records, gone)
    records.client.delete(records.keys.record(gone))  # its time is over

    assert records.forget_ended(parent) == "forgotten"

    assert shown(records, kept) is None
    assert records.client.zcard(records.keys.parts(parent)) == 0


def test_a_parent_that_is_gone_on_with_still_expires_when_its_parts_end(records: Records):
    parent = begun(records)
    part = begun(records, parent)
    saving = StateWrite(parent, HERE, Phase.RUNNING, {}, "{}", "long_task", max_attempts=4)
    assert records.runs.write(saving._replace(saved=save_text(1))) == "written"
    end(records, parent, Phase.FAILED)
    start(records, resume_from=parent)
    assert snapshot(records, parent).resume is not None

    end(records, part)

    assert records.client.pttl(records.keys.record(parent)) > 0


def test_a_damaged_parent_keeps_no_part_from_ending(records: Records):
    parent = begun(records)
    part = begun(records, parent)
    records.client.hset(records.keys.record(parent), mapping={"streams": "x", "parts": "[]"})

    end(records, part)

    assert snapshot(records, part).phase == Phase.SUCCEEDED
