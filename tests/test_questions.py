"""A task asks a person: its run ends there, and the answer has it go on in a new one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import uuid4

import pytest
from celery import Celery, current_task
from celery.exceptions import Ignore, Retry

from headway import Unanswered, progress
from headway.questions import Asked
from headway.snapshot import Phase, Snapshot
from headway.store.model import Delivery, Outcome, Source, StateWrite
from headway.store.records import Records
from tests.bodies import live_celery, read, run_task
from tests.by_hand import save_text

MESSAGE: Any = {"task": "t", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
YES_OR_NO = Asked("q1", "go", "Go on?", ["yes", "no"], None, None)


class Killed(Exception):
    """The end of a run's process, as far as its body can tell."""


class Asking:
    """A task whose runs the test begins, as its workers would."""

    def __init__(self, celery: Celery, records: Records, body: Callable[[], Any]) -> None:
        self._task = celery.task(name=f"body-{uuid4()}", shared=False)(body)
        self._records = records
        self.task_id = str(uuid4())

    def run(self) -> None:
        """Run the body until it ends or asks; its end is not stored."""
        with suppress(Ignore):
            run_task(self._task, self.task_id)

    def lose(self) -> None:
        """Have the present run be lost with its worker."""
        self._records.maintenance.release([(self.task_id, self.field("fence"))])

    @property
    def snapshot(self) -> Snapshot:
        return read(self._records, self.task_id)

    def answer(self, value: Any) -> Outcome:
        assert self.snapshot.question is not None
        question = self.snapshot.question["id"]
        return self._records.answer(self.task_id, question, json.dumps(value), "ada").outcome

    def field(self, name: str) -> Any:
        return self._records.client.hget(f"headway:task:{self.task_id}", name)


Begin = Callable[[Callable[[], Any]], Asking]


@pytest.fixture
def asking(redis_url: str, records: Records) -> Iterator[Begin]:
    app = live_celery(redis_url)
    yield lambda body: Asking(app, records, body)
    app.close()


def claim(records: Records, task_id: str, token: str = "run", order: int = 0) -> Outcome:
    delivery = Delivery(token, order)
    about = {"message": MESSAGE, "max_attempts": 4, "hostname": "w"}
    return records.runs.claim(task_id, delivery, token, **about)  # type: ignore[arg-type]


@pytest.fixture
def waiting(records: Records) -> str:
    """A task that asks whether to go on."""
    claim(records, "t-1")
    assert records.runs.ask("t-1", Delivery("run"), YES_OR_NO, MESSAGE) == "waiting"
    return "t-1"


def test_a_question_ends_its_run_and_the_next_one_has_the_answer(asking: Begin, records: Records):
    told: list[str] = []

    def body() -> None:
        told.append("begun")
        told.append(progress.ask("Go on?", choices=["yes", "no"]))

    task = asking(body)
    task.run()
    asked = task.snapshot

    assert (asked.phase, asked.state, asked.status) == (Phase.WAITING, "PENDING", "")
    assert asked.question is not None
    assert asked.question == {
        "id": asked.question["id"],
        "text": "Go on?",
        "choices": ["yes", "no"],
        "schema": None,
        "asked_at": asked.updated_at,
        "expires_at": None,
        "reminded_at": None,
    }
    assert records.client.zscore("headway:leases", task.task_id) is None
    assert task.answer("yes") == "queued"
    assert (task.snapshot.phase, task.snapshot.question) == (Phase.QUEUED, None)
    task.run()
    assert told == ["begun", "begun", "yes"]
    assert task.snapshot.failures == 0


@dataclass
class Size:
    width: int
    unit: Literal["mm", "cm"] = "mm"


@pytest.mark.parametrize(
    ("schema", "value", "answer"),
    [
        (None, "any text", "any text"),
        (int, 3, 3),
        (bool, False, False),
        (Literal["a", "b"], "b", "b"),
        (str | None, None, None),
        (list[int], [1, 2], [1, 2]),
        (Size, {"width": 3}, Size(3)),
    ],
)
def test_an_answer_is_of_the_type_that_was_asked_for(
    asking: Begin, schema: Any, value: Any, answer: Any
):
    told: list[Any] = []

    def body() -> None:
        told.append(progress.ask("What?", schema=schema))

    task = asking(body)
    task.run()
    task.answer(value)
    task.run()

    assert told == [answer]


