"""`make bench`: every row beside its peers in one run, as a table, and as JSON for the documents.

python -m bench [--only ROW]... [--quick] [--strict] [--json PATH], or --write-docs JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import docs, machine, table
from bench.measure import QUICK, Bench, Plan
from bench.rows import ROWS
from bench.table import Row
from tests.processes import ROOT


def run(names: Sequence[str], plan: Plan) -> list[Row]:
    """Measure these rows; one that cannot be run says so, and the others go on."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="headway-bench-") as folder, ExitStack() as started:
        bench = Bench(plan, Path(folder), started)
        for name in names:
            begun = time.monotonic()
            try:
                row = ROWS[name](bench)
            except Exception as error:  # whatever it is: the row is missing, and the run has failed
                traceback.print_exc()
                row = Row(name, failure=f"{type(error).__name__}: {error}")
            rows.append(row)
            print(f"{name}: {time.monotonic() - begun:.1f} s", file=sys.stderr, flush=True)
    return rows


def save(path: Path, described: dict[str, str], rows: Sequence[Row], quick: bool) -> None:
    found: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "machine": described,
        "rows": [row.as_dict() for row in rows],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n")


def main() -> int:
    """Return the exit code: 0 when all rows ran, and with --strict only when all bars are met
    as well.
    """
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    arguments.add_argument(
        "--only", action="append", choices=ROWS, metavar="ROW", help=", ".join(ROWS)
    )
    arguments.add_argument(
        "--quick", action="store_true", help="tiny windows: whether it runs, not how fast"
    )
    arguments.add_argument(
        "--strict", action="store_true", help="a bar that is not met is a failure"
    )
    arguments.add_argument("--json", type=Path, help="where to save it (.data/bench/<time>.json)")
    arguments.add_argument(
        "--write-docs", type=Path, metavar="JSON", help="put a saved run into docs/performance.md"
    )
    asked = arguments.parse_args()
    if asked.write_docs:
        docs.write(json.loads(asked.write_docs.read_text()))
        return 0
    machine.allow_many_files()
    described = machine.describe()
    rows = run(asked.only or list(ROWS), QUICK if asked.quick else Plan())
    print("\n" + ", ".join(f"{what} {which}" for what, which in described.items()) + "\n")
    print(table.for_terminal(rows))
    path = asked.json or ROOT / ".data" / "bench" / f"{datetime.now():%Y%m%d-%H%M%S}.json"
    save(path, described, rows, asked.quick)
    print(f"\nSaved in {path}")
    missed = any(each.verdict == "NOT MET" for row in rows for each in row.comparisons)
    return int(any(row.failure for row in rows) or (asked.strict and missed))


if __name__ == "__main__":
    sys.exit(main())
