"""Answers a task's question for a person, and has the task go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from headway.celery.backend import LiveBackend
from headway.questions import wrong_with_answer
from headway.shapes import Question
from headway.store.model import ChangeResult, Outcome


class BadAnswer(ValueError):
    """A value that does not answer the question; `fields` says why, by path."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(fields.values()))
        self.fields = fields


def answer(
    backend: LiveBackend,
    task_id: str,
    question: Question | None,
    question_id: str,
    value: Any,
    by: str,
) -> ChangeResult:
    """Answer with a JSON value; `question` is what the task asks now, `by` is who answers.

    Returns what `Records.answer` does. Raises BadAnswer for a value that does not fit the question,
    and Unavailable.
    """
    is_present = question is not None and question["id"] == question_id
    if wrong := wrong_with_answer(value, question if is_present else None):
        raise BadAnswer(wrong)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    answered = backend.records.answer(task_id, question_id, text, by)
    if answered.outcome == Outcome.QUEUED:
        backend.outbox.release(task_id)
    return answered
