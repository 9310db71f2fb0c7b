"""A terminal's colours on a page without a script: the same as ansi.js draws, of the sixteen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headway.web.pages.ansi import coloured

STATIC = Path(__file__).resolve().parent.parent / "headway" / "static"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain <b>", "plain &lt;b&gt;"),
        ("\x1b[31m<b>\x1b[0m and", '<span class="ink-1">&lt;b&gt;</span> and'),
        ("\x1b[1;4;92;45mx\x1b[22;39my", '<span class="bold underline ink-10 ground-5">x</span>'
         '<span class="underline ground-5">y</span>'),
        ("\x1b[38;5;3ma\x1b[38;5;200mb\x1b[38;2;1;2;3;1mc", '<span class="ink-3">a</span>b'
         '<span class="bold">c</span>'),
        ("\x1b[38:2::1:2:3;4:3mx\x1b[mz", '<span class="underline">x</span>z'),
        ("a\x1b[2J\x1b]0;title\x07\x1b(Bb\x1b[?25lc", "abc"),
        ("\x1b[;31mx\x1b[999my", '<span class="ink-1">x</span><span class="ink-1">y</span>'),
        ("\x1b[31mx\x1b[" + "9" * 5000 + "m", '<span class="ink-1">x</span>'),
        ("open \x1b[3", "open \x1b[3"),
    ],
)  # fmt: skip
def test_a_terminals_text_is_text_in_spans(text: str, html: str):
    assert coloured(text) == html


def test_scripts_and_pages_without_them_have_the_same_sixteen_colours():
    style = (STATIC / "written.css").read_text()
    script = (STATIC / "js" / "ansi.js").read_text()
    palette = re.search(r"const PALETTE = \[(.*?)\]", script, re.DOTALL)
    assert palette

    of_page = re.findall(r"--ansi-\d+: light-dark\((.*?)\);", style)

    assert of_page == re.findall(r'"(.*?)"', palette[1])
    assert len(of_page) == 16
    for index in range(16):
        for what in ("ink", "ground"):
            assert f".{what}-{index} {{" in style