def test_questions_of_one_text_are_told_apart_by_order_and_others_by_key(asking: Begin):
    told: list[str] = []

    def body() -> None:
        told.extend([progress.ask("Next?"), progress.ask("Next?"), progress.ask("Last?", key="k")])
        told.append(progress.ask("Reworded last?", key="k"))

    task = asking(body)
    for value in ("one", "two", "three"):
        task.run()
        task.answer(value)
    task.run()

    assert told == ["one", "two", "three", "three"]


def test_after_a_save_the_same_text_is_another_question(asking: Begin):
    """Such a loop asks for ever the same text: an answer must not count for the next page."""
    told: list[Any] = []

    def body() -> None:
        page = progress.saved or 0
        told.append((page, progress.ask("Next page?")))
        progress.save(page + 1)
        told.append((page + 1, progress.ask("Next page?")))

    task = asking(body)
    for value in ("a", "b", "c"):
        task.run()
        task.answer(value)
    task.run()

    assert told == [(0, "a"), (1, "b"), (2, "c")]


def test_a_resumable_loop_asks_once_an_item(asking: Begin):
    told: list[Any] = []

    def body() -> None:
        for row in progress.track([1, 2, 3], "Rows", resume=True):
            told.append((row, progress.ask("Keep it?")))

    task = asking(body)
    for value in ("a", "b", "c"):
        task.run()
        task.answer(value)
    task.run()

    assert told == [(1, "a"), (2, "b"), (3, "c")]


def test_the_answer_outlives_a_run_that_is_lost(asking: Begin):
    told: list[str] = []

    def body() -> None:
        told.append(progress.ask("Go on?"))
        raise Killed

    task = asking(body)
    task.run()
    task.answer("yes")
    for _ in range(2):
        with suppress(Killed):
            task.run()
        task.lose()

    assert told == ["yes", "yes"]


# The second ends as a token begins; the third is more than one call takes.
@pytest.mark.parametrize("text", ["thinking", "Shall I write to Smith", "thinking " * 20_000])
def test_what_a_run_has_said_is_there_while_its_question_waits(
    asking: Begin, records: Records, text: str
):
    def body() -> None:
        out = progress.stream("answer")
        out.write(text)
        progress.log("looked it up")
        progress.ask("Which?")

    task = asking(body)
    task.run()

    assert task.snapshot.streams["answer"]["length"] == len(text)
    assert [line["text"] for line in records.queries.read_log(task.task_id, 0)["lines"]] == [
        "looked it up"
    ]


def test_after_its_deadline_a_question_returns_its_default_or_raises(
    asking: Begin, records: Records
):
    told: list[str] = []

    def body() -> None:
        told.append(progress.ask("Go on?", timeout=0.01, default="no"))
        progress.ask("Really?", timeout=0.01)

    task = asking(body)
    for _ in range(2):
        task.run()
        expires = task.snapshot.question
        assert expires is not None
        assert expires["expires_at"] is not None
        time.sleep(0.02)
        assert [task_id for task_id, _ in records.maintenance.sweep("w").due] == [task.task_id]
        assert task.snapshot.question is None
    with pytest.raises(Unanswered, match="Really"):
        task.run()
    assert told == ["no", "no"]
    assert records.client.zcard("headway:questions") == 0


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"text": " "}, ValueError),
        ({"choices": []}, ValueError),
        ({"choices": "yes"}, TypeError),
        ({"choices": ["a", "a"]}, ValueError),
        ({"choices": ["1", 1]}, ValueError),
        ({"choices": [1.5]}, TypeError),
        ({"choices": ["a"], "schema": str}, TypeError),
        ({"schema": object}, TypeError),
        ({"timeout": 0}, ValueError),
        ({"timeout": float("nan")}, ValueError),
        ({"key": "k" * 101}, ValueError),
    ],
)
def test_what_cannot_be_asked_is_refused(options: Any, error: type[Exception]):
    with pytest.raises(error):
        progress.ask(**{"text": "Go on?", "default": "no"} | options)


@pytest.mark.parametrize("name", ["timeout", "remind_after"])
def test_a_time_is_a_number_of_seconds(name: str):
    with pytest.raises(TypeError, match=f"{name} is a number of seconds, not datetime.timedelta"):
        progress.ask("Go on?", default="no", **{name: timedelta(hours=1)})


