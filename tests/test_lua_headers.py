"""Each Lua function says at its top what it is called with, and goes by names from there on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headway.store.functions import LIBRARY, SCRIPTS
from headway.store.starts import CreateArgs, EnqueueArgs

FUNCTIONS = sorted(SCRIPTS.glob("*.lua"))
ARGUMENT = re.compile(r"\b(KEYS|ARGV)\[(\d+)\]")
# The one use of an argument is that it gets a name; those without a number are read in turn.
NAMED = re.compile(r"local \w+ = .*\b(KEYS|ARGV)\[\d+\]")
IN_TURN = {kind: re.compile(rf"#{kind}\b|= {kind}$|\b{kind}\[[^\d]") for kind in ("KEYS", "ARGV")}


def parts(function: str) -> tuple[str, list[str]]:
    """Return the comment at a function's top as one line, and its other lines of code."""
    lines = function.splitlines()
    end = next(i for i, line in enumerate(lines) if not line.startswith("--"))
    header = " ".join(line.removeprefix("--").strip() for line in lines[:end])
    return header, [line for line in lines[end:] if not line.strip().startswith("--")]


def faults(function: str) -> list[str]:
    """Return what a function leaves a reader to guess."""
    header, code = parts(function)
    said = set(ARGUMENT.findall(header))
    used = [argument for line in code for argument in ARGUMENT.findall(line)]
    found = [f"{kind}[{n}] is not described" for kind, n in sorted(set(used) - said)]
    found += [f"{kind}[{n}] is used twice" for kind, n in set(used) if used.count((kind, n)) > 1]
    found += [
        f"an argument without a name: {line.strip()}"
        for line in code
        if ARGUMENT.search(line) and not NAMED.match(line)
    ]
    for kind, pattern in IN_TURN.items():
        is_read = any(pattern.search(line) for line in code)
        if is_read != (re.search(rf"\b{kind}\[\d+\] on: ", header) is not None):
            found.append(f"whether more {kind} follow")
    if not re.search(r"(^|\. )Returns ", header):
        found.append("what it returns")
    if not re.match(r"[A-Z][a-z]+,? .*?\. ", header):
        found.append("what it does")
    return found


@pytest.mark.parametrize("path", FUNCTIONS, ids=lambda path: path.stem)
def test_a_function_describes_and_names_its_arguments(path: Path):
    assert faults(path.read_text()) == []


@pytest.mark.parametrize(("function", "args"), [("create", CreateArgs), ("enqueue", EnqueueArgs)])
def test_the_caller_has_the_functions_own_names_in_its_order(
    function: str, args: type[CreateArgs | EnqueueArgs]
):
    code = (SCRIPTS / f"{function}.lua").read_text()
    named = {
        int(n): name for name, n in re.findall(r"^local (\w+) = .*\bARGV\[(\d+)\]", code, re.M)
    }

    assert [named[n] for n in sorted(named)] == list(args._fields)
    assert sorted(named) == [*range(1, len(named) + 1)]


def test_every_registered_function_is_looked_at():
    registered = re.findall(r"function_name='(\w+)_[0-9a-f]{12}'", LIBRARY)
    assert sorted(registered) == [path.stem for path in FUNCTIONS]


GOOD = """-- Note a thing.
-- KEYS[1]: the record. ARGV[1]: ttl in ms; ARGV[2] on: ids.
-- Returns nothing.
local record = KEYS[1]
local ttl = tonumber(ARGV[1])
local FIRST = 2
for i = FIRST, #ARGV do note(ARGV[i]) end
"""


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("-- Returns nothing.\n", ""),
        ("ARGV[1]: ttl in ms; ", ""),
        ("KEYS[1]: the record. ", ""),
        (" on: ids", ""),
        ("local ttl = tonumber(ARGV[1])", "wait(tonumber(ARGV[1]))"),
        ("for i = FIRST", "local more = ARGV[1]\nfor i = FIRST"),
        ("for i = FIRST, #ARGV do note(ARGV[i]) end\n", ""),
        ("-- Note a thing.\n", ""),
    ],
)
def test_what_a_reader_would_have_to_guess_is_found(line: str, instead: str):
    assert faults(GOOD) == []
    assert faults(GOOD.replace(line, instead)) != []
