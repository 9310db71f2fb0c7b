"""Compares two runs of a test suite: `compare.py STOCK HEADWAY DIFFERENCES`.

STOCK and HEADWAY are folders with JUnit files.
DIFFERENCES names, one a line, the tests that may differ; docs/celery.md has their reasons.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from itertools import chain
from pathlib import Path

OUTCOMES = ("failure", "error", "skipped")


def outcomes(folder: str) -> dict[str, str]:
    """Return how each test ended; of a test with several entries the worst."""
    found: dict[str, str] = {}
    files = sorted(Path(folder).glob("*.xml"))
    for case in chain.from_iterable(ElementTree.parse(file).iter("testcase") for file in files):
        name = f"{case.get('classname')}.{case.get('name')}".removeprefix("t.integration.")
        outcome = next((each for each in OUTCOMES if case.find(each) is not None), "passed")
        if found.get(name) not in ("failure", "error"):
            found[name] = outcome
    return found


def main(stock_folder: str, headway_folder: str, differences_file: str) -> int:
    """Print each difference; returns 1 where one is not named."""
    stock = outcomes(stock_folder)
    headway = outcomes(headway_folder)
    lines = Path(differences_file).read_text().splitlines()
    named = {line for line in lines if line and not line.startswith("#")}
    if not stock or not headway:
        print("One of the runs has no tests.")
        return 1
    different = {
        name for name in stock.keys() | headway.keys() if stock.get(name) != headway.get(name)
    }
    worse = {name for name in different if headway.get(name) != "passed"}
    for name in sorted(different):
        note = " (named)" if name in named else " (better)" if name not in worse else " NOT NAMED"
        print(f"{name}: stock {stock.get(name)}, Headway {headway.get(name)}{note}")
    passed = sum(outcome == "passed" for outcome in headway.values())
    same = len(stock.keys() | headway.keys()) - len(different)
    print(
        f"{len(headway)} tests: {passed} pass with Headway, {same} end as with the stock backend."
    )
    return int(bool(worse - named))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
