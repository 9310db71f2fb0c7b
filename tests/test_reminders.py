"""A question that nobody answers is asked once more; and what is told of its answer later."""

from __future__ import annotations

import html
import re
import time
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from headway import progress
from headway.questions import Asked
from headway.snapshot import Phase
from headway.store.model import Delivery, StateWrite
from headway.store.records import Records
from tests.bodies import read
from tests.test_answers import MESSAGE, answer, asked_of_ada, claim

SOON = 0.01
HOUR = 3600.0
YES_OR_NO = Asked("q1", "go", "Go on?", ["yes", "no"], None, None, SOON)
FAILED = StateWrite("", Delivery("reader"), Phase.FAILED, {}, "{}", "long_task", 4)


def sweep(records: Records) -> list[str]:
    """Let maintenance see that the time has come; return the tasks that it sends."""
    time.sleep(2 * SOON)
    return [task_id for task_id, _ in records.maintenance.sweep("w").due]


def reminded_at(records: Records, task_id: str) -> str | None:
    question = read(records, task_id).question
    assert question is not None
    return question["reminded_at"]


def ask(records: Records, question: Asked) -> str:
    claim(records, "t-1")
    assert records.runs.ask("t-1", Delivery("run"), question, MESSAGE) == "waiting"
    return "t-1"


@pytest.mark.parametrize("timeout", [None, HOUR])
def test_a_question_reminds_once_and_waits_on(records: Records, timeout: float | None):
    task_id = ask(records, YES_OR_NO._replace(timeout=timeout))
    asked = read(records, task_id)

    assert sweep(records) == []
    first = read(records, task_id)
    assert sweep(records) == []

    assert (asked.question or {})["reminded_at"] is None
    assert first.version > asked.version
    assert (first.phase, reminded_at(records, task_id)) == (Phase.WAITING, first.updated_at)
    assert read(records, task_id).version == first.version
    assert records.client.zcard("headway:questions") == (0 if timeout is None else 1)
    assert records.answer(task_id, "q1", '"yes"', "ada").outcome == "queued"


def test_the_deadline_comes_after_the_reminder(records: Records):
    task_id = ask(records, YES_OR_NO._replace(timeout=SOON + 0.001))

    sent = sweep(records) or sweep(records)

    assert sent == [task_id]
    assert read(records, task_id).phase == Phase.QUEUED


def test_a_reminder_that_was_not_needed_is_none_of_the_next_question(records: Records):
    task_id = ask(records, YES_OR_NO)
    records.answer(task_id, "q1", '"yes"', "ada")
    claim(records, task_id, "reader")
    next_one = YES_OR_NO._replace(id="q2", key="more", timeout=SOON, remind_after=None)
    records.runs.ask(task_id, Delivery("reader"), next_one, MESSAGE)

    sweep(records)

    assert read(records, task_id).phase == Phase.QUEUED


@pytest.mark.parametrize("options", [{"remind_after": 0}, {"remind_after": 5, "timeout": 5}])
def test_a_reminder_comes_before_the_deadline(options: dict[str, Any]):
    with pytest.raises(ValueError, match="remind_after"):
        progress.ask("Go on?", default="no", **options)


def timeline(client: FlaskClient, task_id: str, **headers: str) -> list[str]:
    page = client.get(f"/tasks/{task_id}", headers={"Accept": "text/html", **headers}).text
    section = page.partition('id="timeline"')[2].partition("</section>")[0]
    return [html.unescape(each) for each in re.findall(r"<strong>(.*?)</strong>", section)]


@pytest.mark.parametrize(("by", "shown"), [("ada", "you"), ("a terminal", "a terminal")])
def test_the_timeline_says_who_answered(
    app: Flask, client: FlaskClient, records: Records, by: str, shown: str
):
    task_id = asked_of_ada(app, client, records, YES_OR_NO)
    records.answer(task_id, "q1", '"yes"', by)

    told = timeline(client, task_id, User="ada")

    assert told[-2:] == ["Asked a person", f"Answered “yes” by {shown}"]


def test_no_mark_in_an_answer_reorders_who_gave_it(
    app: Flask, client: FlaskClient, records: Records
):
    task_id = asked_of_ada(app, client, records, YES_OR_NO._replace(choices=None))
    answer(client, task_id, {"question_id": "q1", "value": "\u202eyes\n\u2066no"}, User="ada")

    assert timeline(client, task_id, User="ada")[-1] == "Answered “yes no” by you"


def test_the_timeline_says_that_nobody_did_and_shows_no_long_answer(
    app: Flask, client: FlaskClient, records: Records
):
    late = asked_of_ada(app, client, records, YES_OR_NO._replace(timeout=SOON, remind_after=None))
    sweep(records)
    long = asked_of_ada(app, client, records, YES_OR_NO._replace(choices=None))
    answer(client, long, {"question_id": "q1", "value": "x" * 300}, User="ada")

    assert timeline(client, late, User="ada")[-1] == "Nobody answered in time"
    assert timeline(client, long, User="ada")[-1] == "Answered by you"
    [event] = [each for each in records.history.details(long).history if each["answered"]]
    assert event["answered"] == {"by": "ada"}


def test_whoever_has_a_link_reads_that_it_was_answered(
    app: Flask, client: FlaskClient, records: Records
):
    task_id = asked_of_ada(app, client, records, YES_OR_NO)
    answer(client, task_id, {"question_id": "q1", "value": "yes"}, User="ada")
    link = client.post(f"/tasks/{task_id}/share", headers={"User": "ada"}).get_json()["token"]

    page = client.get(f"/tasks/{task_id}?token={link}", headers={"Accept": "text/html"}).text

    assert "<strong>Answered</strong>" in page
    assert "“yes”" not in page


def test_runs_that_asked_are_no_failed_attempts(records: Records):
    task_id = ask(records, YES_OR_NO)
    records.answer(task_id, "q1", '"yes"', "ada")
    claim(records, task_id, "reader")
    assert records.runs.write(FAILED._replace(task_id=task_id)) == "written"

    ended = read(records, task_id)

    assert (ended.attempt, ended.failures) == (2, 1)
