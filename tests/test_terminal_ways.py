"""The three ways to call the terminal's commands, as processes: `headway`, `flask headway` and
`celery ... headway`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from headway.store.records import Records
from tests.processes import ROOT
from tests.terminal import TASK_ID, create

PAGE = (ROOT / "docs" / "running.md").read_text()
[EXAMPLE] = re.findall(r"^(\S*python -m headway .*) --watch$", PAGE, re.MULTILINE)


@pytest.fixture
def run(env: dict[str, str], records: Records):
    """Runs a command for the reference application, whose Redis has one task.

    Returns the lines that it says.
    """
    create(records)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def run_command(command: str) -> list[str]:
        settings = os.environ | env | {"PATH": path, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=ROOT,
            env=settings,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run_command


def test_the_documents_command_starts_a_task(run, records: Records):
    [task_id] = run(EXAMPLE)

    assert '"title":"Long task"' in records.queries.read([task_id])[0].snapshot


def test_a_task_that_needs_the_flask_app_is_started_by_the_celery_apps_name(run, records: Records):
    [task_id] = run("python -m headway -A worker start send_async_email email=ada@example.com")

    assert "ada@example.com" in records.queries.read([task_id])[0].snapshot


def test_flask_has_the_commands_too(run):
    [line] = run("python -m flask --app app headway list")

    assert line.startswith(TASK_ID)


def test_celery_says_how_the_project_fares(run):
    assert "✓ writes: tasks can be created" in run("python -m celery -A worker headway")
