"""The tests' own processes: what they hide would be missed everywhere."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.processes import Process


@pytest.mark.parametrize("by", ["", "import os; os.fork() and sys.exit(os.wait()[1] == 0);"])
def test_a_process_that_crashes_in_native_code_fails_its_test(tmp_path: Path, by: str):
    code = f"import ctypes, sys; {by} ctypes.string_at(0)"
    process = Process([sys.executable, "-c", code], tmp_path / "log")
    process.popen.wait(20)

    with pytest.raises(AssertionError, match="Segmentation fault"):
        process.stop()
