"""The example of docs/streams.md whose stream is Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from celery import Celery

from tests import documents


@pytest.fixture
def explain() -> Iterator[ModuleType]:
    with documents.module_of("docs/streams.md", "explain.py") as module:
        yield module


@pytest.fixture
def headway_celery_app(explain: ModuleType) -> Celery:
    app: Celery = explain.celery
    return app


def test_an_explanation_is_markdown(explain: ModuleType, headway_run: Any):
    run = headway_run(explain.explain, "Headway")

    run.assert_succeeded()
    assert run.snapshot.streams["answer"]["format"] == "markdown"
    assert run.streams["answer"].startswith("## Headway\n\n1. It **saves** rows.")
