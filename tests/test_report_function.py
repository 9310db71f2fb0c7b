"""A report takes a short way through Redis, and leaves what `write` would have left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headway.celery.run.saved import found_in
from headway.shapes import Changes, TaskMessage
from headway.snapshot import Phase
from headway.state_fields import progress_fields
from headway.store.connection import FunctionPipeline
from headway.store.functions import shared_source
from headway.store.model import Delivery, Outcome, StateWrite
from headway.store.records import Records
from headway.store.runs import RunRecords
from tests.by_hand import HERE, claimed, save_text, shown

MESSAGE: TaskMessage = {
    "task": "long_task",
    "args": [],
    "kwargs": {},
    "options": {"queue": "celery"},
}
TITLED = {"headway_title": 'No ,"error":null,"attempt":7 "quotes"'}
STEP = {"index": 1, "count": 2, "name": "Read"}
NEXT = {"index": 2, "count": 2, "name": "Write"}
REPORTS = [
    [{"current": 1, "total": 10, "status": "one"}, {"current": 2, "total": 10, "status": "two"}],
    [{"current": 5, "total": 10}, {"current": 4, "total": 10}, {"current": 15, "total": 10}],
    [{"current": 7}, {"total": 20}, {"current": 9, "total": None}, {"current": -1}],
    [{"current": 3, "total": 9, "step": STEP}, {"current": 1, "total": 9, "step": NEXT}],
    [{"current": 3, "total": 9, "step": STEP}, {"current": 15, "total": 9, "step": NEXT}],
    [{"current": 1, "total": 2, "step": STEP}, {"current": 1, "total": 2, "step": None}],
    [{"status": "no numbers"}, {"status": "no numbers"}, {"description": "other words"}],
]
DIFFER = {
    "task_id",
    "version",
    "created_at",
    "started_at",
    "updated_at",
    "ttl_refreshed_at",
    "point_due",
}
DIFFER |= {"static", "history"}  # made of these


def report(
    task_id: str, meta: dict[str, Any], delivery: Delivery = HERE, **more: Any
) -> StateWrite:
    fields = progress_fields("PROGRESS", meta)
    return StateWrite(task_id, delivery, Phase.RUNNING, fields, str(meta), "long_task", 4, **more)


def whole_write(
    runs: RunRecords, write: StateWrite, _pipeline: FunctionPipeline | None
) -> Callable[[], Outcome]:
    """Send a report to the function that knows all changes."""
    return runs._begin_write(write)


def written(records: Records, task_id: str, text: str) -> None:
    """Write to a stream of the task, from its attempt's beginning."""
    how = {"closes": False, "max_bytes": 1000}
    outcome = records.output.write_stream(task_id, HERE, "words", 0, text.encode(), **how)
    assert outcome == "written"


def calls(records: Records, act: Callable[[], object]) -> dict[str, int]:
    """Return how often each command is executed meanwhile."""
    client = records.client

    def counted() -> dict[str, int]:
        found = client.info("commandstats").items()
        return {name.removeprefix("cmdstat_"): each["calls"] for name, each in found}

    before = counted()
    act()
    return {name: n for name, now in counted().items() if (n := now - before.get(name, 0))}


def kept(records: Records, task_id: str) -> dict[str, str]:
    """Return what is the same of two tasks that have reported the same."""
    record = records.client.hgetall(records.keys.record(task_id))
    celery = records.client.get(records.keys.celery(task_id))
    same = {name: text for name, text in record.items() if name not in DIFFER}
    return {**same, "celery": celery}


@pytest.mark.parametrize("metas", REPORTS)
def test_a_report_leaves_what_a_write_leaves(
    records: Records, metas: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
):
    short, whole = claimed(records, MESSAGE), claimed(records, MESSAGE)

    for meta in metas:
        assert records.runs.write(report(short, meta)) == "written"
    monkeypatch.setattr(RunRecords, "_begin_report", whole_write)
    for meta in metas:
        assert records.runs.write(report(whole, meta)) == "written"

    of_report, of_write = (kept(records, task_id) for task_id in (short, whole))
    assert of_report.keys() >= {"current", "status", "celery"}
    assert of_report == of_write


