"""Each program of Headway masks what it logs, and the traceback that ends it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "Tr0ub4dor-and-3"
FAIL = """
import logging, os
def fail(*_):
    logging.error("login with %s", os.environ["MAIL_PASSWORD"])
    raise ValueError(os.environ["MAIL_PASSWORD"])
"""
PROGRAMS = {
    "worker": "import worker; fail()",
    "wsgi": "import wsgi; fail()",
    "run": "import run; run.listen = fail; run.main()",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_program_tells_a_password_as_it_ends(program: str, env: dict[str, str]):
    settings = {
        **os.environ,
        **env,
        "MAIL_SERVER": "127.0.0.1",
        "MAIL_USERNAME": "user",
        "MAIL_PASSWORD": PASSWORD,
    }
    code = FAIL + PROGRAMS[program]

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=settings, capture_output=True, text=True
    )

    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "login with ***" in said
    assert "ValueError: ***" in said
    assert PASSWORD not in said
