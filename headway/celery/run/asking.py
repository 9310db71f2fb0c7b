"""Asks a person for a run, which ends with that: a later run of its task has the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NoReturn
from uuid import uuid4

from headway.arguments.typed import converted, wrong_with
from headway.bars import Section
from headway.celery.run.runs import Run, Stopped
from headway.exceptions import Unanswered
from headway.questions import VALUE, Asked, checked_schema, choices_of
from headway.store.model import Outcome
from headway.values import as_text

NO_DEFAULT: Any = object()
MAX_TEXT_CHARS = 1000
MAX_KEY_CHARS = 100
MAX_TIMEOUT = 366 * 86400.0  # seconds


def ask(
    section: Section | None,
    text: str,
    choices: Sequence[str | int] | None,
    schema: Any,
    timeout: float | None,
    default: Any,
    key: str,
    remind_after: float | None,
) -> Any:
    """Return the answer to a question, or end the run of this section; see `progress.ask`."""
    asked, hint = _question(text, choices, schema, (timeout, remind_after), key)
    if section is None:
        return _unanswered(asked, default)
    run: Run = section.run
    asked = asked._replace(key=asked.key or run.checkpoint.key_of(asked.text))
    answer = run.checkpoint.answer(asked.key)
    if answer is None:
        _ask(run, asked)
    if VALUE not in answer:
        return _unanswered(asked, default)
    if wrong := wrong_with(answer[VALUE], hint):
        why = "; ".join(f"{path}: {each}" if path else each for path, each in wrong.items())
        raise ValueError(f"The answer to {asked.text!r} does not fit: {why}")
    return converted(answer[VALUE], hint)


def _question(
    text: str,
    choices: Sequence[str | int] | None,
    schema: Any,
    times: tuple[float | None, float | None],
    key: str,
) -> tuple[Asked, Any]:
    """Return a question, and the annotation of its answer. Raises TypeError or ValueError."""
    shown = as_text(text, MAX_TEXT_CHARS)
    if not shown or not shown.strip():
        raise ValueError("A question has a text.")
    if len(key) > MAX_KEY_CHARS:
        raise ValueError(f"The key of a question has at most {MAX_KEY_CHARS} characters.")
    timeout, remind_after = times
    for name, seconds in (("timeout", timeout), ("remind_after", remind_after)):
        if not isinstance(seconds, int | float | None):
            raise TypeError(f"{name} is a number of seconds, not {seconds!r}.")
        if seconds is not None and not 0 < seconds <= MAX_TIMEOUT:
            raise ValueError(f"{name} is a number of seconds, from above 0 to {MAX_TIMEOUT:.0f}.")
    if timeout is not None and remind_after is not None and remind_after >= timeout:
        raise ValueError("remind_after has to be less than timeout.")
    if choices is not None and schema is not None:
        raise TypeError("A question has choices or a schema, not both.")
    of = None if choices is None else choices_of(choices)
    known = None if schema is None else checked_schema(schema)
    hint = Literal[tuple(of)] if of else str if schema is None else schema
    # A key of its own begins otherwise than one that is made of the text; see `Checkpoint.key_of`.
    return Asked(uuid4().hex, key and f"={key}", shown, of, known, *times), hint


def _ask(run: Run, question: Asked) -> NoReturn:
    """Store what the run has to say, ask, and end the run. Raises Stopped."""
    if run.successor is not None:
        raise RuntimeError("A run that has asked for its next attempt can ask no person.")
    if run.must_finish:
        name = min(run.must_finish)
        raise RuntimeError(
            f"The run would end here within progress.once({name!r}, ...), which would leave that "
            "in doubt: ask before it, or give it in_doubt=."
        )
    if run.streams is not None:  # to their last words, which may be what the person goes by
        run.streams.close()
    run.sender.flush(now=True)
    run.sender.settle()
    runs = run.task.backend.runs
    outcome = runs.ask(run.task, run.request, question)
    if outcome == Outcome.EXPIRED:  # Redis has lost the record: a report makes it again
        runs.report(run.request, "PROGRESS", {})
        outcome = runs.ask(run.task, run.request, question)
    run.stop(outcome)
    raise Stopped(outcome)


def _unanswered(question: Asked, default: Any) -> Any:
    if default is NO_DEFAULT:
        raise Unanswered(f"Nobody answered in time: {question.text}")
    return default
