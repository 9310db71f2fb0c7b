"""The wheel in empty environments: its commands in a project's, and what each extra brings."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.documents import files_of
from tests.processes import ROOT, Valkey

# What of Headway needs the extra; of `babel`, which a project's own Flask-Babel is.
NEEDED_BY = {
    "babel": "flask_babel",
    "eventlet": "headway.engine.mode_eventlet",
    "gevent": "headway.engine.mode_gevent",
    "push": "headway.webpush.encryption",
    "s3": "headway.files.bucket.objects",
    "test": "headway.testing.eager",
}
ENV = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


def run(*command: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    words = list(map(str, command))
    return subprocess.run(words, capture_output=True, text=True, timeout=300, **options)


def run_well(*command: str | Path, **options: object) -> str:
    """Return what a command prints; it has to succeed."""
    done = run(*command, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run_well(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    [built] = folder.glob("*.whl")
    return built


def installed(wanted: str, folder: Path) -> Path:
    """Return where the programs of a new environment are, which has this and nothing else."""
    uv = Path(sys.executable).with_name("uv")
    run_well(uv, "venv", "-q", "-p", sys.executable, folder / ".venv")
    programs = folder / ".venv" / "bin"
    locked = ROOT / "requirements-dev.txt"
    run_well(uv, "pip", "install", "-q", "-p", programs / "python", "-c", locked, wanted)
    return programs


@pytest.fixture(scope="module")
def with_extra(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give an environment with an extra, which is made once."""
    return cache(lambda extra: installed(f"{wheel}[{extra}]", tmp_path_factory.mktemp(extra)))


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment without any extra."""
    return installed(str(wheel), tmp_path_factory.mktemp("bare"))


def test_each_extra_is_tried():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"].keys() == NEEDED_BY.keys()


@pytest.mark.parametrize("extra", NEEDED_BY)
def test_an_extra_brings_what_is_not_there_without_it(
    bare: Path, with_extra: Callable[[str], Path], tmp_path: Path, extra: str
):
    look = ["-W", "ignore", "-c", f"import {NEEDED_BY[extra]}"]
    without = run(bare / "python", *look, cwd=tmp_path, env=ENV)

    programs = with_extra(extra)

    assert "No module named" in without.stderr
    run_well(programs / "python", *look, cwd=tmp_path, env=ENV)


def test_pytest_finds_the_fixtures_of_the_extra_by_itself(
    with_extra: Callable[[str], Path], tmp_path: Path
):
    programs = with_extra("test")
    files = files_of("docs/testing.md")
    for name in ("shop.py", "test_shop.py"):
        (tmp_path / name).write_text(files[name])

    said = run_well(programs / "python", "-m", "pytest", "test_shop.py", cwd=tmp_path, env=ENV)

    assert "3 passed" in said


def test_flask_has_headways_commands(bare: Path, valkey: Valkey, redis_url: str, tmp_path: Path):
    article = files_of("docs/coming-from.md")["article.py"]
    (tmp_path / "article.py").write_text(article.replace("redis://localhost:6379/0", redis_url))
    headway = [bare / "flask", "--app", "article", "headway"]

    started = run_well(*headway, "start", "article.long_task", cwd=tmp_path, env=ENV)
    listed = run_well(*headway, "list", cwd=tmp_path, env=ENV)

    assert "article.long_task" in listed, (started, listed)
    own = [bare / "headway", "-A", "article:celery"]
    assert "article.long_task" in run_well(*own, "list", cwd=tmp_path, env=ENV)
