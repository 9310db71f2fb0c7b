"""Reads a task's docstring: its summary, and what it says of each argument.

Google's style ("Args:") and Sphinx's (":param name:") are known.
"""

from __future__ import annotations

import re
from inspect import cleandoc

HEADINGS = re.compile(r"(Args|Arguments|Parameters):")
ENTRY = re.compile(r"\*{0,2}(\w+)(?: \([^)]*\))?: *(.*)")
PARAM = re.compile(r":param (?:[^:]+ )?(\w+): *(.*)")


def summary_of(docstring: str | None) -> str:
    """Return the first paragraph of a docstring, in one line."""
    paragraph = cleandoc(docstring or "").partition("\n\n")[0]
    lines = paragraph.splitlines()
    if any(HEADINGS.fullmatch(line) or PARAM.match(line) for line in lines[:1]):
        return ""
    return " ".join(lines)


def helps_of(docstring: str | None) -> dict[str, str]:
    """Return what a docstring says of each argument, by name."""
    lines = cleandoc(docstring or "").splitlines()
    return {**_of_google(lines), **_of_sphinx(lines)}


def _of_google(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    is_inside = False
    indent = 0
    name = ""
    for line in lines:
        text = line.strip()
        depth = len(line) - len(line.lstrip())
        if depth == 0 and text:
            is_inside = bool(HEADINGS.fullmatch(text))
            indent = 0
        elif is_inside and text:
            indent = indent or depth
            entry = ENTRY.fullmatch(text) if depth == indent else None
            if entry:
                name = entry[1]
                found[name] = entry[2]
            elif name in found:
                found[name] = f"{found[name]} {text}".strip()
    return found


def _of_sphinx(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""
    for line in lines:
        text = line.strip()
        if entry := PARAM.fullmatch(text):
            name = entry[1]
            found[name] = entry[2]
        elif not text or text.startswith(":") or line == line.lstrip():
            name = ""
        elif name:
            found[name] = f"{found[name]} {text}".strip()
    return found
