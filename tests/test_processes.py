"""The tests' own processes: what they hide would be missed everywhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT, Process

# Fails where a file of Headway's reads the environment.
WATCHED = """
import os, sys
class Watched(type(os.environ)):
    def __getitem__(self, name):
        frame = sys._getframe(1)
        while "_collections_abc" in frame.f_code.co_filename or frame.f_globals is vars(os):
            frame = frame.f_back
        path = frame.f_code.co_filename
        assert not path.startswith((sys.argv[1], sys.argv[2])), f"{path} reads {name}"
        return super().__getitem__(name)
os.environ.__class__ = Watched
import app, app.tasks, headway.testing
print("imported")
"""


@pytest.mark.parametrize("by", ["", "import os; os.fork() and sys.exit(os.wait()[1] == 0);"])
def test_a_process_that_crashes_in_native_code_fails_its_test(tmp_path: Path, by: str):
    code = f"import ctypes, sys; {by} ctypes.string_at(0)"
    process = Process([sys.executable, "-c", code], tmp_path / "log")
    process.popen.wait(20)

    with pytest.raises(AssertionError, match="Segmentation fault"):
        process.stop()


def test_an_import_of_headway_reads_no_environment():
    """Else a program that is forked when it has been imported would have another's settings."""
    ours = (f"{ROOT}/app/", f"{ROOT}/headway/")

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WATCHED, *ours],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert done.stdout == "imported\n", done.stderr
