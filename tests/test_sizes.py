"""No file of the library or the application is over 300 lines, and no class over 150."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_layers import ROOT

MAX_FILE_LINES = 300
MAX_CLASS_LINES = 150  # with its docstrings and comments
MAX_FUNCTION_LINES = 50  # without its docstring

PYTHON = sorted(path for package in ("app", "headway") for path in (ROOT / package).rglob("*.py"))
JAVASCRIPT = sorted(
    [*(ROOT / "headway/static/js").glob("*.js"), *(ROOT / "static/js").glob("*.js")]
)
LUA = sorted((ROOT / "headway/store/lua").rglob("*.lua"))
STYLES = sorted([*(ROOT / "headway/static").glob("*.css"), *(ROOT / "static").glob("*.css")])


def classes_of_python(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef):
            yield node.name, (node.end_lineno or 0) - node.lineno + 1


def classes_of_javascript(path: Path) -> Iterator[tuple[str, int]]:
    """Give the classes of a file, each of which ends at a brace at the beginning of a line."""
    for found in re.finditer(r"^(?:export )?class (\w+).*?^\}", path.read_text(), re.M | re.S):
        yield found[1], found[0].count("\n") + 1


def functions_of(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            docstring = ast.get_docstring(node, clean=False) or ""
            yield node.name, lines - len(docstring.splitlines())


@pytest.mark.parametrize("files", [PYTHON, JAVASCRIPT, LUA, STYLES])
def test_no_file_is_over_the_limit(files: list[Path]):
    lengths = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in files}

    assert len(lengths) > 1
    assert {path: n for path, n in lengths.items() if n > MAX_FILE_LINES} == {}


@pytest.mark.parametrize(
    ("files", "classes_of"), [(PYTHON, classes_of_python), (JAVASCRIPT, classes_of_javascript)]
)
def test_no_class_is_over_the_limit(files, classes_of):
    lengths = {(path.name, name): n for path in files for name, n in classes_of(path)}
    over = {name for name, n in lengths.items() if n > MAX_CLASS_LINES}

    assert len(lengths) > 20
    assert over == set()


def test_no_function_is_over_the_limit():
    lengths = {(path.name, name): n for path in PYTHON for name, n in functions_of(path)}

    assert {name: n for name, n in lengths.items() if n > MAX_FUNCTION_LINES} == {}
