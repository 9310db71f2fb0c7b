"""The second example of docs/streams.md: a long output that goes to a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from celery import Celery

from tests import documents


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setenv("BUILDS", str(tmp_path / "builds"))
    with documents.module_of("docs/streams.md", "build.py") as module:
        yield module


@pytest.fixture
def headway_celery_app(build: ModuleType) -> Celery:
    app: Celery = build.celery
    return app


def test_a_long_output_is_a_file(build: ModuleType, headway_run: Any, tmp_path: Path):
    run = headway_run(build.build, 1000)

    run.assert_succeeded()
    whole = "".join(f"step {step} of 1000\n" for step in range(1000))
    [file] = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert file == whole
    assert whole.startswith(run.streams["output"].partition("\n[This stream ends here")[0])
    assert run.snapshot.streams["output"]["file"] == "output.txt"
    assert run.snapshot.files["first"] == [{"name": "output.txt", "size": len(whole)}]


def test_a_short_output_is_none(build: ModuleType, headway_run: Any, tmp_path: Path):
    headway_run(build.build, 3).assert_succeeded()

    assert not (tmp_path / "builds").exists()