def test_outside_a_task_nobody_answers():
    assert progress.ask("Go on?", choices=["yes"], default="later") == "later"
    with pytest.raises(Unanswered):
        progress.ask("Go on?")


def test_one_answer_counts(records: Records, waiting: str):
    first = records.answer(waiting, "q1", '"yes"', "ada")

    assert first.outcome == "queued"
    assert records.answer(waiting, "q1", '"yes"', "bob").outcome == "replayed"
    assert records.answer(waiting, "q1", '"no"', "bob").outcome == "conflict"
    assert records.answer(waiting, "other", '"no"', "bob").outcome == "not_asked"
    assert records.answer("t-2", "q1", '"no"', "bob").outcome == "unknown"
    _, _, answers = read_saved(records, waiting)
    kept = json.loads(json.loads(answers)["go"])
    assert {**kept, "at": ""} == {"question_id": "q1", "by": "ada", "at": "", "value": "yes"}


def test_an_answer_to_another_question_does_not_answer_the_one_that_is_asked(
    records: Records, waiting: str
):
    records.answer(waiting, "q1", '"yes"', "ada")
    claim(records, waiting, "next")
    second = YES_OR_NO._replace(id="q2", key="really")
    assert records.runs.ask(waiting, Delivery("next"), second, MESSAGE) == "waiting"

    assert records.answer(waiting, "q1", '"no"', "bob").outcome == "conflict"
    assert records.answer(waiting, "q1", '"yes"', "ada").outcome == "replayed"
    assert records.answer(waiting, "q3", '"yes"', "bob").outcome == "not_asked"

    asked = read(records, waiting)
    assert (asked.phase, asked.question["id"]) == (Phase.WAITING, "q2")
    assert records.answer(waiting, "q2", '"no"', "ada").outcome == "queued"


def read_saved(records: Records, task_id: str) -> tuple[str, str, str]:
    claim(records, task_id, "reader")
    return records.runs.read_saved(task_id, Delivery("reader"))


def test_while_it_waits_no_delivery_runs_it_and_no_run_writes(records: Records, waiting: str):
    asked = read(records, waiting)

    assert claim(records, waiting, "again") == "waiting"
    assert claim(records, waiting, "next", order=1) == "waiting"
    for run in ("run", "-", "again"):
        write = StateWrite(waiting, Delivery(run), Phase.FAILED, {}, "{}", "t", 4)
        assert records.runs.write(write) == "waiting"
    by_hand = StateWrite(waiting, Delivery(), Phase.RUNNING, {"status": "x"}, "{}", "t", 4)
    records.runs.write(by_hand)
    records.maintenance.republish([waiting])
    sweep = records.maintenance.sweep("w")

    assert (sweep.due, sweep.exhausted) == ([], [])
    now = read(records, waiting)
    assert (now.phase, now.question) == (Phase.WAITING, asked.question)


def test_a_question_whose_reply_was_lost_is_asked_once(records: Records, waiting: str):
    assert records.runs.ask(waiting, Delivery("run"), YES_OR_NO, MESSAGE) == "waiting"
    records.answer(waiting, "q1", '"yes"', "ada")

    assert records.runs.ask(waiting, Delivery("run"), YES_OR_NO, MESSAGE) == "waiting"
    assert read(records, waiting).phase == Phase.QUEUED


def test_a_superseded_or_cancelled_run_asks_nobody(records: Records):
    claim(records, "t-1")
    assert records.runs.ask("t-1", Delivery("other"), YES_OR_NO, MESSAGE) == "superseded"
    records.cancel("t-1")
    assert records.runs.ask("t-1", Delivery("run"), YES_OR_NO, MESSAGE) == "cancelling"


def test_a_task_that_waits_is_cancelled_at_once(records: Records):
    claim(records, "t-1")
    records.runs.ask("t-1", Delivery("run"), YES_OR_NO._replace(timeout=60.0), MESSAGE)

    assert records.cancel("t-1").outcome == "cancelled"

    ended = read(records, "t-1")
    assert (ended.phase, ended.question) == (Phase.CANCELLED, None)
    assert records.client.zcard("headway:questions") == 0
    assert records.answer("t-1", "q1", '"yes"', "ada").outcome == "not_asked"


