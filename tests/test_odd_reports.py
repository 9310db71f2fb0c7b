"""A value that cannot be shown, or a report that cannot be sent, costs that, and neither the
task nor another.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from celery import Celery, current_task

from headway import progress
from headway.celery.run.log_lines import MAX_CHARS
from headway.celery.run.progress_sender import FLUSHER
from headway.celery.run.runs import HERE
from headway.celery.storing.run_store import RunStore
from headway.progress import MAX_LINE_CHARS
from headway.store.errors import RedisUnavailable
from headway.store.functions import Functions
from headway.store.output import OutputRecords
from headway.store.records import Records
from tests.bodies import read, run
from tests.processes import wait_for
from tests.test_values import NO_NUMBERS, NUMBERS, Broken, Lazy

ODD = [value for value, _ in NUMBERS] + NO_NUMBERS


@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
def test_whatever_is_said_by_progress_the_rest_of_it_is_shown(
    celery: Celery, records: Records, value: Any
):
    def body() -> None:
        progress.set(current=value, total=value, status=value)
        progress.update(value)
        with progress.step(value, value, value):
            for _ in progress.track([1, 2], value, value):
                pass
            progress.log(value, level=value)
        progress.log("line")
        progress.set(current=3, total=5, status="rows")

    task_id = run(celery, body)

    end = read(records, task_id)
    assert (end.current, end.total, end.status) == (3, 5, "rows")
    assert records.queries.read_log(task_id, 0)["lines"][-1]["text"] == "line"


@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
def test_whatever_lies_in_a_meta_the_rest_of_it_is_shown_also_to_a_stock_client(
    celery: Celery, records: Records, value: Any
):
    def body() -> None:
        meta = {
            "current": 3,
            "total": 5,
            "status": "rows",
            "odd": value,
            "deep": {"list": [value, {"odd": value}]},
        }
        current_task.update_state(meta=meta)
        current_task.update_state(
            meta={**meta, "step": {"name": value, "index": value, "current": value}}
        )
        current_task.update_state(meta=[value])
        current_task.update_state(meta=meta)

    task_id = run(celery, body)

    end = read(records, task_id)
    assert (end.current, end.total, end.status) == (3, 5, "rows")
    told = celery.AsyncResult(task_id).info
    assert (told["current"], told["status"]) == (3, "rows")


def test_numbers_of_another_library_are_shown_as_they_are_said(celery: Celery, records: Records):
    shown: list[Any] = []

    def body() -> None:
        for value, _ in NUMBERS:
            progress.set(current=0, total=2**80)
            progress.update(value)
            progress.flush()
            shown.append(progress_now())

    def progress_now() -> float:
        return read(records, current_task.request.id).current

    run(celery, body)

    assert shown[:1] == [0]
    assert shown[-1] == 2**70


def test_a_status_that_is_made_late_is_made_by_the_run(celery: Celery, records: Records):
    threads: list[threading.Thread] = []

    class Late(Lazy):
        def __str__(self) -> str:
            threads.append(threading.current_thread())
            return super().__str__()

    def body() -> None:
        progress.set(status=Late())  # type: ignore[arg-type]

    assert read(records, run(celery, body)).status == "gelesen"
    assert threads == [threading.current_thread()]


def test_a_loop_over_what_has_no_length_yet_is_a_loop_of_unknown_length(
    celery: Celery, records: Records
):
    class Rows(Broken):
        def __iter__(self) -> Iterator[int]:
            return iter([1, 2, 3])

    def body() -> None:
        assert list(progress.track(Rows())) == [1, 2, 3]

    end = read(records, run(celery, body))
    assert (end.current, end.total) == (3, None)


ERRORS = [
    ValueError("bug"),
    MemoryError(),
    redis.ResponseError("WRONGTYPE"),
    OSError(),
    RecursionError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_one_run_that_cannot_be_sent_costs_no_other_and_not_itself(
    celery: Celery,
    records: Records,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
):
    report = RunStore.report

    def report_or_raise(
        self: RunStore, request: Any, state: str, meta: Any, *rest: Any, **saved: Any
    ) -> str:
        if meta["status"].startswith("bad"):
            raise error
        return report(self, request, state, meta, *rest, **saved)

    monkeypatch.setattr(RunStore, "report", report_or_raise)

    def bad() -> None:
        for number in range(3):
            progress.set(current=number, total=5, status=f"bad {number}")
            progress.flush()
        progress.set(current=4, status="good")
        run(celery, neighbour)

    def neighbour() -> None:
        progress.set(status="here")
        # the thread goes on
        wait_for(lambda: read(records, current_task.request.id).status == "here")

    with caplog.at_level(logging.ERROR):
        task_id = run(celery, bad)

    assert (read(records, task_id).current, read(records, task_id).status) == (4, "good")
    assert len([record for record in caplog.records if "is not sent" in record.message]) == 1


@pytest.mark.parametrize("what", ["flush", "_send_first"])
def test_the_sending_thread_ends_by_nothing(
    celery: Celery, records: Records, monkeypatch: pytest.MonkeyPatch, what: str
):
    def body() -> None:
        progress.set(status="first")
        sender = next(iter(FLUSHER._buffers))
        failed = threading.Event()

        def broken(*_: object) -> None:
            failed.set()
            raise KeyError("a bug")

        with monkeypatch.context() as patched:
            patched.setattr(sender, what, broken)
            assert failed.wait(30)
        progress.set(status="after")
        wait_for(lambda: read(records, current_task.request.id).status == "after")

    run(celery, body)


def test_texts_are_cut_with_a_mark_before_they_are_sent(
    celery: Celery, records: Records, monkeypatch: pytest.MonkeyPatch
):
    sent: list[int] = []
    begin = Functions.begin

    def measured(self: Functions, function: str, keys: Any, args: Any, *rest: Any) -> Any:
        sent.append(sum(len(str(arg)) for arg in args))
        return begin(self, function, keys, args, *rest)

    monkeypatch.setattr(Functions, "begin", measured)

    def body() -> None:
        with progress.step("n" * 200_000, 1, 2):
            progress.set(current=1, total=2, status="s " * 1_000_000)
            progress.log("l" * 3_000_000, level="LOUD" * 1000)
            names.append(HERE.get().name)
            progress.flush()
            step.append(read(records, current_task.request.id))
        current_task.update_state(meta={"status": "u" * 60_000, "step": {"name": "n" * 200_000}})

    step: list[Any] = []
    names: list[str] = []
    task_id = run(celery, body)

    assert len(names[0]) == 500
    [line] = records.queries.read_log(task_id, 0)["lines"]
    assert (len(line["text"]), line["text"][-2:]) == (MAX_LINE_CHARS, "l…")
    assert (len(line["level"]), line["level"][-1]) == (20, "…")
    assert (len(step[0].step["name"]), step[0].step["name"][-2:]) == (500, "n…")
    assert (len(step[0].status), step[0].status[-1]) == (500, "…")
    assert max(sent) < 70_000 + 200_000


def test_lines_that_wait_for_redis_take_bounded_room(
    celery: Celery, records: Records, monkeypatch: pytest.MonkeyPatch
):
    store = OutputRecords.log
    is_away = True

    def log(self: OutputRecords, *args: Any) -> bool:
        if is_away:
            raise RedisUnavailable
        return store(self, *args)

    monkeypatch.setattr(OutputRecords, "log", log)

    def body() -> None:
        nonlocal is_away
        for number in range(800):
            progress.log(f"{number} " + "x" * 5000)
        progress.flush()
        sender = next(iter(FLUSHER._buffers))
        buffer = sender._buffer
        with buffer._writing:
            waiting.append(sum(len(text) for _, text in buffer._lines._lines))
        is_away = False

    waiting: list[int] = []
    lines = records.queries.read_log(run(celery, body), 0)["lines"]

    assert waiting[0] <= MAX_CHARS
    assert (
        lines[0]["text"]
        == f"{800 - (len(lines) - 1)} lines are missing here: Redis did not take them in time."
    )
    assert lines[-1]["text"].startswith("799 x")


def words() -> dict[str, Callable[[Any], Any]]:
    return {"set": lambda value: progress.set(current=value), "update": progress.update}


@pytest.mark.parametrize("word", words())
def test_one_number_that_is_none_spoils_no_sum(celery: Celery, records: Records, word: str):
    def body() -> None:
        progress.set(current=0, total=1000)
        for value in (1, float("nan"), 2, float("inf"), 3, 10**400, None, "x"):
            words()[word](value)

    assert read(records, run(celery, body)).current == {"set": 3, "update": 6}[word]
