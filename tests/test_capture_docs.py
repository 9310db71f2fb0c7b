"""The examples of docs/capture.md show what the document says."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import pytest
from celery import Celery

from tests import documents

DOCUMENT = "docs/capture.md"


@pytest.fixture(params=["shop.py"])
def shop(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """An example of the document, whose functions child processes import too."""
    with documents.module_of(DOCUMENT, request.param) as module:
        sys.modules[module.__name__] = module
        for each in vars(module).values():
            if getattr(each, "__module__", "") == "builtins" and isinstance(each, FunctionType):
                each.__module__ = module.__name__
        yield module
        del sys.modules[module.__name__]


@pytest.fixture
def headway_celery_app(shop: ModuleType) -> Celery:
    app: Celery = shop.celery
    return app


def test_the_bar_of_a_library_is_the_tasks(shop: ModuleType, headway_run: Any):
    run = headway_run(shop.clean, [{"price": price} for price in range(10, 15)])

    run.assert_succeeded("5 prices")
    run.assert_showed(current=3, total=5, status="Prices")
    assert run.log == ["cheapest: 12.0"]


def test_the_times_of_an_encoder_are_the_bar(
    shop: ModuleType, headway_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "encoder.py").write_text(documents.files_of(DOCUMENT)["encoder.py"])
    monkeypatch.chdir(tmp_path)

    run = headway_run(shop.encode, "film.mov")

    run.assert_succeeded("encoded")
    showed = {(each.current, each.total) for each in run.snapshots if each.status == "Encoding"}
    assert {current for current, total in showed if total == 2} & {0.1, 0.2, 0.5, 1.0, 1.5, 2.0}
    assert run.log == [
        "  Duration: 00:00:02.00, start: 0.000000, bitrate: 1205 kb/s",
        "muxing overhead: 0.3%",
    ]


@pytest.mark.filterwarnings("ignore:Using fork\\(\\) is a bad idea")  # where eventlet is imported
@pytest.mark.parametrize("shop", ["crawl.py"], indirect=True)
def test_coroutines_and_processes_count_for_their_task(shop: ModuleType, headway_run: Any):
    fetched = headway_run(shop.fetch, 20)
    resized = headway_run(shop.resize, 3)

    fetched.assert_succeeded(20)
    fetched.assert_showed(current=20, total=20, status="Fetching")
    resized.assert_succeeded(3)
    assert sorted(resized.log) == [
        f"picture {number} is done in a process of its own" for number in range(3)
    ]


def test_the_reference_names_what_the_document_shows():
    reference = documents.page("docs/reference.md")

    for name in ("progress.capture()", "progress.run(command", "`headway_capture`"):
        assert name in reference
