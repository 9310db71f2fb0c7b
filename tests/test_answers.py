"""Answers to a task's question: by JSON, and by the form of the task's page without JavaScript."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from flask import Flask, request
from flask.testing import FlaskClient

from app.extensions import headway
from headway import token
from headway.questions import Asked, checked_schema
from headway.snapshot import Phase
from headway.store.model import Delivery
from headway.store.records import Records
from tests.bodies import read

MESSAGE: Any = {"task": "long_task", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
YES_OR_NO = Asked("q1", "go", "Go on?", ["yes", "no"], None, None)


@dataclass
class Size:
    width: int
    unit: Literal["mm", "cm"] = "mm"


def claim(records: Records, task_id: str, token: str = "run") -> None:
    about = {"message": MESSAGE, "max_attempts": 4, "hostname": "w"}
    records.runs.claim(task_id, Delivery(token), token, **about)  # type: ignore[arg-type]


def answer_kept(records: Records, task_id: str) -> dict[str, Any]:
    claim(records, task_id, "reader")
    _, _, answers = records.runs.read_saved(task_id, Delivery("reader"))
    return dict(json.loads(json.loads(answers)["go"]))


def answer(client: FlaskClient, task_id: str, body: Any, **headers: str) -> Any:
    return client.post(f"/tasks/{task_id}/answer", json=body, headers=headers)


def asked_of_ada(app: Flask, client: FlaskClient, records: Records, question: Asked) -> str:
    """Return a task of Ada's that asks this; the header `User` says who sends a request."""
    app.config["HEADWAY_OWNER_LOADER"] = lambda: request.headers.get("User")
    app.config["HEADWAY_VISIBLE"] = lambda: "Operator" in request.headers
    task_id = client.post("/longtask", headers={"User": "ada"}).get_json()["task_id"]
    claim(records, task_id)
    assert records.runs.ask(task_id, Delivery("run"), question, MESSAGE) == "waiting"
    return str(task_id)


def test_an_answer_by_http_counts_once(app: Flask, client: FlaskClient, records: Records):
    task_id = asked_of_ada(app, client, records, YES_OR_NO)
    ada = {"User": "ada"}
    yes = {"question_id": "q1", "value": "yes"}

    unfit = answer(client, task_id, {"question_id": "q1", "value": "maybe"}, **ada)
    first = answer(client, task_id, yes, **ada)
    again = answer(client, task_id, yes, **ada)
    other = answer(client, task_id, {"question_id": "q1", "value": "no"}, **ada)
    unasked = answer(client, task_id, {"question_id": "q2", "value": "no"}, **ada)

    assert (unfit.status_code, unfit.get_json()["error"]["code"]) == (422, "bad_answer")
    assert unfit.get_json()["error"]["fields"] == {"value": "Must be one of: yes, no."}
    assert (first.status_code, first.get_json()["phase"]) == (202, "queued")
    assert "Idempotency-Replayed" not in first.headers
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")
    assert (other.status_code, other.get_json()["error"]["code"]) == (409, "answered")
    assert (unasked.status_code, unasked.get_json()["error"]["code"]) == (409, "not_asked")


def test_an_answered_task_lies_in_its_queue_at_once(
    app: Flask, client: FlaskClient, records: Records
):
    task_id = asked_of_ada(app, client, records, YES_OR_NO)
    records.client.delete("celery")

    answer(client, task_id, {"question_id": "q1", "value": "yes"}, User="ada")

    assert records.client.llen("celery") == 1
    assert records.client.zscore("headway:outbox", task_id) is None


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"question_id": "q1"},
        {"value": "yes"},
        {"question_id": 1, "value": "yes"},
        {"question_id": "q1", "value": "yes", "more": 1},
        {"question_id": "q1", "value": float("nan")},
    ],
)
def test_a_malformed_answer_is_a_bad_request(
    app: Flask, client: FlaskClient, records: Records, body: Any
):
    task_id = asked_of_ada(app, client, records, YES_OR_NO)

    assert answer(client, task_id, body, User="ada").status_code == 400
    assert read(records, task_id).phase == Phase.WAITING


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        ({"width": 3, "unit": "cm"}, {}),
        ({"width": 3}, {}),
        ({"width": "3"}, {"value.width": "Must be a whole number."}),
        ({}, {"value.width": "Is missing."}),
        ({"width": 3, "unit": "m"}, {"value.unit": "Must be one of: mm, cm."}),
        ({"width": 3, "height": 1}, {"value.height": "No such argument."}),
        ("3", {"value": "Must be an object."}),
        ("x" * 16_385, {"value": "An answer is 16387 bytes as JSON"}),
    ],
)
def test_an_answer_is_checked_without_the_task_s_code(
    app: Flask, client: FlaskClient, records: Records, value: Any, fields: dict[str, str]
):
    question = YES_OR_NO._replace(choices=None, schema=checked_schema(Size))
    task_id = asked_of_ada(app, client, records, question)

    sent = answer(client, task_id, {"question_id": "q1", "value": value}, User="ada")

    assert sent.status_code == (422 if fields else 202)
    found = sent.get_json()["error"]["fields"] if fields else {}
    assert found.keys() == fields.keys()
    assert all(found[path].startswith(why) for path, why in fields.items())


