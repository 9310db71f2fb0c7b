"""The answers of people to a task's question: by JSON, and by the form of the task's page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from headway.answering import BadAnswer, answer
from headway.arguments.form import fields_of, filled, read_form
from headway.display.languages import Sentence
from headway.questions import VALUE, argument_of
from headway.shapes import SnapshotDict
from headway.snapshot import Snapshot
from headway.state import state
from headway.store.model import ChangeResult, Outcome, TaskRecord
from headway.web.api.parameters import json_body
from headway.web.api.payloads import Answer
from headway.web.api.reading import read_one
from headway.web.api.responses import READ_ONLY, changed
from headway.web.requests.errors import APIError, handle_errors
from headway.web.requests.security import guard
from headway.web.requests.viewers import Viewer, current_viewer

answers = Blueprint("headway_answers", __name__)
handle_errors(answers)
guard(answers)

REFUSALS = {
    Outcome.NOT_ASKED: APIError(409, "not_asked", "This task does not ask this now."),
    Outcome.CONFLICT: APIError(409, "answered", "This question has been answered already."),
}
OPERATOR = Sentence("an operator")
TOKEN = Sentence("a link")
YOUR_ANSWER = Sentence("Your answer")


class CameTooLate(Exception):
    """An answer by form to a question that is not asked any more."""


@answers.post("/tasks/<task_id>/answer")
def answer_by_json(task_id: str) -> ResponseReturnValue:
    """Answer a task's question by JSON `{"question_id", "value"}`: 202 and the snapshot.

    The same answer again 202, another one, or no such question: 409; 422 with `fields` where the
    value is none of its choices, or does not fit its schema.
    """
    viewer = current_viewer()
    stored = read_one(state().records, viewer, task_id)
    if not viewer.may_change(task_id, stored):
        raise READ_ONLY
    body = json_body(Answer)
    question_id = body.get("question_id")
    if not isinstance(question_id, str) or VALUE not in body:
        why = {"question_id": "Must be the id of the task's question.", VALUE: "Must be there."}
        raise APIError(400, "bad_request", 'Send {"question_id", "value"}.', why)
    try:
        found = _answer(viewer, stored, question_id, body[VALUE])
    except BadAnswer as bad:
        message = "This does not answer the question."
        raise APIError(422, "bad_answer", message, bad.fields) from None
    if found.outcome in REFUSALS:
        raise REFUSALS[found.outcome]
    response = changed(found)
    if found.outcome == Outcome.REPLAYED:
        response.headers["Idempotency-Replayed"] = "true"
    return response


def answer_by_form(viewer: Viewer, stored: TaskRecord) -> dict[str, str]:
    """Answer a task's question by the form that was sent; return what is wrong with it, by path.

    Raises CameTooLate for an answer to a question that is not asked any more: it changes nothing.
    """
    question = Snapshot.from_json(stored.snapshot).question
    question_id = request.form.get("question_id", "")
    if question is None or question["id"] != question_id:
        raise CameTooLate
    value = read_form([argument_of(question)], request.form).get(VALUE)
    try:
        found = _answer(viewer, stored, question_id, value)
    except BadAnswer as bad:
        return dict(bad.fields)
    if found.outcome in REFUSALS:
        raise CameTooLate
    return {}


def form_of(task: SnapshotDict, wrong: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page shows of a task's question: the field of its answer, None for none.

    `wrong` is what is wrong with the form that was sent, {} where none was.
    """
    asked = task["question"]
    if asked is None:
        return {"question": None}
    answer = argument_of(asked)
    sent = request.form if wrong else filled([answer], {})
    [field] = fields_of([answer], sent, wrong)
    shown = replace(field, label=YOUR_ANSWER)
    return {"question": shown, "wrong_answer": bool(wrong), "focus": field.first_wrong()}


def _answer(viewer: Viewer, stored: TaskRecord, question_id: str, value: Any) -> ChangeResult:
    asked = Snapshot.from_json(stored.snapshot)
    by = viewer.owner or (TOKEN if viewer.grant else OPERATOR)
    found = answer(state().records, asked.task_id, asked.question, question_id, value, by)
    if found.outcome == Outcome.QUEUED:
        state().celery.backend.outbox.send_due(asked.task_id)
    return found
