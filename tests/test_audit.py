"""`make audit` where no index can be reached, or something is found; its tools are stand-ins."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.processes import ROOT

DONE = ["== licences", "== SBOM: dist/sbom-browser.json", "== SBOM: dist/sbom-python.json"]
UNREACHABLE = "pypi.org could not be reached, or did not answer as it should"
FOUND = "Found 2 known vulnerabilities in 1 package"


class Audited:
    """A project whose audit asks stand-ins: what each says, and how it ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "scripts").mkdir()
        shutil.copy(ROOT / "scripts/audit.sh", folder / "scripts")
        (folder / "requirements.txt").touch()
        (folder / "requirements-audit.txt").touch()
        self.stand_in(".venv/bin/python", "")
        self.stand_in(".venv/audit/bin/cyclonedx-py", 'touch "$4"')
        self.stand_in(".venv/audit/bin/pip-audit", "echo No known vulnerabilities found")
        self.stand_in("scripts/npm.sh", "echo found 0 vulnerabilities")
        self.is_installed()

    def stand_in(self, name: str, script: str) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def is_installed(self) -> None:
        stamp = self._folder / ".venv/audit/installed"
        stamp.touch()
        os.utime(self._folder / "requirements-audit.txt", (0, 0))

    def is_not_installed(self) -> None:
        (self._folder / ".venv/audit/installed").unlink()

    def run(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "scripts/audit.sh"], cwd=self._folder, capture_output=True, text=True
        )


@pytest.fixture
def audited(tmp_path: Path) -> Audited:
    return Audited(tmp_path)


def test_what_finds_nothing_succeeds(audited: Audited):
    ended = audited.run()

    assert (ended.returncode, ended.stderr) == (0, "")
    assert all(step in ended.stdout for step in DONE)


@pytest.mark.parametrize("error", ["ERROR: could not be audited: flask", "requests.ProxyError: x"])
def test_a_service_that_is_not_reached_is_said_in_a_line_after_all_else(
    audited: Audited, error: str
):
    audited.stand_in(".venv/audit/bin/pip-audit", f"echo Traceback; echo '{error}'; exit 1")

    ended = audited.run()

    assert ended.returncode == 1
    assert all(step in ended.stdout for step in DONE)
    [line] = ended.stderr.splitlines()
    assert line.endswith(f"no vulnerability was looked up of Python's packages: {UNREACHABLE}")
    assert error in ended.stdout
    assert "Traceback" not in ended.stdout


def test_npms_registry_that_is_not_reached_is_said_too(audited: Audited):
    audited.stand_in("scripts/npm.sh", '[ "$1" = sbom ] || { echo npm error; exit 1; }')

    ended = audited.run()

    assert ended.returncode == 1
    assert all("npm's registry could not be reached" in line for line in ended.stderr.splitlines())
    assert len(ended.stderr.splitlines()) == 2  # the project's, and the bench's


def test_where_its_tools_cannot_be_installed_the_rest_is_done(audited: Audited):
    audited.is_not_installed()
    audited.stand_in(".venv/audit/bin/python", "echo no index; exit 1")

    ended = audited.run()

    assert ended.returncode == 1
    assert all(step in ended.stdout for step in DONE[:2])
    assert "the package index could not be reached" in ended.stderr


def test_what_is_found_is_shown_whole(audited: Audited):
    audited.stand_in(".venv/audit/bin/pip-audit", f"echo {FOUND}; echo flask 1.0; exit 1")

    ended = audited.run()

    assert ended.returncode == 1
    assert f"{FOUND}\nflask 1.0" in ended.stdout
    assert ended.stderr == "Headway: this failed: known vulnerabilities: Python's packages\n"