def test_its_owner_operators_and_a_token_with_that_right_may_answer(
    app: Flask, client: FlaskClient, records: Records
):
    task_id = asked_of_ada(app, client, records, YES_OR_NO)
    yes = {"question_id": "q1", "value": "yes"}
    secret = app.config["SECRET_KEY"]

    def bearer(*, read_only: bool) -> dict[str, str]:
        text = token(task_id, read_only=read_only, secret_key=secret)
        return {"Authorization": f"Bearer {text}"}

    assert answer(client, task_id, yes).status_code == 404
    assert answer(client, task_id, yes, User="bob").status_code == 404
    assert answer(client, task_id, yes, **bearer(read_only=True)).status_code == 403
    assert read(records, task_id).phase == Phase.WAITING
    assert answer(client, task_id, yes, **bearer(read_only=False)).status_code == 202
    assert answer_kept(records, task_id)["by"] == "a link"


def test_operators_answer_for_tasks_of_nobody_and_are_named_as_such(
    app: Flask, client: FlaskClient, records: Records
):
    asked_of_ada(app, client, records, YES_OR_NO)  # who is who is said there
    with app.app_context():
        task_id = headway.start("long_task", owner="").task_id
    claim(records, task_id)
    assert records.runs.ask(task_id, Delivery("run"), YES_OR_NO, MESSAGE) == "waiting"
    yes = {"question_id": "q1", "value": "yes"}

    refused = answer(client, task_id, yes)
    given = answer(client, task_id, yes, Operator="1")

    assert (refused.status_code, given.status_code) == (404, 202)
    assert answer_kept(records, task_id)["by"] == "an operator"


PAGE = {"User": "ada", "Accept": "text/html"}


def send_form(client: FlaskClient, task_id: str, **fields: str) -> Any:
    form = {"action": "answer", "question_id": "q1"} | fields
    return client.post(f"/tasks/{task_id}", data=form, headers=PAGE)


def test_the_page_asks_by_a_button_for_each_choice(
    app: Flask, client: FlaskClient, records: Records
):
    task_id = asked_of_ada(app, client, records, YES_OR_NO)

    page = client.get(f"/tasks/{task_id}", headers=PAGE).text
    sent = send_form(client, task_id, **{"args.value": "no"})

    assert "<h2>Go on?</h2>" in page
    for choice in ("yes", "no"):
        assert f'<button name="args.value" value="{choice}">{choice}</button>' in page
    assert (sent.status_code, sent.location) == (303, f"/tasks/{task_id}")
    assert answer_kept(records, task_id)["value"] == "no"
    assert "<h2>Go on?</h2>" not in client.get(f"/tasks/{task_id}", headers=PAGE).text


def test_the_page_asks_by_the_fields_of_a_schema_and_says_which_are_wrong(
    app: Flask, client: FlaskClient, records: Records
):
    question = YES_OR_NO._replace(choices=None, schema=checked_schema(Size))
    task_id = asked_of_ada(app, client, records, question)

    page = client.get(f"/tasks/{task_id}", headers=PAGE).text
    wrong = send_form(client, task_id, **{"args.value.width": "wide", "args.value.unit": "cm"})
    sent = send_form(client, task_id, **{"args.value.width": "3", "args.value.unit": "cm"})

    assert "<legend>Your answer</legend>" in page
    assert '<option value="mm" selected>mm</option>' in page
    assert wrong.status_code == 422
    assert "Must be a whole number." in wrong.text
    assert 'value="wide"' in wrong.text
    assert '<option value="cm" selected>cm</option>' in wrong.text
    assert sent.status_code == 303
    assert answer_kept(records, task_id)["value"] == {"unit": "cm", "width": 3}


def test_an_answer_by_form_that_comes_too_late_changes_nothing_and_is_told_so(
    app: Flask, client: FlaskClient, records: Records
):
    task_id = asked_of_ada(app, client, records, YES_OR_NO)
    send_form(client, task_id, **{"args.value": "yes"})

    late = send_form(client, task_id, **{"args.value": "no"})

    assert (late.status_code, "Your answer changed nothing" in late.text) == (409, True)
    assert answer_kept(records, task_id)["value"] == "yes"


def test_an_answer_by_form_while_another_one_comes_is_told_so(
    app: Flask, client: FlaskClient, records: Records, monkeypatch: pytest.MonkeyPatch
):
    task_id = asked_of_ada(app, client, records, YES_OR_NO)
    answers = type(records).answer

    def come_second(records: Records, task_id: str, *args: str) -> Any:
        answers(records, task_id, "q1", '"yes"', "bob")
        return answers(records, task_id, *args)

    monkeypatch.setattr(type(records), "answer", come_second)
    late = send_form(client, task_id, **{"args.value": "no"})

    assert (late.status_code, "Your answer changed nothing" in late.text) == (409, True)
    assert "<h2>Go on?</h2>" not in late.text


def test_who_may_only_read_a_task_sees_no_form(app: Flask, client: FlaskClient, records: Records):
    task_id = asked_of_ada(app, client, records, YES_OR_NO)
    text = token(task_id, secret_key=app.config["SECRET_KEY"])

    page = client.get(f"/tasks/{task_id}?token={text}", headers={"Accept": "text/html"})

    assert page.status_code == 200
    assert "Go on?" in page.text
    assert "args.value" not in page.text
