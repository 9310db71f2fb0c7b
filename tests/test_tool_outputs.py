"""How far real programs are, read from what they print, as public logs have it.

`tool_outputs.txt` has each program's output, cut short, and before it the measures that it says.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from headway.capture.lines import LineSplitter
from headway.capture.measures import MeasureReader

SECTIONS = Path(__file__).with_name("tool_outputs.txt").read_text().split("=== ")[1:]
PIECE = 40  # characters that are read at once
ESCAPES = {"\\r": "\r", "\\b": "\b", "\\e": "\x1b"}


def said(output: str) -> list[str]:
    """Return the measures that an output says, each that differs from the one before."""
    splitter = LineSplitter()
    reader = MeasureReader()
    found: list[str] = []

    def take(text: str, *, is_drawn: bool) -> None:
        measure = reader.read(text, is_drawn=is_drawn)
        if measure is not None and found[-1:] != [f"{measure.current:.9g}/{measure.total:.9g}"]:
            found.append(f"{measure.current:.9g}/{measure.total:.9g}")

    for start in range(0, len(output), PIECE):
        for line in splitter.feed(output[start : start + PIECE]):
            take(line.text, is_drawn=line.is_drawn or not line.is_final)
        if drawn := splitter.drawn():
            take(drawn, is_drawn=True)
    for line in splitter.close():
        take(line.text, is_drawn=line.is_drawn or not line.is_final)
    return found


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.partition(":")[0])
def test_a_program_says_how_far_it_is(section: str):
    heading, _, output = section.partition("\n")
    for escaped, character in ESCAPES.items():
        output = output.replace(escaped, character)

    assert said(output) == heading.partition(": ")[2].split()
