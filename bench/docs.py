"""The generated parts of docs/performance.md, from a saved run."""

from __future__ import annotations

import re
from typing import Any

from bench import model, table
from bench.table import Row
from tests.processes import ROOT

DOCUMENT = ROOT / "docs" / "performance.md"


def write(found: dict[str, Any]) -> None:
    """Fill the parts between the document's `<!-- bench:NAME -->` marks with what a run has
    found.
    """
    rows = [Row.from_dict(row) for row in found["rows"]]
    described = ", ".join(f"{what} {which}" for what, which in found["machine"].items())
    quick = (
        " **Tiny windows: these figures say that it runs, not how fast.**" if found["quick"] else ""
    )
    parts = {
        "run": f"Measured {found['at']}: {described}.{quick}",
        "table": table.for_docs(rows),
        "model": model.for_docs(rows),
    }
    text = DOCUMENT.read_text()
    for name, part in parts.items():
        text, filled = re.subn(
            rf"(<!-- bench:{name} -->\n).*?(<!-- /bench:{name} -->)",
            lambda marks, part=part: f"{marks[1]}{part}\n{marks[2]}",  # type: ignore[misc]  # a lambda takes its default
            text,
            flags=re.DOTALL,
        )
        if not filled:
            raise ValueError(f"{DOCUMENT} has no part {name}")
    DOCUMENT.write_text(text)
