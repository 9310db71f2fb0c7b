"""Refuses packages whose licence is not known, or asks more of users than to be named.

Looks at every package of the Python locks that is installed here, and of the npm locks. Prints a
line for each that is refused, and fails then.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON_LOCKS = ("requirements.txt", "requirements-dev.txt")
NPM_LOCKS = ("package-lock.json", "bench/package-lock.json")
LOCKED = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[\w,-]+\])?==", re.MULTILINE)
# MPL: what is changed of the package itself has to be shown, and nothing here is.
ALLOWED = re.compile(
    r"\b(0BSD|Apache[- ]2\.0|Apache Software|BSD|CC0-1\.0|ISC|MIT|MPL[- ]2\.0|Mozilla Public|PSF|"
    r"Python Software Foundation|Unlicense|Zlib|ZPL|Zope Public)\b",
    re.IGNORECASE,
)
# What their files say where their metadata does not.
KNOWN = {"axe-playwright-python": "MIT"}


def is_allowed(licence: str) -> bool:
    """Whether each part of a licence that counts is allowed; of alternatives one is enough."""
    alternatives = re.split(r"\bOR\b", licence)
    return any(
        all(ALLOWED.search(part) for part in re.split(r"\bAND\b|, ", alternative))
        for alternative in alternatives
    )


def python_licences() -> Iterator[tuple[str, str]]:
    """Yield the packages of the locks that are installed here, and their licences, "" unknown."""
    names = {name for lock in PYTHON_LOCKS for name in LOCKED.findall((ROOT / lock).read_text())}
    for name in sorted(names):
        try:
            about = metadata.metadata(name)
        except metadata.PackageNotFoundError:  # another system's
            continue
        classifiers = [
            line.rpartition(" :: ")[2]
            for line in about.get_all("Classifier", [])
            if line.startswith("License :: ") and not line.endswith("OSI Approved")
        ]
        text = about.get("License-Expression") or ", ".join(classifiers)
        yield name, KNOWN.get(name) or text or (about.get("License") or "").partition("\n")[0]


def npm_licences() -> Iterator[tuple[str, str]]:
    """Yield the packages of the npm locks and their licences, "" unknown."""
    for lock in NPM_LOCKS:
        for path, about in json.loads((ROOT / lock).read_text())["packages"].items():
            if path:
                name = path.rpartition("node_modules/")[2]
                yield name, KNOWN.get(name) or about.get("license", "")


def refused(licences: Iterable[tuple[str, str]]) -> list[str]:
    """Return a line for each package whose licence is not allowed."""
    return [
        f"{name}: {licence or 'no licence is named'}"
        for name, licence in licences
        if not is_allowed(licence)
    ]


def main() -> None:
    found = refused([*python_licences(), *npm_licences()])
    if found:
        sys.exit("\n".join(["Headway: licences that are not allowed:", *found]))


if __name__ == "__main__":
    main()
