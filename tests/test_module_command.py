"""`python -m headway`, for a clone in which no script `headway` is installed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

from tests.documents import page
from tests.processes import ROOT


def test_the_module_is_the_command_line():
    command = [sys.executable, "-m", "headway", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: headway ")


def test_the_readme_has_a_command_for_a_clone(env: dict[str, str]):
    [command] = re.findall(r"`\.venv/bin/python (-m headway [^`]+)`", page("README.md"))

    done = subprocess.run(
        [sys.executable, *shlex.split(command)],
        cwd=ROOT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines()[-1] == "No tasks."
