"""The example of docs/files.md gives out what the document says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from celery import Celery

from headway import settings
from headway.files.types import MAX_NAME_BYTES
from headway.store.files import MAX_FILES
from headway.web.api.files import MAX_IMAGE_BYTES
from tests import documents

DOCUMENT = "docs/files.md"


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setenv("REPORTS", str(tmp_path / "reports"))
    with documents.module_of(DOCUMENT, "reports.py") as module:
        yield module


@pytest.fixture
def headway_celery_app(reports: ModuleType) -> Celery:
    app: Celery = reports.celery
    return app


def test_a_report_is_given_out(reports: ModuleType, headway_run: Any, tmp_path: Path):
    run = headway_run(reports.report, ["Ada", "Bob"])

    run.assert_succeeded("done")
    files = sorted(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert files == [b"2 names\n", b"name\r\nAda\r\nBob\r\n"]


def test_the_limits_are_those_of_the_code():
    text = " ".join(documents.page(DOCUMENT).split())

    assert f"{settings.FILE_MAX_BYTES.default // 2**20} MiB (`headway_file_max_bytes`)" in text
    assert f"a task {MAX_FILES} files" in text
    assert f"at most {MAX_NAME_BYTES} bytes" in text
    assert f"up to {MAX_IMAGE_BYTES // 2**20} MiB" in text
    for name in ("progress.file(name, source)", "`headway_files`"):
        assert name in documents.page("docs/reference.md")
