"""Reads `docs/seams.md`, and checks each part that it names against the installed versions."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any, NamedTuple

import celery

from tests.foreign import ROOT, Use, find, names_of

PAGE = ROOT / "docs" / "seams.md"
COLUMNS = 5
WITHOUT_ROW = "{use.file} uses {use.name}: give it a row in docs/seams.md"
CODE = re.compile(r"`([^`]+)`")
SINCE = re.compile(r", since ([\d.]+)")
PART = re.compile(r"(?P<path>[\w.]+)(?P<signature>\(.*\))?(?: = (?P<value>.+))?")


class Part(NamedTuple):
    """A part of another library: what is expected of it, and who has to use it still."""

    text: str
    callers: list[str]
    since: str = ""  # the first release of Celery that has it

    @property
    def name(self) -> str:
        return self._parsed["path"].rpartition(".")[2]

    @property
    def is_path(self) -> bool:
        """Whether this is a dotted name, and not that of a check."""
        return "." in self.text

    @property
    def _parsed(self) -> re.Match[str]:
        parsed = PART.fullmatch(self.text)
        assert parsed, f"`{self.text}` is neither a name, a signature nor a constant"
        return parsed

    def stands_in(self, text: str) -> bool:
        """Whether a file's text has this name, or the text that it stands for."""
        value = str(self._parsed["value"]).strip("'")
        return bool(re.search(rf"\b{re.escape(self.name)}\b|['\"]{re.escape(value)}", text))

    def check(self) -> None:
        """Raise AssertionError where the installed version has another part."""
        if _release(celery.__version__) < _release(self.since):
            return
        parsed = self._parsed
        owner_path, _, name = parsed["path"].rpartition(".")
        owner = self._find(owner_path)
        known = names_of(owner) | names_of_standard(owner) if isinstance(owner, type) else ()
        assert hasattr(owner, name) or name in known, f"{parsed['path']} is no more"
        if parsed["signature"]:
            found = signature_of(getattr(owner, name))
            before = parsed["signature"]
            assert found == before, f"{parsed['path']} takes {found}, and took {before}"
        if parsed["value"]:
            value = getattr(owner, name)
            assert value == ast.literal_eval(parsed["value"]), (
                f"{parsed['path']} is {value!r}, and was {parsed['value']}"
            )
        for caller in self.callers:
            assert name in names_used(self._find(caller)), f"{caller} does not use {name} any more"

    def _find(self, path: str) -> Any:
        try:
            return find(path)
        except (AttributeError, ImportError) as error:
            raise AssertionError(f"{path} is no more: {error}") from error


class Row(NamedTuple):
    """A row of the page."""

    parts: list[Part]
    files: list[str]
    purpose: str
    breaks: str
    tests: list[str]


def rows(text: str) -> list[Row]:
    """Return the rows of the page's tables. Raises AssertionError for one that lacks something."""
    return [_row(line) for line in text.splitlines() if line.startswith("| `")]


def signature_of(found: Any) -> str:
    """Return a signature as the page has it: names and plain defaults, without `self`."""
    parameters = [_bare(each) for each in inspect.signature(found).parameters.values()]
    if parameters and parameters[0].name == "self":
        del parameters[0]
    return str(inspect.Signature(parameters))


def names_used(found: Any) -> set[str]:
    """Return the names that a function uses, also in the functions within it."""
    for name in ("fget", "func", "__func__"):  # of a property, a cached one, a method
        found = getattr(found, name, found)
    return set(_names_in(inspect.unwrap(found).__code__))


def names_of_standard(kind: type) -> set[str]:
    """Return the names that the constructor of a class of the standard library uses."""
    is_standard = kind.__module__ in sys.stdlib_module_names
    return names_used(kind.__init__) if is_standard else set()


def unlisted(used: set[Use], listed: list[Row]) -> list[str]:
    """Return what the code uses and the page does not list."""
    pairs = [(row, part) for row in listed for part in row.parts if part.is_path]
    known = {Use(file, part.name) for row, part in pairs for file in row.files}
    return [WITHOUT_ROW.format(use=use) for use in sorted(used - known)]


def out_of_date(listed: list[Row]) -> Iterator[str]:
    """Yield what the page says of our files that is not so."""
    for row in listed:
        texts = {file: _text_of(file) for file in row.files}
        paths = [part for part in row.parts if part.is_path]
        for file, text in texts.items():
            if paths and not any(part.stands_in(text) for part in paths):
                yield f"{file} names nothing of the row of {paths[0].name}"
        for part in paths:
            if not part.callers and not any(part.stands_in(text) for text in texts.values()):
                yield f"no file of its row names {part.name}"
        yield from (f"there is no {test}" for test in row.tests if not (ROOT / test).exists())


def _row(line: str) -> Row:
    cells = [cell.strip() for cell in line.strip("|").split(" | ")]
    assert len(cells) == COLUMNS, f"docs/seams.md: not {COLUMNS} columns: {line:.80}"
    assert all(cells), f"docs/seams.md: an empty cell: {line:.80}"
    parts = []
    for item in cells[0].split("<br>"):
        text, *callers = CODE.findall(item)
        since = SINCE.search(item)
        assert bool(callers) == ("called by" in item), f"docs/seams.md: who calls {item}?"
        parts.append(Part(text, callers, since[1] if since else ""))
    return Row(parts, CODE.findall(cells[1]), cells[2], cells[3], CODE.findall(cells[4]))


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split(".")[:2] if number)


def _bare(parameter: inspect.Parameter) -> inspect.Parameter:
    empty = inspect.Parameter.empty
    default = parameter.default
    is_plain = default is empty or isinstance(default, str | int | float | tuple | None)
    return parameter.replace(annotation=empty, default=default if is_plain else _Something())


class _Something:
    """A default that is an object of its library's."""

    def __repr__(self) -> str:
        return "..."


def _names_in(code: CodeType) -> Iterator[str]:
    yield from (*code.co_names, *code.co_varnames, *code.co_freevars)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)
        elif isinstance(constant, str):
            yield constant


def _text_of(file: str) -> str:
    path = ROOT / file
    assert path.exists(), f"docs/seams.md: there is no {file}"
    return path.read_text()
