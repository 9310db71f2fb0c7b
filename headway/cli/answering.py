"""`headway answer`: answers what a task asks a person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from headway import strict_json
from headway.answering import BadAnswer
from headway.answering import answer as answer_with
from headway.arguments.annotations import ABSENT
from headway.arguments.controls import GROUP, control_of, read
from headway.cli.commands import text_option, with_project
from headway.cli.errors import Command, ExitCode, Failure
from headway.cli.project import Project
from headway.push.follow import UnknownTask
from headway.questions import argument_of
from headway.shapes import Question
from headway.snapshot import Snapshot, visible_line
from headway.store.model import ChangeResult, Outcome
from headway.store.records import TASK_ID

TERMINAL = "a terminal"


@click.command("answer", cls=Command)
@click.argument("task_id", metavar="ID")
@click.argument("value", metavar="[VALUE]", required=False)
@text_option("--as", "by", metavar="NAME", default=TERMINAL, help="Who answers.")
@with_project
def answer(project: Project, task_id: str, value: str | None, by: str) -> None:
    """Answer what a task asks a person.

    Without a VALUE it shows the question and reads the answer. A text, a number or one of the
    choices is written as it is; what a schema has members for as JSON.
    """
    question = _question_of(project, task_id)

    def give(text: str) -> ChangeResult:
        return answer_with(
            project.records, task_id, question, question["id"], _read(text, question), by
        )

    try:
        found = _prompt(question, give) if value is None else give(value)
    except BadAnswer as error:
        raise Failure(_why(error), ExitCode.USAGE) from error
    if found.outcome not in (Outcome.QUEUED, Outcome.REPLAYED):
        raise Failure("This question has been answered already.", ExitCode.FAILED)
    click.echo("answered")


def _prompt(question: Question, give: Callable[[str], ChangeResult]) -> ChangeResult:
    """Show the question, and read what is typed until it is an answer."""
    while True:
        try:
            return give(click.prompt(_shown(question)))
        except BadAnswer as error:
            click.echo(_why(error), err=True)
        except click.Abort as abort:  # Ctrl-C, as click has it, or the end of the input
            if isinstance(abort.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from None
            raise Failure("No answer was given.", ExitCode.USAGE) from None


def _why(error: BadAnswer) -> str:
    why = "; ".join(f"{path}: {said}" for path, said in error.fields.items())
    return visible_line(f"This does not answer the question: {why}")


def _question_of(project: Project, task_id: str) -> Question:
    [stored] = project.records.read([task_id]) if TASK_ID.match(task_id) else [None]
    if stored is None:
        raise UnknownTask(task_id)
    question = Snapshot.from_json(stored.snapshot).question
    if question is None:
        raise Failure("This task asks nothing now.", ExitCode.FAILED)
    return question


def _shown(question: Question) -> str:
    """Return the question with its choices, or with the members of the JSON object it asks for."""
    members = (question["schema"] or {}).get("properties")
    of = ", ".join(visible_line(str(each)) for each in question["choices"] or members or ())
    if of and members:
        of = f"JSON with {of}"
    return visible_line(question["text"]) + (f" ({of})" if of else "")


def _read(text: str, question: Question) -> Any:
    """Return the JSON value of a text that a person has typed."""
    hint = argument_of(question).hint
    if control_of(hint) == GROUP:
        return strict_json.parse_or_text(text)
    value = read(text, hint, is_required=True)
    return None if value is ABSENT else value
