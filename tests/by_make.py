"""Runs what a target of the Makefile runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping

from tests.processes import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()


def by_make(target: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run what `make paused` or `make resume` runs."""
    recipe = re.search(rf"^{target}:.*\n\t@\$\(BIN\)/python (.*)$", MAKEFILE, re.MULTILINE)
    assert recipe
    command = [sys.executable, *recipe[1].split()]
    return subprocess.run(
        command, env={**os.environ, **env}, cwd=ROOT, capture_output=True, text=True
    )
