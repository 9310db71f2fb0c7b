"""A side effect that a task has once, whatever number of runs it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from celery.exceptions import Ignore, SoftTimeLimitExceeded

from headway import progress
from headway.celery.run.runs import Stopped
from headway.exceptions import OutcomeUnknown
from headway.store.effects import EffectRecords
from headway.store.errors import RedisUnavailable
from headway.store.records import Records
from tests.bodies import read
from tests.test_checkpoints import Killed, Runs, claimed, runs

__all__ = ["runs"]


class Charge:
    """An effect that notes how often it took place.

    Given a function, it calls that before the step that counts, and fails before it or after it.
    """

    def __init__(self, *ends: BaseException, is_early: bool = False) -> None:
        self._ends = list(ends)
        self._is_early = is_early
        self.times = 0

    def __call__(self, commit: Callable[[], None] | None = None) -> dict[str, Any]:
        if commit:
            if self._ends and self._is_early:
                raise self._ends.pop(0)
            commit()
        self.times += 1
        if self._ends:
            raise self._ends.pop(0)
        return {"receipt": self.times, "of": ("a", None)}


RECEIPT = {"receipt": 1, "of": ["a", None]}


def test_it_takes_place_once_and_its_result_is_kept(runs: Runs):
    charge = Charge()
    results: list[Any] = []

    def body() -> None:
        for _ in range(2):
            results.append(progress.once("charge", charge))
        raise Killed

    runs(body)
    runs(body)

    assert (charge.times, results) == (1, [RECEIPT] * 4)


@pytest.mark.parametrize("end", [Killed(), SoftTimeLimitExceeded()], ids=["killed", "time limit"])
def test_where_a_run_died_within_it_nobody_can_know(runs: Runs, end: BaseException):
    charge = Charge(end)
    errors: list[str] = []

    def body() -> None:
        if charge.times:
            for _ in range(2):
                with pytest.raises(OutcomeUnknown, match="'charge' was begun"):
                    progress.once("charge", charge)
            errors.append("told")
        else:
            try:
                progress.once("charge", charge)
            except SoftTimeLimitExceeded:
                raise Killed from None

    runs(body)
    runs(body)

    assert (charge.times, errors) == (1, ["told"])


def test_threads_of_a_run_wait_for_one_effect(runs: Runs):
    results: list[Any] = []
    times: list[float] = []

    def charge() -> int:
        time.sleep(0.05)
        times.append(time.monotonic())
        return len(times)

    def body() -> None:
        with ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(progress.once, "charge", charge, charge) for _ in range(4)]
        results.extend(call.result() for call in calls)

    runs(body)

    assert (len(times), results) == (1, [1] * 4)


def test_a_requested_stop_waits_for_the_effect(runs: Runs, records: Records):
    results: list[Any] = []

    def charge() -> int:
        records.runs.request_stop([(runs.task_id, runs.fence)])
        progress.save("half")
        return 1

    def body() -> None:
        results.append(progress.once("charge", charge))
        progress.save("charged")
        results.append("gone on")

    with pytest.raises(Ignore):
        runs(body)
    runs(body)

    assert results == [1, 1, "gone on"]


def test_a_question_leaves_no_effect_in_doubt(runs: Runs):
    errors: list[str] = []

    def body() -> None:
        try:
            progress.once("charge", lambda: progress.ask("How much?"))
        except RuntimeError as error:
            errors.append(str(error))
        assert progress.once("charge", lambda: 3) == 3

    runs(body)

    assert errors == [
        "The run would end here within progress.once('charge', ...), which would leave that in "
        "doubt: ask before it, or give it in_doubt=."
    ]


def test_what_is_in_doubt_is_looked_up_and_that_is_kept(runs: Runs):
    charge = Charge(Killed())
    lookups = [ConnectionError("away"), "found"]
    results: list[Any] = []

    def look_up() -> Any:
        found = lookups.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def body() -> None:
        if charge.times:
            with pytest.raises(ConnectionError):
                progress.once("charge", charge, look_up)
            results.append(progress.once("charge", charge, look_up))
        results.append(progress.once("charge", charge))

    runs(body)
    runs(body)

    assert (charge.times, results) == (1, ["found", "found"])


def test_one_that_raises_has_not_taken_place(runs: Runs):
    charge = Charge(ConnectionError("refused"))
    results: list[Any] = []

    def body() -> None:
        with pytest.raises(ConnectionError):
            progress.once("charge", charge)
        results.append(progress.once("charge", charge)["receipt"])

    runs(body)

    assert results == [2]


@pytest.mark.parametrize("is_early", [True, False])
def test_only_the_step_that_counts_can_be_in_doubt(runs: Runs, is_early: bool):
    charge = Charge(Killed(), is_early=is_early)
    results: list[Any] = []

    def body() -> None:
        try:
            results.append(progress.once("charge", charge, commits=True))
        except OutcomeUnknown as error:
            results.append(type(error))

    runs(body)
    runs(body)
    runs(body)

    assert charge.times == 1
    assert results == ([RECEIPT] * 2 if is_early else [OutcomeUnknown] * 2)


@pytest.mark.parametrize("is_early", [True, False])
def test_a_step_that_fails_may_come_again(runs: Runs, is_early: bool):
    charge = Charge(ConnectionError("refused"), is_early=is_early)

    def body() -> None:
        with pytest.raises(ConnectionError):
            progress.once("charge", charge, commits=True)
        raise Killed

    results: list[Any] = []

    def next_body() -> None:
        results.append(progress.once("charge", charge, commits=True))

    runs(body)
    runs(next_body)

    assert results == [{"receipt": 1 if is_early else 2, "of": ["a", None]}]


def test_what_ends_without_its_step_is_kept(runs: Runs):
    told = ["refused", "accepted"]
    results: list[Any] = []

    def body() -> None:
        results.append(progress.once("charge", lambda _: told.pop(0), commits=True))

    runs(body)
    runs(body)

    assert results == ["refused", "refused"]


def test_an_effect_may_say_itself_that_nobody_can_know(runs: Runs):
    charge = Charge(OutcomeUnknown("no reply"))
    errors: list[str] = []

    def body() -> None:
        for _ in range(2):
            with pytest.raises(OutcomeUnknown) as told:
                progress.once("charge", charge)
            errors.append(str(told.value)[:10])

    runs(body)

    assert (charge.times, errors) == (1, ["no reply", "'charge' wa"[:10]])


def test_of_two_calls_at_once_one_takes_the_step(runs: Runs):
    charge = Charge()

    def call_within_a_call(commit: Callable[[], None]) -> Any:
        progress.once("charge", charge, commits=True)
        return charge(commit)

    def body() -> None:
        with pytest.raises(OutcomeUnknown, match="by another call meanwhile"):
            progress.once("charge", call_within_a_call, commits=True)

    runs(body)

    assert charge.times == 1


@pytest.mark.parametrize("comes_late", [True, False])
def test_a_run_that_was_cancelled_does_not_take_its_step(
    runs: Runs, records: Records, comes_late: bool
):
    charge = Charge()

    def cancel_and_charge(commit: Callable[[], None]) -> Any:
        records.cancel(runs.task_id)
        return charge(commit)

    def body() -> None:
        if not comes_late:
            records.cancel(runs.task_id)
        with pytest.raises(Stopped):
            progress.once("charge", cancel_and_charge, commits=True)

    with pytest.raises(Exception, match=r"this run ends|cancel"):
        runs(body)
    assert charge.times == 0


def test_a_step_for_which_redis_does_not_answer_is_not_taken(
    runs: Runs, records: Records, monkeypatch: pytest.MonkeyPatch
):
    """What it may have stored all the same does not stay: the effect is not in doubt."""
    charge = Charge()
    advance = EffectRecords.advance_effect
    results: list[Any] = []

    def lose_the_reply(effects: EffectRecords, *about: Any) -> Any:
        told = advance(effects, *about)
        if about[4] == "begin":
            raise RedisUnavailable("no reply")
        return told

    def body() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(EffectRecords, "advance_effect", lose_the_reply)
            with pytest.raises(RedisUnavailable):
                progress.once("charge", charge, commits=True)
        results.append(charge.times)
        raise Killed

    def next_body() -> None:
        results.append(progress.once("charge", charge, commits=True))

    monkeypatch.setattr("headway.celery.run.effects.COMMIT_SECONDS", 0.0)
    runs(body)
    runs(next_body)

    assert results == [0, RECEIPT]


def test_a_run_that_is_to_stop_begins_none_and_keeps_what_it_has_done(runs: Runs, records: Records):
    charge = Charge()

    def lose() -> str:
        records.maintenance.release([(runs.task_id, runs.fence)])
        return "done"

    def body() -> None:
        assert progress.once("first", lose) == "done"
        with pytest.raises(Stopped):
            progress.once("charge", charge)
        raise Killed

    with pytest.raises(Exception, match="this run ends"):
        runs(body)
    results: list[Any] = []

    def next_body() -> None:
        results.append(progress.once("first", lose))
        records.cancel(runs.task_id)
        with pytest.raises(Stopped):
            progress.once("charge", charge)

    with pytest.raises(Exception, match=r"this run ends|cancel"):
        runs(next_body)
    assert (charge.times, results) == (0, ["done"])


@pytest.mark.parametrize(
    ("name", "effect", "error"),
    [
        ("", int, ValueError),
        ("x" * 101, int, ValueError),
        (3, int, ValueError),
        ("set", lambda: {1}, TypeError),
        ("large", lambda: "x" * 16_384, ValueError),
    ],
    ids=["empty", "long", "number", "set", "large"],
)
def test_what_cannot_be_kept_is_refused(
    runs: Runs, name: Any, effect: Callable[[], Any], error: type[Exception]
):
    def body() -> None:
        with pytest.raises(error):
            progress.once(name, effect)

    runs(body)


def test_a_reply_that_was_lost_is_asked_for_again(records: Records):
    task_id = str(uuid4())
    run = claimed(records, task_id, "first")

    def tell(call: str, step: Any, result: str = "") -> tuple[str, str]:
        return records.effects.advance_effect(task_id, run, "charge", call, step, result)

    assert [tell("one", "begin"), tell("one", "begin")] == [("written", "")] * 2
    assert [tell("two", "look"), tell("two", "begin")] == [("unknown", "")] * 2
    assert tell("two", "done", "2") == ("stale", "")
    assert tell("one", "done", "[]") == ("written", "")
    assert tell("two", "begin again") == ("done", "[]")


def test_a_record_that_redis_has_lost_is_made_again(runs: Runs, records: Records):
    charge = Charge()

    def body() -> None:
        progress.save(1)
        records.forget(runs.task_id)
        assert progress.once("charge", charge) == RECEIPT

    runs(body)

    assert read(records, runs.task_id).task_id == runs.task_id


def test_a_task_that_goes_on_does_not_repeat_it_and_one_that_replaces_it_does(
    runs: Runs, records: Records
):
    task_id = str(uuid4())

    def body() -> None:
        progress.save(1)
        progress.once("charge", Charge())

    runs(body)
    message = {"task": "t", "args": [], "kwargs": {}, "options": {"queue": "q"}}
    about: dict[str, Any] = {"owner": "", "message": message, "title": "T", "max_attempts": 4}
    records.starts.create(**about, task_id=task_id, resume_from=runs.task_id)
    again = claimed(records, task_id, "again")
    other = claimed(records, runs.task_id, "other", 1_000_000)

    begin = records.effects.advance_effect
    assert begin(task_id, again, "charge", "call", "begin")[0] == "done"
    assert begin(runs.task_id, other, "charge", "call", "begin")[0] == "written"


def test_the_effects_of_a_record_are_apart(records: Records):
    task_id = str(uuid4())
    run = claimed(records, task_id, "first")
    begin = records.effects.advance_effect
    for name in ("first", "second"):
        assert begin(task_id, run, name, "one", "begin")[0] == "written"
    assert begin(task_id, run, "first", "one", "failed")[0] == "written"

    kept = records.client.hkeys(records.keys.record(task_id))

    assert {field for field in kept if field.startswith("effect:")} == {"effect:second"}
    assert begin(task_id, run, "first", "two", "begin")[0] == "written"
    assert begin(task_id, run, "second", "two", "begin")[0] == "unknown"


def test_outside_a_task_it_just_takes_place():
    charge = Charge()

    assert [progress.once("charge", charge)["receipt"] for _ in range(2)] == [1, 2]
    assert progress.once("charge", charge, commits=True)["receipt"] == 3