def test_an_answered_task_is_sent_by_the_next_sweep(records: Records, waiting: str):
    records.answer(waiting, "q1", '"yes"', "ada")

    assert records.maintenance.sweep("w").due == [(waiting, MESSAGE)]


def test_no_message_of_a_task_that_waits_stays_with_the_broker(records: Records):
    records.client.hset("unacked", "tag", "message")
    records.client.zadd("unacked_index", {"tag": 1})
    source = Source("one", held="unacked unacked_index tag")
    about: Any = {"message": MESSAGE, "max_attempts": 4, "hostname": "w", "source": source}
    records.runs.claim("t-1", Delivery("run"), "run", **about)

    records.runs.ask("t-1", Delivery("run"), YES_OR_NO, MESSAGE)

    assert records.client.exists("unacked", "unacked_index") == 0


def test_a_task_that_waits_is_in_no_set_that_is_swept_but_for_its_deadline(
    records: Records, waiting: str
):
    sets = records.client.keys("headway:*")
    listed = {name for name in map(str, sets) if records.client.type(name) == "zset"}

    assert [name for name in listed if records.client.zscore(name, waiting) is not None] == []


def test_its_record_is_kept_beyond_its_deadline(records: Records):
    claim(records, "t-1")
    records.runs.ask("t-1", Delivery("run"), YES_OR_NO._replace(timeout=366 * 86400.0), MESSAGE)

    assert records.client.pttl("headway:task:t-1") > 366 * 86400 * 1000


def test_a_message_that_was_still_to_be_sent_takes_no_question_away(records: Records, waiting: str):
    records.client.zadd("headway:outbox", {waiting: 0})

    assert records.maintenance.sweep("w").due == []
    assert read(records, waiting).phase == Phase.WAITING


def test_a_new_send_of_its_id_has_none_of_its_answers(records: Records, waiting: str):
    records.answer(waiting, "q1", '"yes"', "ada")
    claim(records, waiting, "second")
    records.runs.write(StateWrite(waiting, Delivery("second"), Phase.FAILED, {}, "{}", "t", 4))
    records.client.hset(f"headway:task:{waiting}", "sends", "one")
    about: Any = {"message": MESSAGE, "max_attempts": 4, "hostname": "w", "source": Source("two")}

    assert records.runs.claim(waiting, Delivery("third"), "third", **about) == "claimed"

    assert records.runs.read_saved(waiting, Delivery("third")) == ("read", "", "{}")


def test_a_task_that_goes_on_as_another_one_has_its_answers(records: Records, waiting: str):
    records.answer(waiting, "q1", '"yes"', "ada")
    claim(records, waiting, "second")
    report = StateWrite(waiting, Delivery("second"), Phase.RUNNING, {}, "{}", "t", 4)
    records.runs.write(report._replace(saved=save_text(1)))

    new = records.starts.create(
        owner="", message=MESSAGE, title="T", max_attempts=4, resume_from=waiting
    ).task_id

    assert "go" in json.loads(read_saved(records, new)[2])


def test_a_run_that_has_asked_for_its_next_attempt_asks_nobody(asking: Begin):
    def body() -> None:
        current_task.retry(throw=False, countdown=60)
        progress.ask("Go on?")

    task = asking(body)
    with pytest.raises(Retry) as asked:
        task.run()

    assert "can ask no person" in str(asked.value.exc)
    assert task.snapshot.phase == Phase.RUNNING  # until Celery stores the retry


def test_an_answer_that_fits_no_more_is_an_error(asking: Begin):
    schemas: list[Any] = [str, int]

    def body() -> None:
        progress.ask("How many?", schema=schemas.pop(0))

    task = asking(body)
    task.run()
    task.answer("three")

    with pytest.raises(ValueError, match="does not fit: Must be a whole number"):
        task.run()


def test_a_message_expires_no_more_once_its_task_has_begun(redis_url: str, records: Records):
    def body() -> None:
        progress.ask("Go on?")

    app = live_celery(redis_url)
    task = app.task(name="asks", shared=False)(body)
    info = {"exchange": "", "routing_key": "q"}
    task.push_request(
        id="t-1", task="asks", called_directly=False, expires="2026-01-01", delivery_info=info
    )

    task.before_start("t-1", (), {})
    with pytest.raises(Ignore):
        task()

    kept = records.outbox.message("t-1")
    assert kept is not None
    assert "expires" not in kept[0]["options"]
    task.pop_request()
    app.close()
