"""What the suite needs for tasks that go on: it must strike as the seed says, and see what is
wrong.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.faults.readers import Text
from tests.faults.stories import Diary, is_whole, word
from tests.faults.strikes import HALF, STRIKES, schedule
from tests.faults.telling import differing


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
