"""`headway answer`: a task's question, answered from a shell."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner, Result

from headway.cli.groups import headway
from headway.questions import Asked, checked_schema
from headway.store.records import Records
from tests.bodies import read
from tests.by_hand import HERE
from tests.terminal import MESSAGE, TASK_ID, running

QUESTION = Asked("q1", "go", "Go on?", ["1", "no"], None, None)


@dataclass
class Size:
    width: int


def answer(redis_url: str, *words: str, typed: str = "") -> Result:
    words = ("--redis-url", redis_url, "answer", *words)
    return CliRunner().invoke(headway, words, input=typed, catch_exceptions=False)


def asking(records: Records, **of: Any) -> str:
    task_id = running(records)
    records.runs.ask(task_id, HERE, QUESTION._replace(**of), MESSAGE)
    return task_id


def value_kept(records: Records, task_id: str) -> Any:
    kept = records.client.hget(f"headway:task:{task_id}", "answers")
    return json.loads(json.loads(str(kept))["go"])


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (None, "1", "1"),
        (checked_schema(str), "1", "1"),
        (checked_schema(int), "3", 3),
        (checked_schema(bool), "true", True),
        (checked_schema(Size), '{"width": 3}', {"width": 3}),
    ],
)
def test_an_answer_is_of_the_type_that_is_asked_for(
    redis_url: str, records: Records, schema: Any, text: str, value: Any
):
    task_id = asking(records, schema=schema, choices=None if schema else ["1", "no"])

    result = answer(redis_url, task_id, text, "--as", "ada")

    assert (result.exit_code, result.stdout) == (0, "answered\n")
    kept = value_kept(records, task_id)
    assert (kept["value"], kept["by"]) == (value, "ada")


def test_without_an_answer_the_question_is_shown_and_it_is_read(redis_url: str, records: Records):
    task_id = asking(records, text="Go\x1b[2J on?")

    result = answer(redis_url, task_id, typed="no\n")

    assert result.stdout == "Go [2J on? (1, no): no\nanswered\n"
    assert value_kept(records, task_id)["by"] == "a terminal"


def test_the_question_names_the_members_of_what_it_asks_for(redis_url: str, records: Records):
    task_id = asking(records, schema=checked_schema(Size), choices=None)

    result = answer(redis_url, task_id, typed='{"width": 3}\n')

    assert result.stdout == 'Go on? (JSON with width): {"width": 3}\nanswered\n'


def test_what_is_typed_and_does_not_answer_is_read_again(redis_url: str, records: Records):
    task_id = asking(records)

    result = answer(redis_url, task_id, typed="yes\n1\n")

    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "answered")
    assert "This does not answer the question" in result.stderr
    assert value_kept(records, task_id)["value"] == "1"


def test_an_input_that_ends_is_no_answer(redis_url: str, records: Records):
    result = answer(redis_url, asking(records))

    assert (result.exit_code, result.stderr.splitlines()[-1]) == (2, "Error: No answer was given.")


def test_ctrl_c_at_the_question_is_an_interruption(
    redis_url: str, records: Records, monkeypatch: pytest.MonkeyPatch
):
    def interrupted(prompt: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("click.termui.visible_prompt_func", interrupted)

    with pytest.raises(SystemExit) as ended:
        headway(["--redis-url", redis_url, "answer", asking(records)])

    assert ended.value.code == 130


def test_what_is_no_answer_is_said_and_changes_nothing(redis_url: str, records: Records):
    task_id = asking(records)

    unfit = answer(redis_url, task_id, "yes")

    assert (unfit.exit_code, unfit.stderr) == (
        2,
        "Error: This does not answer the question: value: Must be one of: 1, no.\n",
    )
    assert read(records, task_id).question is not None


def test_no_choice_of_a_question_moves_the_terminal(redis_url: str, records: Records):
    task_id = asking(records, choices=["yes", "\x1b[2Jno\x1b]0;owned\x07\u202e"])

    given = answer(redis_url, task_id, "perhaps")
    typed = answer(redis_url, task_id, typed="perhaps\n")

    for said in (given.stderr, typed.stderr, typed.stdout):
        assert "no ]0;owned" in said
        assert not set(said) & set("\x1b\x07\u202e")


def test_a_task_that_asks_nothing_is_not_answered(redis_url: str, records: Records):
    result = answer(redis_url, running(records), "yes")
    unknown = answer(redis_url, f"{TASK_ID}0", "yes")

    assert (result.exit_code, result.stderr) == (1, "Error: This task asks nothing now.\n")
    assert unknown.exit_code == 4
