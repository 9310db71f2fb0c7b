"""What a person may answer a question with: one of its choices, what fits its schema, or text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from headway.arguments.annotations import Argument
from headway.arguments.json_schema import hint_of, schema_of
from headway.arguments.typed import Wrong, below, wrong_with
from headway.json_values import encoded

MAX_CHOICES = 100
MAX_CHOICE_CHARS = 200
MAX_CHOICES_BYTES = 4 * 1024  # of all of a question's, as JSON; a snapshot stays small
MAX_SCHEMA_BYTES = 6 * 1024
MAX_ANSWER_BYTES = 16 * 1024
VALUE = "value"  # the answer's name in a request, a form, and what is wrong with it


class Asked(NamedTuple):
    """A question that a task's run asks; `key` tells it from the task's others.

    `choices` and `schema` are JSON values, `timeout` and `remind_after` seconds; None: none.
    """

    id: str
    key: str
    text: str
    choices: list[Any] | None
    schema: dict[str, Any] | None
    timeout: float | None
    remind_after: float | None = None


def choices_of(choices: Sequence[str | int]) -> list[str | int]:
    """Return a question's choices. Raises TypeError or ValueError for what is no choice."""
    if isinstance(choices, str) or not isinstance(choices, Sequence):
        raise TypeError("choices has to be a list of texts or whole numbers.")
    if not 0 < len(choices) <= MAX_CHOICES:
        raise ValueError(f"A question has 1 to {MAX_CHOICES} choices.")
    for each in choices:
        if not isinstance(each, str) and type(each) is not int:
            raise TypeError(f"A choice is a text or a whole number, not {each!r}.")
        if not 0 < len(str(each)) <= MAX_CHOICE_CHARS:
            raise ValueError(f"A choice has 1 to {MAX_CHOICE_CHARS} characters.")
    if len({str(each) for each in choices}) < len(choices):
        raise ValueError("Two choices are alike.")
    encoded(choices, MAX_CHOICES_BYTES, "What a question lets choose from")
    return [each if type(each) is int else str(each) for each in choices]


def checked_schema(hint: Any) -> dict[str, Any]:
    """Return the JSON Schema of a question's annotation.

    Raises TypeError or ValueError for one that cannot be asked for.
    """
    schema = schema_of(hint)
    encoded(schema, MAX_SCHEMA_BYTES, "The schema of a question")
    return schema


def argument_of(question: Mapping[str, Any]) -> Argument:
    """Return the answer to a snapshot's question, as an argument that a form can have."""
    return Argument(VALUE, _hint_of(question), is_required=True)


def wrong_with_answer(value: Any, question: Mapping[str, Any] | None) -> Wrong:
    """Return why a JSON value is no answer to a snapshot's question, by path; {} where it is.

    Of no question: why it is no answer to any.
    """
    try:
        encoded(value, MAX_ANSWER_BYTES, "An answer")
    except (TypeError, ValueError) as error:
        return {VALUE: str(error)}
    return below([(VALUE, wrong_with(value, _hint_of(question) if question else Any))])


def _hint_of(question: Mapping[str, Any]) -> Any:
    if question.get("choices"):
        return Literal[tuple(question["choices"])]
    return str if question.get("schema") is None else hint_of(question["schema"])
