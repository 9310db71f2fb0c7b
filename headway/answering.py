"""Answers a task's question for a person."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from headway.questions import wrong_with_answer
from headway.shapes import Question
from headway.store.model import ChangeResult
from headway.store.records import Records


class BadAnswer(ValueError):
    """A value that does not answer the question; `fields` says why, by path."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(fields.values()))
        self.fields = fields


def answer(
    records: Records,
    task_id: str,
    question: Question | None,
    question_id: str,
    value: Any,
    by: str,
) -> ChangeResult:
    """Answer with a JSON value; `question` is what the task asks now, `by` is who answers.

    Returns what `Records.answer` does; a task that is queued by it is sent by maintenance, or by
    `MessageOutbox.send_due` at once. Raises BadAnswer for a value that does not fit;
    RedisUnavailable.
    """
    is_present = question is not None and question["id"] == question_id
    if wrong := wrong_with_answer(value, question if is_present else None):
        raise BadAnswer(wrong)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return records.answer(task_id, question_id, text, by)
