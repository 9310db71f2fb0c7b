"""Texts of a task that are cut: secrets are masked before the cut, so that no part of one stays
beside it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from headway import masking
from headway.capture.lines import LineSplitter, plain
from headway.progress import MAX_LINE_CHARS
from headway.snapshot import MAX_READ_CHARS, MAX_TEXT, one_line
from headway.state_fields import progress_fields
from headway.values import MAX_CHARS, as_json, as_text

SECRET = "Tr0ub4dor-and-3"
PARTS = [SECRET[:4], SECRET[-4:]]


@pytest.fixture(autouse=True)
def secrets() -> Iterator[None]:
    masking.set_secrets("test", [SECRET])
    yield
    masking.set_secrets("test", [])


CUTS: dict[str, tuple[int, Callable[[str], object]]] = {
    "log line": (MAX_LINE_CHARS, lambda text: as_text(text, MAX_LINE_CHARS)),
    "what is read of a status": (MAX_READ_CHARS, lambda text: as_text(text, MAX_READ_CHARS)),
    "value in a report": (MAX_CHARS, lambda text: as_json({"said": text})),
    "status": (MAX_TEXT, one_line),
    "status of a report": (
        MAX_TEXT,
        lambda text: progress_fields("PROGRESS", {"status": text})["status"],
    ),
    "name of a step": (
        MAX_TEXT,
        lambda text: progress_fields("PROGRESS", {"step": text})["step"]["name"],
    ),
}


@pytest.mark.parametrize("cut", CUTS)
def test_no_part_of_a_secret_stays_at_a_cut(cut: str):
    limit, made = CUTS[cut]
    for before in range(limit - len(SECRET) - 3, limit + 2):
        shown = str(made("x" * before + SECRET + "y" * 20_000))

        assert not any(part in shown for part in PARTS), before
        assert shown.count("x") >= min(before, limit - len(SECRET))


@pytest.mark.parametrize("cut", CUTS)
def test_secrets_that_are_masked_bring_no_part_of_another_before_the_cut(cut: str):
    limit, made = CUTS[cut]
    for before in range(len(SECRET) + 2):
        shown = str(made("x" * before + f"{SECRET} " * limit))

        assert not any(part in shown for part in PARTS), before
        assert "***" in shown


COLOURED = f"{SECRET[:6]}\x1b[31m{SECRET[6:]}"


@pytest.mark.parametrize("hidden", [SECRET, COLOURED, f" password={SECRET}-unknown"])
@pytest.mark.parametrize("size", [97, 10_000], ids=["in pieces", "at once"])
def test_no_part_of_a_secret_stays_where_a_printed_line_is_cut(hidden: str, size: int):
    for before in range(MAX_LINE_CHARS - len(hidden) - 3, MAX_LINE_CHARS + 2):
        text = "x" * before + hidden + " and more" * 20 + "\n"
        splitter = LineSplitter()
        pieces = [text[start : start + size] for start in range(0, len(text), size)]

        lines = [line.text for piece in pieces for line in splitter.feed(piece)]

        said = "".join(map(masking.mask, lines))
        assert not any(part in said for part in [*PARTS, "unknown"]), before
        whole = "x" * before + masking.mask(plain(hidden)) + " and more" * 20
        # No space stays at a line's end, and of a mask that is cut each part may be masked.
        assert re.sub(r"\*+| ", "", said) == re.sub(r"\*+| ", "", whole)
        assert "***" in said
        assert max(map(len, lines)) <= MAX_LINE_CHARS


def test_a_secret_with_spaces_is_masked_before_they_go():
    masking.set_secrets("test", ["two  words"])

    assert one_line("it is two  words") == "it is ***"


def test_a_url_that_is_cut_within_its_password_shows_none():
    for before in range(MAX_TEXT - 40, MAX_TEXT):
        shown = one_line(
            "x" * before + f" redis://user:unknown{'z' * MAX_TEXT}@host/0 " + "y" * MAX_TEXT
        )

        assert "unk" not in shown, before


def test_what_needs_no_cut_stays_as_it_is():
    for text in (
        "x" * MAX_CHARS,
        "https://host.example:8080",
        "a" * (MAX_CHARS - 25) + " https://host.example",
    ):
        assert (as_text(text), one_line(text)) == (text, text)