@pytest.mark.parametrize("metas", REPORTS)
def test_a_save_leaves_what_a_write_leaves(
    records: Records, metas: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
):
    short, whole = claimed(records, MESSAGE), claimed(records, MESSAGE)

    def save_all(task_id: str) -> dict[str, str]:
        for number, meta in enumerate(metas):
            saved = save_text(number + 1, number)
            write = report(task_id, meta, saved=saved, may_stop=True)
            assert records.runs.write(write) == "written"
        record = kept(records, task_id)
        assert record["saved"] == saved
        return record

    of_report = save_all(short)
    monkeypatch.setattr(RunRecords, "_begin_report", whole_write)
    assert of_report == save_all(whole)


def test_a_save_keeps_how_long_the_streams_are(records: Records):
    task_id = claimed(records, MESSAGE)
    written(records, task_id, "five\n")

    save = report(task_id, {"current": 1}, saved=save_text(1), written="words 5;")
    assert records.runs.write(save) == "written"

    *_, saved, _ = records.client.hget(records.keys.record(task_id), "streams").split()
    assert saved == "5"


@pytest.mark.parametrize("is_short", [True, False], ids=["report", "write"])
def test_a_save_that_redis_sees_late_is_a_report_alone(
    records: Records, is_short: bool, monkeypatch: pytest.MonkeyPatch
):
    if not is_short:
        monkeypatch.setattr(RunRecords, "_begin_report", whole_write)
    task_id = claimed(records, MESSAGE)
    key = records.keys.record(task_id)

    def saved_with(number: int, text: str, **more: Any) -> tuple[str, str]:
        """Return what is saved, and how much text with it, once this save has come."""
        save = report(task_id, {"current": 1}, saved=save_text(number, f"{number}"), **more)
        assert records.runs.write(save._replace(written=text)) == "written"
        saved, streams = records.client.hmget(key, "saved", "streams")
        return saved and found_in(saved).saved.value.strip('"'), streams.split()[-2]

    written(records, task_id, "five\n")
    assert saved_with(9, "words 4;") == (None, "0"), "more text than belongs to it"
    assert saved_with(3, "words 5;") == ("3", "5")
    assert saved_with(2, "words 5;") == ("3", "5"), "the next one is stored"
    written(records, task_id, "five\nmore")
    assert saved_with(4, "words 5;") == ("3", "5")
    assert saved_with(4, "") == ("3", "5"), "it was made before the stream began"
    assert saved_with(4, "words -1;") == ("4", "9"), "the stream takes no more, by its run"
    records.runs.request_stop([(task_id, HERE.token)])
    assert saved_with(2, "words 9;", may_stop=True) == ("4", "9"), "its run goes on"


@pytest.mark.parametrize("before", ["", '{"value":1,"loops":{}}'], ids=["none", "of a release"])
def test_a_run_counts_its_saves_on_from_those_before(records: Records, before: str):
    assert found_in(before).number == 0
    task_id = claimed(records, MESSAGE)
    if before:
        records.client.hset(records.keys.record(task_id), "saved", before)
    first = save_text(1, "first")
    assert records.runs.write(report(task_id, {"current": 1}, saved=first)) == "written"

    _, saved, _ = records.runs.read_saved(task_id, HERE)

    assert (saved, found_in(saved).number) == (first, 1)


def test_a_save_makes_the_calls_of_its_report_alone(records: Records):
    task_id = claimed(records, MESSAGE)
    records.runs.write(report(task_id, {"current": 1, "total": 10}))
    alone = report(task_id, {"current": 2, "total": 10})
    save = report(task_id, {"current": 3, "total": 10}, saved=save_text(1, 3), may_stop=True)

    made = calls(records, lambda: records.runs.write(alone))

    assert calls(records, lambda: records.runs.write(save)) == made


def test_a_stopping_worker_ends_a_run_at_its_save(records: Records):
    task_id = claimed(records, MESSAGE)
    records.runs.request_stop([(task_id, HERE.token)])
    write = report(task_id, {"current": 3, "total": 10}, saved=save_text(1, 3))

    assert records.runs.write(write) == "written"
    next_one = write._replace(saved=save_text(2, 4), may_stop=True)
    assert records.runs.write(next_one) == Outcome.REQUEUED

    assert shown(records, task_id).phase == Phase.QUEUED


def test_a_report_reads_its_record_once_and_writes_it_once(records: Records):
    task_id = claimed(records, MESSAGE)
    records.runs.write(report(task_id, {"current": 1, "total": 10}))  # and a point of the curve
    write = report(task_id, {"current": 2, "total": 10, "status": "on the way"})

    assert calls(records, lambda: records.runs.write(write)) == {
        **dict.fromkeys(("fcall", "time", "hmget", "hset", "set"), 1),
        "publish": 3,
        "info": 1,
    }


