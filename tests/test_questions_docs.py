"""The example of docs/questions.md asks, and goes on with the answers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from celery import Celery

from headway.celery.run.checkpoint import MAX_ANSWERS
from headway.exceptions import HeadwayError
from tests import documents

DOCUMENT = "docs/questions.md"


@pytest.fixture
def imports() -> Iterator[ModuleType]:
    with documents.module_of(DOCUMENT, "imports.py") as module:
        yield module


@pytest.fixture
def headway_celery_app(imports: ModuleType) -> Celery:
    app: Celery = imports.celery
    return app


def test_the_example_goes_on_with_each_answer(
    imports: ModuleType, headway_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "imports", imports)
    test: dict[str, Any] = {}
    exec(documents.files_of(DOCUMENT)["test_imports.py"], test)

    test["test_an_import_that_is_answered"](headway_run, tmp_path, monkeypatch)


def test_an_import_that_may_not_delete_stops(
    imports: ModuleType, headway_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    imports.store(1, 2, 9)
    run = headway_run(imports.import_rows, [1])
    with pytest.raises(ValueError, match="Must be one of: Delete, Stop"):
        run.answer("Perhaps")

    run.answer("Stop")

    run.assert_succeeded("nothing imported")
    assert imports.stock() == {1, 2, 9}
    run.assert_phases("queued", "running", "waiting", "queued", "running", "succeeded")
    with pytest.raises(HeadwayError, match="asks nothing now"):
        run.answer("Delete")


def test_the_limits_are_those_of_the_code():
    assert f"may ask {MAX_ANSWERS:,} questions" in documents.page(DOCUMENT)
