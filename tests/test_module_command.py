"""`python -m headway`, for a clone in which no script `headway` is installed."""

from __future__ import annotations

import subprocess
import sys

from tests.processes import ROOT


def test_the_module_is_the_command_line():
    command = [sys.executable, "-m", "headway", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: headway ")
