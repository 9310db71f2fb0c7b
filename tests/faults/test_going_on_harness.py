"""What the suite needs for tasks that go on: it must strike as the seed says, and see what is
wrong.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from inspect import signature
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from tests.faults import telling
from tests.faults.faults import FAULTS
from tests.faults.readers import Text
from tests.faults.report import Row
from tests.faults.stories import STREAM, Diary, is_whole, word
from tests.faults.strikes import HALF, STRIKES, in_some_order, schedule
from tests.faults.telling import Story, differing

SEEDED = (
    "killed-anywhere",
    "at-a-save",
    "in-a-stream",
    "in-an-effect",
    "while-waiting",
    "at-an-answer",
)


def diary(path: Path, *lines: tuple[str, str, Any], torn: str = "") -> Diary:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + torn)
    return Diary(path)


def test_a_seed_decides_when_and_how_a_task_is_struck():
    moves = schedule(3, 50)

    assert moves == schedule(3, 50)
    assert moves != schedule(4, 50)
    assert moves == sorted(moves, key=lambda move: move.at)


def test_each_strike_comes_as_often_and_some_hit_a_task_that_waits():
    moves = schedule(3, 48)

    assert Counter(move.what for move in moves) == dict.fromkeys(STRIKES, 8)
    assert sum(move.at == HALF for move in moves) == 5


def test_a_seed_decides_in_which_order_a_moment_is_struck():
    kinds = ("kill a web process", "restart Valkey", "kill the worker")

    def order(seed: int) -> list[str]:
        return in_some_order(Random(seed), kinds, 12)

    assert order(3) == order(3)
    assert order(3) != order(4)
    assert Counter(order(3)) == dict.fromkeys(kinds, 4)


@pytest.mark.parametrize("name", SEEDED)
def test_each_fault_of_a_story_takes_the_seed_it_is_asked_for(name: str):
    [fault] = [each for each in FAULTS if each.name == name]
    given: list[tuple[Any, ...]] = []
    seen = replace(fault, run=lambda system, amount, seed: given.append((system, amount, seed)))

    seen.job(2, 7)("a system")  # type: ignore[arg-type]  # it goes nowhere

    assert given == [("a system", 2, 7)]
    assert "seed" in signature(fault.run).parameters


def test_a_diary_tells_what_was_done_again_and_what_the_text_must_be(tmp_path: Path):
    found = diary(
        tmp_path / "diary",
        *(("first", "row", row) for row in range(3)),
        ("first", "save", 2),
        *(("next", "row", row) for row in range(2, 5)),
        torn='["next", "ro',
    )

    assert found.reached == 5
    assert found.repeated() == 1
    assert found.runs() == {"first": [0, 1, 2], "next": [2, 3, 4]}
    words = [word(row, "first" if row < 2 else "next") for row in range(5)]
    assert found.text() == "".join(words)


def test_the_text_ends_where_the_last_run_was_stopped(tmp_path: Path):
    found = diary(
        tmp_path / "diary",
        *(("first", "row", row) for row in range(9)),
        *(("stopped", "row", row) for row in range(5, 7)),
    )

    words = [word(row, "first" if row < 5 else "stopped") for row in range(7)]
    assert found.text() == "".join(words)


def test_a_diary_is_read_on_where_it_ended(tmp_path: Path):
    path = tmp_path / "diary"
    found = diary(path, ("first", "row", 0), torn='["first", "row"')
    assert found.reached == 1

    with path.open("a") as file:
        file.write(", 1]\n")

    assert found.reached == 2


def test_a_reader_follows_the_readers_rule():
    text = Text()

    assert not text.take(0, "one ", 1)
    assert not text.take(2, "e two·", 1)
    assert text.take(20, "four", 1), "something is missing"
    assert text.take(4, "", 2), "it was cut back: all is to be read again"
    assert not text.take(0, "one ", 2)
    assert not text.take(0, "one two·", 1), "outdated"
    assert text.data == b"one "


def test_texts_that_differ_are_told_where():
    assert differing("one two", "one too").endswith("at 5")
    assert "7 characters of 3" in differing("one two", "one")


def test_a_story_is_whole_with_each_row_once_in_its_order():
    one, two, three = (word(row, "ab12") for row in range(3))

    assert is_whole(one + two + three, 3)
    assert not is_whole(one + two, 3)
    assert not is_whole(one + two + two + three, 3)
    assert not is_whole(one + "[3 bytes are missing here] " + three, 3)


SAVED = 2
TOLD = [
    *(("first", "row", row) for row in range(3)),
    *(("next", event, value) for event, value in (("answer", "yes"), ("charge", ""))),
    ("next", "receipt", "paid"),
    *(("next", "row", row) for row in range(SAVED, 5)),
]
WHOLE = "".join(word(row, "first" if row < SAVED else "next") for row in range(5))


def judged(path: Path, told: list[Any], kept: str, *read: str, answers: tuple[str, ...]) -> Row:
    """Judge a story of which the record and the readers have these texts.

    Its first run was struck when two rows were saved.
    """
    story = Story.__new__(Story)
    story.task_id = "t-1"
    story.has_answered = True
    story.diary = diary(path, *told)
    story.readers = [SimpleNamespace(text=lambda text=text: text, close=None) for text in read]
    given = {str(key): json.dumps({"value": answer}) for key, answer in enumerate(answers)}
    client = SimpleNamespace(hget=lambda *_: json.dumps(given))
    queries = SimpleNamespace(read_streams=lambda *_: {STREAM: {"text": kept}})
    records = SimpleNamespace(client=client, queries=queries)
    story._one = SimpleNamespace(system=SimpleNamespace(records=records))
    story._saves = [(3, SAVED)]
    row = Row("a story", 1)
    story.judge(row)
    return row


def test_a_story_that_went_as_it_must_is_clean(tmp_path: Path):
    row = judged(tmp_path / "d", TOLD, WHOLE, WHOLE, WHOLE, WHOLE, answers=("yes",))

    assert row.clean


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("a reader", {"read": WHOLE.replace("·", ".", 1)}),
        ("the record", {"kept": WHOLE[:-1]}),
        ("two answers", {"answers": ("yes", "no")}),
        ("another answer", {"answers": ("no",)}),
        ("two charges", {"more": [("next", "charge", "")]}),
        ("another receipt", {"more": [("next", "receipt", None)]}),
        ("a row before the save", {"more": [("last", "row", 1)]}),
        ("a row left out", {"more": [("next", "row", 6)]}),
    ],
)
def test_each_thing_that_is_wrong_with_a_story_is_seen(
    what: str, change: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(telling, "SAME_SECONDS", 0.0)
    told = [*TOLD, *change.get("more", [])]
    whole = diary(tmp_path / "all", *told).text()
    kept = change.get("kept", whole)
    read = change.get("read", whole)

    row = judged(tmp_path / "d", told, kept, whole, read, answers=change.get("answers", ("yes",)))

    assert not row.clean, what
