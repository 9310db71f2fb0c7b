"""The example of docs/results.md returns what the document says, and its limits are the code's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from celery import Celery

from headway.display.tables import MAX_COLUMNS
from headway.files.types import media_type
from headway.typed_results import MAX_POINTS, MAX_SERIES
from headway.web.pages.markdown import MAX_CHARS
from headway.web.pages.result_view import ROWS_OF_PAGE
from tests import documents

DOCUMENT = "docs/results.md"


@pytest.fixture
def sales(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setenv("REPORTS", str(tmp_path / "reports"))
    with documents.module_of(DOCUMENT, "sales.py") as module:
        yield module


@pytest.fixture
def headway_celery_app(sales: ModuleType) -> Celery:
    app: Celery = sales.celery
    return app


def test_results_are_what_the_document_says(sales: ModuleType, headway_run: Any):
    plot = {"2025": [3, 5, 4], "2026": [4, None, 8]}

    headway_run(sales.plot).assert_succeeded(
        {"kind": "bar", "title": "Sold", "x": ["Jan", "Feb", "Mar"], "series": plot}
    )
    headway_run(sales.image).assert_succeeded(
        {"file": "sales.png", "alt": "Sales rise from 3 to 4"}
    )
    headway_run(sales.report).assert_succeeded(
        "# Sales\n\n**12** were sold: [all of them].\n\n[all of them]: sales.csv"
    )
    assert media_type("sales.png", sales.drawn_by_a_library()) == "image/png"


def test_the_limits_are_those_of_the_code():
    text = " ".join(documents.page(DOCUMENT).split())

    assert f"up to {MAX_SERIES} series of up to {MAX_POINTS:,} numbers" in text
    assert f"{MAX_CHARS:,} characters" in text
    assert f"at most {MAX_COLUMNS} columns" in text
    assert f"{ROWS_OF_PAGE} rows at a time" in text
