"""What a run saves is where the next run of its task goes on, whatever ended the first one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery, current_task
from celery.exceptions import Ignore, Retry

from headway import progress
from headway.celery.run.children import Address, InChild
from headway.celery.run.runs import Stopped
from headway.snapshot import Phase
from headway.store.model import NO_SOURCE, Delivery, Source, StateWrite
from headway.store.records import Records
from tests.bodies import live_celery, read, run_task
from tests.by_hand import save_text

SAVE = save_text(1, "saved")


class Killed(BaseException):
    """The end of a run's process, as far as its body can tell."""


class Runs:
    """Runs the same body again and again under one task id, as after a lost worker."""

    def __init__(self, celery: Celery, records: Records) -> None:
        self.celery = celery
        self._records = records
        self.task_id = str(uuid4())

    def __call__(self, body: Callable[[], Any]) -> None:
        """Run a body; a Killed that it raises loses the run."""
        task = self.celery.task(name=f"body-{uuid4()}", shared=False)(body)
        try:
            run_task(task, self.task_id)
        except BaseException as error:
            if type(error).__name__ != "Killed":
                raise
        self._records.maintenance.release([(self.task_id, self.fence)])

    @property
    def fence(self) -> str:
        return str(self._records.client.hget(f"headway:task:{self.task_id}", "fence"))


@pytest.fixture
def runs(redis_url: str, records: Records) -> Iterator[Runs]:
    app = live_celery(redis_url)
    yield Runs(app, records)
    app.close()


def test_a_run_goes_on_at_what_the_last_one_saved(runs: Runs):
    seen: list[Any] = []

    def body() -> None:
        seen.append(progress.saved)
        progress.save({"page": 3, "names": ["ä", None]})
        seen.append(progress.saved)
        raise Killed

    runs(body)
    runs(body)

    assert seen == [None, *3 * [{"page": 3, "names": ["ä", None]}]]


def test_a_save_says_which_it_is_and_which_run_saved_something_new_last(
    runs: Runs, records: Records
):
    told: list[tuple[int, str]] = []
    tokens: list[str] = []

    def save(value: Any) -> None:
        progress.save(value)
        found = json.loads(records.client.hget(f"headway:task:{runs.task_id}", "saved"))
        told.append((found["number"], found["by"]))

    def body() -> None:
        tokens.append(runs.fence)
        for page in pages.pop(0):
            save({"page": page})
        raise Killed

    pages = [[1, 2], [2], [2, 3, 2]]
    for _ in tuple(pages):
        runs(body)

    first, _, third = tokens
    by = [first, first, first, first, third, third]
    assert told == list(enumerate(by, start=1))


def test_what_is_saved_is_stored_as_the_call_returns(runs: Runs, records: Records):
    stored: list[Any] = []

    def body() -> None:
        for page in range(3):
            progress.set(current=page, total=3)
            progress.save(page)
            found = records.client.hget(f"headway:task:{runs.task_id}", "saved")
            stored.append((json.loads(found)["value"], read(records, runs.task_id).current))

    runs(body)

    assert stored == [(page, page) for page in range(3)]


@pytest.mark.parametrize(
    ("value", "error", "why"),
    [
        ("x" * 65_537, ValueError, "65539 bytes as JSON, and may be 65536"),
        ({1: 2}, TypeError, "the key 1 is not text"),
        (object(), TypeError, "not JSON serializable"),
        (float("nan"), TypeError, "has to be JSON"),
        ({1, 2}, TypeError, "has to be JSON"),
    ],
    ids=["large", "key", "object", "nan", "set"],
)
def test_what_cannot_be_saved_is_refused_and_loses_nothing(
    runs: Runs, value: Any, error: type[Exception], why: str
):
    seen: list[Any] = []

    def body() -> None:
        seen.append(progress.saved)
        progress.save("before")
        with pytest.raises(error, match=why):
            progress.save(value)

    runs(body)
    runs(body)

    assert seen == [None, "before"]


def test_outside_a_task_nothing_is_saved_and_a_loop_is_a_loop():
    progress.save(1)

    assert progress.saved is None
    assert list(progress.track([1, 2], resume=True)) == [1, 2]
    assert list(progress.track(lambda _: [3, 4], resume_from=lambda key: key)) == [3, 4]
    with pytest.raises(AttributeError):
        progress.save_all  # noqa: B018  -- a misspelt name is an error as in any module


@pytest.mark.parametrize(
    "use",
    [
        lambda: progress.save(1),
        lambda: progress.saved,
        lambda: list(progress.track([1], resume=True)),
    ],
    ids=["save", "saved", "track"],
)
def test_a_child_process_of_a_run_is_told_that_it_cannot_save(use: Callable[[], Any]):
    with pytest.raises(RuntimeError, match="Save, stream and ask in the task itself"):
        InChild(Address("/nowhere", 0, str(uuid4())), use)()


def test_a_run_that_has_lost_its_task_saves_and_reads_nothing_more(runs: Runs, records: Records):
    def body() -> None:
        progress.save("mine")
        records.maintenance.release([(runs.task_id, runs.fence)])
        with pytest.raises(Stopped):
            progress.save("late")
        raise Killed

    with pytest.raises(Ignore):
        runs(body)

    kept = records.client.hget(f"headway:task:{runs.task_id}", "saved")
    assert json.loads(kept)["value"] == "mine"