def cancelled(records: Records, task_id: str) -> None:
    assert records.cancel(task_id).outcome == Outcome.CANCELLING


def final(records: Records, task_id: str) -> None:
    end = report(task_id, {"current": 10, "total": 10})._replace(phase=Phase.SUCCEEDED)
    assert records.runs.write(end) == "written"


def taken_over(records: Records, task_id: str) -> None:
    later = Delivery("another", 1)
    how = {"message": MESSAGE, "max_attempts": 4, "hostname": "test"}
    assert records.runs.claim(task_id, later, "run", **how) == "claimed"


def of_another_type(records: Records, task_id: str) -> None:
    records.client.delete(records.keys.record(task_id))
    records.client.set(records.keys.record(task_id), "not a hash")


def of_an_earlier_version(records: Records, task_id: str) -> None:
    records.client.hdel(records.keys.record(task_id), "static")


@pytest.mark.parametrize(
    ("happens", "outcome", "status"),
    [
        (cancelled, "cancelling", "late"),
        (final, "final", ""),
        (taken_over, "stale", ""),
        (of_another_type, "written", "late"),
        (of_an_earlier_version, "written", "late"),
    ],
)
def test_what_a_report_does_not_know_of_write_decides(
    records: Records, happens: Callable[[Records, str], None], outcome: str, status: str
):
    task_id = claimed(records, MESSAGE)
    happens(records, task_id)

    assert records.runs.write(report(task_id, {"current": 1, "status": "late"})) == outcome

    snapshot = shown(records, task_id)
    assert snapshot is not None
    assert snapshot.status == status


def test_what_else_a_report_changes_is_stored_too(records: Records):
    task_id = claimed(records, MESSAGE)
    why = {"type": "Slow", "message": "the shop answers late"}

    fields: Changes = {"status": "Waiting", "error": why}
    write = StateWrite(task_id, HERE, Phase.RUNNING, fields, "{}", "long_task", 4)
    assert records.runs.write(write) == Outcome.WRITTEN

    assert shown(records, task_id).error == why


def test_reports_put_the_end_of_their_record_off(records: Records):
    task_id = claimed(records, MESSAGE)
    names = [records.keys.record(task_id), records.keys.celery(task_id)]
    records.client.hset(names[0], mapping={"ttl_refreshed_at": 1, "point_due": 0})
    for name in names:
        records.client.pexpire(name, 60_000)

    assert records.runs.write(report(task_id, {"status": "hours later"})) == "written"

    assert all(records.client.pttl(name) > records.ttl for name in names)


def test_an_ended_task_keeps_no_field_of_its_run(records: Records):
    task_id = claimed(records, MESSAGE)
    save = {"current": 1, "total": 10, "step": STEP}
    records.runs.write(report(task_id, save, saved=save_text(1)))
    end = report(task_id, {"current": 10, "total": 10})._replace(phase=Phase.SUCCEEDED)
    whole = end._replace(fields={**end.fields, "result": None, "step": None, "error": None})

    assert records.runs.write(whole) == "written"

    record = records.client.hgetall(records.keys.record(task_id))
    of_a_run = {"run", "max_fraction", "bar", "point_due", "delivery", "worker"}
    assert not {*of_a_run, "ttl_refreshed_at"} & record.keys()
    assert not {"", "null", '""'} & set(record.values())
    snapshot = shown(records, task_id)
    assert snapshot is not None
    assert (snapshot.result, snapshot.error, snapshot.step, snapshot.total) == (
        None,
        None,
        None,
        10,
    )


def test_of_an_ended_task_what_seldom_changes_is_kept_once(records: Records):
    tricky = '","attempt":9,"x":"\\'
    task_id = claimed(records, {**MESSAGE, "options": {"queue": "celery", "headers": TITLED}})
    fields: Changes = {"status": "no", "error": {"type": "ValueError", "message": tricky}}
    end = StateWrite(task_id, HERE, Phase.FAILED, fields, "{}", "long_task", 4)
    assert records.runs.write(end) == "written"
    key = records.keys.record(task_id)
    before = shown(records, task_id)

    loaded = "local fields = load(KEYS[1]).fields return {static_members(fields), fields.static}"
    made, kept = records.client.eval(f"{shared_source()}set_prefix('') {loaded}", 1, key)

    assert made == kept
    kept_apart = set(records.client.hkeys(key))
    assert not {"name", "created_at", "finished_at", "max_attempts"} & kept_apart
    assert (before.error["message"], before.attempt, before.name) == (tricky, 1, "long_task")
