"""A terminal's colours in the text of a stream, as HTML for a page that runs no script.

What ansi.js draws as styles is written as classes of written.css, since the pages' policy forbids
styles in HTML: the sixteen colours and the ways of writing. Other colours are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from markupsafe import Markup

# What a terminal takes for no text: CSI with its parameters and its final character, a string up to
# its end, or a short one.
SEQUENCE = re.compile(
    r"\x1b(?:"
    r"\[([0-?]*)[ -/]*([@-~])"
    r"|\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|[PX^_][^\x1b]*\x1b\\"
    r"|[ -/]*(?![\[\]PX^_])[0-~])"
)
CODE = re.compile(r"[0-9]{1,9}")  # Python converts no text of thousands of digits
SETS = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike"}
UNSETS = {
    22: ("bold", "dim"),
    23: ("italic",),
    24: ("underline",),
    27: ("inverse",),
    29: ("strike",),
    39: ("ink",),
    49: ("ground",),
}
EXTENDED = {38: "ink", 48: "ground"}  # another code says which of 256 colours, or of all

Style = Mapping[str, str]  # a class for each thing that is set


def coloured(text: str) -> Markup:
    """Return a terminal's text as HTML in which it is text alone, in spans with classes."""
    return Markup("").join(_pieces(text))


def _pieces(text: str) -> Iterator[Markup | str]:
    style: Style = {}
    at = 0
    for found in SEQUENCE.finditer(text):
        yield _span(text[at : found.start()], style)
        at = found.end()
        if found[2] == "m":
            style = _style_after(style, found[1])
    yield _span(text[at:], style)


def _span(text: str, style: Style) -> Markup | str:
    if not text or not style:
        return text
    return Markup('<span class="{}">{}</span>').format(" ".join(style.values()), text)


def _style_after(style: Style, parameters: str) -> Style:
    codes = _codes(parameters)
    after = dict(style)
    for code in codes:
        if code == 0:
            after.clear()
        elif code in SETS:
            after[SETS[code]] = SETS[code]
        elif code in EXTENDED:
            _set_colour(after, EXTENDED[code], _extended(codes))
        else:
            for what in UNSETS.get(code, ()):
                after.pop(what, None)
            _set_plain(after, code)
    return after


def _codes(parameters: str) -> Iterator[int]:
    """Yield the numbers of a sequence; one with colons may name a colour space, of which one is."""
    for group in parameters.split(";"):
        parts = group.split(":")
        if len(parts) == 6 and parts[1] == "2":
            del parts[2]
        if parts[0] == "4":
            del parts[1:]  # whatever kind the underline is of
        yield from map(_code, parts)


def _code(part: str) -> int:
    """Return the number of a code, 0 for an empty one, -1 for anything else."""
    if not part:
        return 0
    return int(part) if CODE.fullmatch(part) else -1


def _set_plain(style: dict[str, str], code: int) -> None:
    bright = 8 if code >= 90 else 0
    tens, index = divmod(code - (60 if bright else 0), 10)
    if index < 8 and tens in (3, 4):
        _set_colour(style, "ink" if tens == 3 else "ground", index + bright)


def _extended(codes: Iterator[int]) -> int:
    """Return which of the sixteen colours the next codes name, -1 for another one."""
    kind = next(codes, -1)
    if kind == 5:
        return next(codes, -1)
    if kind == 2:
        for _ in range(3):
            next(codes, None)
    return -1


def _set_colour(style: dict[str, str], what: str, index: int) -> None:
    if 0 <= index < 16:
        style[what] = f"{what}-{index}"
    else:
        style.pop(what, None)
