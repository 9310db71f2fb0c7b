"""What is installed comes with a hash, and with a licence that asks nothing of users."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from scripts.licences import is_allowed, npm_licences, python_licences, refused
from tests.processes import ROOT

LOCKS = sorted(ROOT.glob("requirements*.txt"))
NPM_LOCKS = [ROOT / "package-lock.json", ROOT / "bench" / "package-lock.json"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_each_python_package_is_pinned_by_hash(lock: Path):
    requirements = re.split(r"\n(?=[^\s#])", lock.read_text())[1:]

    assert requirements
    for requirement in requirements:
        assert re.match(r"[\w.\[\],-]+==\S+", requirement), requirement
        assert "--hash=sha256:" in requirement, requirement


@pytest.mark.parametrize("lock", NPM_LOCKS, ids=lambda lock: lock.parent.name)
def test_each_npm_package_is_pinned_by_hash(lock: Path):
    packages = json.loads(lock.read_text())["packages"]

    assert [name for name, about in packages.items() if name and "integrity" not in about] == []


def test_no_installation_runs_the_packages_scripts():
    # The others try the wheel with releases of Celery that no lock names.
    scripts = [ROOT / "scripts" / f"{name}.sh" for name in ("install", "npm", "audit", "fuzz")]
    for script in [ROOT / "Makefile", ROOT / "scripts" / "browser-files.sh", *scripts]:
        text = script.read_text()
        for line in re.findall(r".*npm\.sh.* ci .*", text):
            assert "--ignore-scripts" in line, script
        for line in re.findall(r".*-m pip install.*", text):
            assert "--require-hashes" in line or line.endswith("-e ."), script


def test_the_wheel_needs_none_of_the_development_tools():
    steps = subprocess.run(
        ["make", "-n", "-B", "--no-print-directory", "wheel"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert re.findall(r"requirements\S*", steps) == ["requirements.txt", "requirements-build.txt"]
    assert steps.splitlines()[-2:] == [
        'echo "Building the wheel ..."',
        ".venv/bin/python -m hatchling build -t wheel",
    ]


def test_no_package_asks_more_than_to_be_named():
    python = list(python_licences())

    assert len(python) > 50
    assert refused([*python, *npm_licences()]) == []


@pytest.mark.parametrize(
    "licence", ["", "GPL-3.0", "MIT AND AGPL-3.0", "Proprietary", "UNLICENSED"]
)
def test_other_licences_are_refused(licence: str):
    assert not is_allowed(licence)


@pytest.mark.parametrize(
    "licence", ["MIT", "GPL-2.0 OR MIT", "BSD License, Apache Software License"]
)
def test_permissive_licences_are_taken(licence: str):
    assert is_allowed(licence)