def test_a_run_that_is_over_for_its_retry_leaves_the_task_to_that(runs: Runs, records: Records):
    def body() -> None:
        with suppress(Retry):
            current_task.retry(countdown=60)
        records.runs.request_stop([(runs.task_id, runs.fence)])
        progress.save("seen")

    with pytest.raises(Retry):
        runs(body)

    assert read(records, runs.task_id).phase == Phase.RUNNING  # until Celery stores the retry


def claimed(
    records: Records, task_id: str, token: str, order: int = 0, source: Source = NO_SOURCE
) -> Delivery:
    delivery = Delivery(token, order)
    options = {"queue": "q", "replaced_task_nesting": order // 1_000_000}
    message = {"task": "t", "args": [], "kwargs": {}, "options": options}
    outcome = records.runs.claim(
        task_id, delivery, "run", message=message, max_attempts=4, hostname="h", source=source
    )
    assert outcome == "claimed"
    return delivery


def save(records: Records, task_id: str, run: Delivery, saved: str = SAVE, **more: Any) -> str:
    write = StateWrite(task_id, run, Phase.RUNNING, {}, "{}", "t", 4, saved=saved, **more)
    return records.runs.write(write)


def test_a_retry_keeps_what_was_saved_and_the_end_of_the_record_ends_it(records: Records):
    task_id = str(uuid4())
    first = claimed(records, task_id, "first")
    assert save(records, task_id, first) == "written"
    retry = StateWrite(task_id, first, Phase.RETRYING, {}, "{}", "t", 4)
    assert records.runs.write(retry) == "written"
    second = claimed(records, task_id, "second", 1)

    assert records.runs.read_saved(task_id, first)[:2] == ("stale", "")
    assert records.runs.read_saved(task_id, second)[:2] == ("read", SAVE)
    assert save(records, task_id, first) == "stale"

    records.forget(task_id)
    assert records.runs.read_saved(task_id, second)[:2] == ("read", "")


def test_another_task_that_takes_over_an_id_begins_without_a_save(records: Records):
    task_id = str(uuid4())
    save(records, task_id, claimed(records, task_id, "first"))

    replacement = claimed(records, task_id, "second", 1_000_000)

    assert records.runs.read_saved(task_id, replacement)[:2] == ("read", "")


def test_a_new_send_of_an_id_whose_task_has_ended_starts_over(records: Records):
    task_id = str(uuid4())
    first = claimed(records, task_id, "first", source=Source("one"))
    save(records, task_id, first)
    records.runs.write(StateWrite(task_id, first, Phase.FAILED, {}, "{}", "t", 4))

    second = claimed(records, task_id, "second", source=Source("two"))

    assert records.runs.read_saved(task_id, second)[:2] == ("read", "")


def test_the_broker_does_not_give_back_what_left_with_a_save(records: Records):
    records.client.hset("unacked", "tag", "message")
    task_id = str(uuid4())
    source = Source(held="unacked unacked_index tag")
    run = claimed(records, task_id, "first", source=source)
    records.runs.request_stop([(task_id, "first")])

    assert save(records, task_id, run, may_stop=True) == "requeued"

    assert not records.client.hexists("unacked", "tag")


def test_a_run_of_a_stopping_worker_ends_at_its_next_save_and_not_before(records: Records):
    task_id = str(uuid4())
    run = claimed(records, task_id, "first")
    records.runs.request_stop([(task_id, "first"), (str(uuid4()), "unknown")])

    assert save(records, task_id, run) == "written", "a report sent by the run's own thread"
    report = StateWrite(task_id, run, Phase.RUNNING, {"current": 1}, "{}", "t", 4)
    assert records.runs.write(report) == "written"
    assert save(records, task_id, run, save_text(2), may_stop=True) == "requeued"

    assert read(records, task_id).phase == Phase.QUEUED
    assert records.client.hget(f"headway:task:{task_id}", "failures") == "0"
    assert records.client.zscore("headway:outbox", task_id) is not None, "it is sent again"
    assert save(records, task_id, run, save_text(3), may_stop=True) == "superseded"
    second = claimed(records, task_id, "second")
    outcome = save(records, task_id, second, save_text(3), may_stop=True)
    assert outcome == "written", "it was not asked"


def test_what_a_run_saves_as_it_leaves_is_stored_whatever_a_former_worker_asks(records: Records):
    task_id = str(uuid4())
    claimed(records, task_id, "first")
    records.maintenance.release([(task_id, "first")])
    run = claimed(records, task_id, "second")
    records.runs.request_stop([(task_id, "second")])
    records.runs.request_stop([(task_id, "first")])

    assert save(records, task_id, run, may_stop=True) == "requeued"

    third = claimed(records, task_id, "third")
    assert records.runs.read_saved(task_id, third)[:2] == ("read", SAVE)


def test_a_cancelled_run_that_is_asked_to_stop_ends_as_cancelled(records: Records):
    task_id = str(uuid4())
    run = claimed(records, task_id, "first")
    records.runs.request_stop([(task_id, "first")])
    records.cancel(task_id)

    assert save(records, task_id, run, may_stop=True) == "cancelling"
