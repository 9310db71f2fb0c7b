"""Fuzzes by coverage, with atheris, what reads bytes of strangers: frames, packets, HTTP heads."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from collections.abc import Iterator

from tests.processes import ROOT

PYTHON = ROOT / ".venv/fuzz/bin/python"
PROGRAM = ("-m", "tests.fuzz.parsed")
LATE_SECONDS = 60
SLOW_SECONDS = 5  # for one input
MAX_MB = 1024


def run(seed: int, seconds: float) -> Iterator[str]:
    """Run atheris for so long; yield that it has found something, which it says itself."""
    command = [str(PYTHON), *PROGRAM, f"-seed={seed % 2**31}", f"-timeout={SLOW_SECONDS}"]
    command += [f"-max_total_time={seconds:.0f}", f"-rss_limit_mb={MAX_MB}", "-max_len=4096"]
    # atheris has an environment of its own; what is fuzzed is installed in this one.
    paths = [str(ROOT), sysconfig.get_path("purelib")]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    folder = ROOT / ".hypothesis"  # for the input that is found
    folder.mkdir(exist_ok=True)
    try:
        ended = subprocess.run(
            command, cwd=folder, env=environ, check=False, timeout=seconds + LATE_SECONDS
        )
    except subprocess.TimeoutExpired:
        yield "atheris has not ended in time"
        return
    if ended.returncode:
        yield "atheris has found what is said above"
