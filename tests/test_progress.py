"""What a run reports: through `headway.progress` it never waits and its viewers miss nothing, at
ten times a second; by
Celery's `update_state` all is stored, and only one who says little waits for the reply."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery, current_task
from celery.app.task import Context
from celery.exceptions import Ignore

from headway import progress
from headway.celery.run.report_sender import LONG_SECONDS, MAX_UNREAD, ReportSender
from headway.celery.run.runs import Stopped
from headway.snapshot import Phase
from headway.store.connection import FunctionPipeline
from headway.store.errors import RedisUnavailable
from headway.store.model import Outcome
from headway.store.output import OutputRecords
from headway.store.records import Records
from tests.bodies import pushes, read, run
from tests.processes import PATIENCE_SECONDS, Valkey, wait_for


def test_a_tight_loop_is_pushed_at_most_ten_times_a_second_and_to_its_last_word(
    celery: Celery, records: Records
):
    with pushes(records) as seen:

        def body() -> None:
            progress.set(total=10**9)
            end = time.monotonic() + 1.0
            while time.monotonic() < end or len(seen()) < 4:
                progress.update()

        began = time.monotonic()
        run(celery, body)
        seconds = time.monotonic() - began
        reports = seen()[1:]  # the first is the claim

    assert len(reports) <= 10 * seconds + 2
    currents = [snapshot.current for snapshot in reports]
    assert currents == sorted(set(currents))
    assert currents[-1] > 1000


def test_the_first_word_is_sent_at_once_and_beside_the_run(celery: Celery, records: Records):
    def body() -> None:
        progress.set(status="reading")
        wait_for(lambda: read(records, current_task.request.id).status == "reading")

    run(celery, body)


def test_each_step_is_sent_however_short_it_is(celery: Celery, records: Records):
    def body() -> None:
        for index in range(1, 6):
            with progress.step(f"part {index}", index, 5):
                pass

    with pushes(records) as seen:
        run(celery, body)
        steps = [snapshot.step for snapshot in seen()]

    names = [step["name"] for step in steps if step]
    assert names == [f"part {index}" for index in range(1, 6)]
    assert steps[-1] is None


def test_a_total_is_never_shown_with_a_number_of_another(celery: Celery, records: Records):
    def body() -> None:
        end = time.monotonic() + 0.6
        while time.monotonic() < end:
            for current, total in ((1, 10), (900, 1000)):
                progress.set(current=current, total=total)

    with pushes(records) as seen:
        run(celery, body)
        pairs = {(snapshot.current, snapshot.total) for snapshot in seen()}

    assert pairs <= {(0, 1), (1, 10), (900, 1000)}


def test_track_counts_what_it_yields(celery: Celery, records: Records):
    got: list[int] = []

    def body() -> None:
        got.extend(progress.track(iter(range(7)), "Reading", total=7))

    task_id = run(celery, body)

    assert got == list(range(7))
    end = read(records, task_id)
    assert (end.current, end.total, end.status) == (7, 7, "Reading")


def test_a_hung_redis_holds_no_run_up_and_the_newest_word_arrives_after_it(
    celery: Celery, records: Records, valkey: Valkey
):
    worst = 0.0

    def body() -> None:
        nonlocal worst
        progress.update()
        wait_for(lambda: read(records, current_task.request.id).current == 1)
        valkey.freeze()
        try:
            for _ in range(30):
                begun = time.monotonic()
                progress.update()
                progress.log("a line")
                worst = max(worst, time.monotonic() - begun)
                time.sleep(0.02)
        finally:
            valkey.thaw()
        wait_for(lambda: read(records, current_task.request.id).current == 31)

    task_id = run(celery, body)

    assert worst < PATIENCE_SECONDS / 2  # of which each would take all that waits for Redis
    assert [line["text"] for line in records.queries.read_log(task_id, 0)["lines"]] == [
        "a line"
    ] * 30


def test_lines_that_wait_too_long_are_missed_by_name_and_no_newer_one_is(
    celery: Celery, records: Records, monkeypatch: pytest.MonkeyPatch
):
    store = OutputRecords.log
    refusals = iter([True])

    def log(self: OutputRecords, *args: Any) -> bool:
        if next(refusals, False):
            progress.log("said while the others are on their way")
            raise RedisUnavailable
        return store(self, *args)

    monkeypatch.setattr("headway.celery.run.log_lines.MAX_LINES", 3)
    # the test sends itself
    monkeypatch.setattr("headway.celery.run.sections.FLUSHER", SimpleNamespace(add=bool))
    monkeypatch.setattr(OutputRecords, "log", log)

    def body() -> None:
        for number in range(4):
            progress.log(f"line {number}")
        progress.flush()
        progress.flush()

    lines = records.queries.read_log(run(celery, body), 0)["lines"]

    assert [line["text"] for line in lines] == [
        "2 lines are missing here: Redis did not take them in time.",
        "line 2",
        "line 3",
        "said while the others are on their way",
    ]


def test_a_failing_run_leaves_its_last_words(celery: Celery, records: Records):
    ids: list[str] = []

    def body() -> None:
        ids.append(current_task.request.id)
        for _ in progress.track(range(5), "Reading"):
            progress.log("row")
        raise KeyError("after the last row")

    with pytest.raises(KeyError):
        run(celery, body)

    assert (read(records, ids[0]).current, len(records.queries.read_log(ids[0], 0)["lines"])) == (
        5,
        5,
    )


@pytest.mark.parametrize("say", ["update", "set", "log", "step", "track", "update_state"])
def test_the_next_word_of_a_cancelled_run_ends_it_whatever_it_catches(
    celery: Celery, records: Records, say: str
):
    words: dict[str, Callable[[], Any]] = {
        "update": progress.update,
        "set": lambda: progress.set(current=next(count)),
        "log": lambda: progress.log("line"),
        "step": lambda: progress.step("s").__enter__(),
        "track": lambda: list(progress.track([next(count)])),
        "update_state": lambda: current_task.update_state(meta={"status": str(next(count))}),
    }
    count = itertools.count()
    ids = []

    def body() -> None:
        ids.append(current_task.request.id)
        progress.update()
        records.cancel(ids[0])
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                progress.set(status=str(next(count)))  # so that there is something to send
                words[say]()
                time.sleep(0.01)
            except Exception:
                pass
        raise AssertionError("never told")

    with pytest.raises(Ignore, match="cancelling"):
        run(celery, body)

    assert read(records, ids[0]).phase == Phase.CANCELLED


def test_updates_of_the_state_in_quick_succession_wait_for_no_reply_and_are_all_stored(
    celery: Celery,
    records: Records,
    valkey: Valkey,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    monkeypatch.setattr("headway.celery.run.report_sender.OFTEN_SECONDS", 60)

    def body() -> None:
        for done in range(3):
            current_task.update_state(meta={"current": done, "total": 5})
        wait_for(lambda: read(records, current_task.request.id).current == 2)
        valkey.freeze()
        try:
            current_task.update_state(meta={"current": 3, "total": 5})
        finally:
            valkey.thaw()

    with pushes(records) as seen:
        run(celery, body)
        reports = seen()[1:]  # the first is the claim

    assert [snapshot.current for snapshot in reports] == [0, 1, 2, 3]
    assert not caplog.records


def test_updates_of_the_state_at_once_are_on_their_way_before_the_replies_to_those_before(
    celery: Celery,
    records: Records,
    valkey: Valkey,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    monkeypatch.setattr("headway.celery.run.report_sender.AT_ONCE_SECONDS", 60)

    def body() -> None:
        current_task.update_state(meta={"current": 0, "total": 5})
        valkey.freeze()
        try:
            for done in range(1, 5):  # to wait for a reply would take longer than the client waits
                current_task.update_state(meta={"current": done, "total": 5})
        finally:
            valkey.thaw()

    with pushes(records) as seen:
        run(celery, body)
        reports = seen()[1:]  # the first is the claim

    assert [snapshot.current for snapshot in reports] == [0, 1, 2, 3, 4]
    assert not caplog.records


def test_a_cancelled_run_that_never_stops_talking_hears_of_it_a_few_reports_later(
    celery: Celery, records: Records, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("headway.celery.run.report_sender.AT_ONCE_SECONDS", 60)

    def body() -> None:
        current_task.update_state(meta={"status": "one"})
        records.cancel(current_task.request.id)
        for _ in range(MAX_UNREAD):
            current_task.update_state(meta={"status": "two"})
        with pytest.raises(Stopped, match="cancelling"):
            current_task.update_state(meta={"status": "three"})

    with pytest.raises(Ignore, match="cancelling"):
        run(celery, body)


def test_a_cancelled_run_that_seldom_says_something_hears_of_it_in_the_same_call(
    celery: Celery, records: Records, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("headway.celery.run.report_sender.OFTEN_SECONDS", 0)

    def body() -> None:
        current_task.update_state(meta={"status": "one"})
        records.cancel(current_task.request.id)
        with pytest.raises(Stopped, match="cancelling"):
            current_task.update_state(meta={"status": "two"})

    with pytest.raises(Ignore, match="cancelling"):  # what it returns lacks what was ended
        run(celery, body)


def test_a_call_waits_once_for_a_slow_redis_and_sends_every_report(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("headway.celery.run.report_sender.OFTEN_SECONDS", 0)
    monkeypatch.setattr("headway.celery.run.report_sender.AT_ONCE_SECONDS", 0)
    events: list[str] = []

    def begin_report(
        _request: Context, _state: str, number: int, *, pipeline: FunctionPipeline
    ) -> Callable[[], Outcome]:
        events.append(f"sent {number}")

        def slow() -> Outcome:
            time.sleep(LONG_SECONDS + 0.01)
            events.append(f"replied {number}")
            return Outcome.UNSTORED

        return slow

    backend: Any = SimpleNamespace(
        runs=SimpleNamespace(begin_report=begin_report, pipeline=lambda: FunctionPipeline(None))
    )
    sender = ReportSender()
    sender.send(backend, Context(), "PROGRESS", 1)
    monkeypatch.setattr("headway.celery.run.report_sender.OFTEN_SECONDS", 60)
    sender.send(backend, Context(), "PROGRESS", 2)
    monkeypatch.setattr("headway.celery.run.report_sender.OFTEN_SECONDS", 0)
    sender.send(backend, Context(), "PROGRESS", 3)

    # The third would wait for its own reply, had it not waited for the second's.
    assert events == ["sent 1", "replied 1", "sent 2", "replied 2", "sent 3"]
    sender.close()
    assert events[-1] == "replied 3"


def test_a_report_that_cannot_be_made_is_the_callers_and_holds_up_no_other():
    sent: list[object] = []

    def begin_report(
        _request: Context, _state: str, meta: object, *, pipeline: FunctionPipeline
    ) -> Callable[[], Outcome]:
        if meta == "bad":
            raise ValueError(meta)
        sent.append(meta)
        return lambda: "written"

    backend: Any = SimpleNamespace(
        runs=SimpleNamespace(begin_report=begin_report, pipeline=lambda: FunctionPipeline(None))
    )
    sender = ReportSender()
    sender.send(backend, Context(), "PROGRESS", 1)
    with pytest.raises(ValueError, match="bad"):
        sender.send(backend, Context(), "PROGRESS", "bad")
    sender.send(backend, Context(), "PROGRESS", 2)

    assert sent == [1, 2]


def test_outside_a_task_and_in_an_eager_one_nothing_is_said(celery: Celery, records: Records):
    def body() -> None:
        progress.update()
        progress.set(current=1, total=2, status="x")
        progress.log("x")
        with progress.step("x"):
            assert list(progress.track([1, 2])) == [1, 2]

    body()
    assert celery.task(body).apply().successful()

    assert records.client.keys("headway:task:*") == []
