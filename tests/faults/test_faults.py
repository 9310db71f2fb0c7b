"""The fault suite's short form: each fault once or a few times, on a few systems side by side."""

from __future__ import annotations

import faulthandler
import json
import sys
from typing import Any

import pytest

from tests.faults.faults import FAULTS
from tests.processes import Process

MAX_SECONDS = 900
LANES = "3"  # two have a browser: with three of them, visitors would wait for the two cores

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def rows(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """Break a system in each way that this run asks for, in a process of its own.

    Returns the report's rows.
    """
    asked = {
        item.callspec.params.get("fault")
        for item in request.session.items
        if hasattr(item, "callspec")
    }
    names = [fault.name for fault in FAULTS if fault.name in asked]
    folder = tmp_path_factory.mktemp("faults")
    only = [word for name in names for word in ("--only", name)]
    command = [
        sys.executable,
        "-m",
        "tests.faults",
        "--short",
        "--lanes",
        LANES,
        "--json",
        str(folder / "rows.json"),
    ]
    process = Process([*command, *only], folder / "report.txt")
    faulthandler.cancel_dump_traceback_later()  # the first test waits until all have been made
    try:
        process.popen.wait(MAX_SECONDS)
    finally:
        process.stop(seconds=60)
    return list(json.loads((folder / "rows.json").read_text()))


@pytest.mark.parametrize("fault", [one.name for one in FAULTS])
def test_nothing_is_lost_doubled_or_wrong_and_the_pages_are_right_in_time(rows: Rows, fault: str):
    mine = [row for row in rows if row["name"] == fault]

    assert mine
    assert all(row["clean"] for row in mine), json.dumps(mine, indent=1)[:3000]
