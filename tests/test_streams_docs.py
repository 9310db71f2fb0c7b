"""The example of docs/streams.md shows what the document says."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from celery import Celery

from headway.celery.run.streams import MAX_STREAMS
from headway.celery.run.text_stream import MAX_UNSENT_CHARS
from tests import documents

DOCUMENT = "docs/streams.md"


@pytest.fixture
def answers() -> Iterator[ModuleType]:
    with documents.module_of(DOCUMENT, "answer.py") as module:
        yield module


@pytest.fixture
def headway_celery_app(answers: ModuleType) -> Celery:
    app: Celery = answers.celery
    return app


def test_a_models_words_are_streamed(answers: ModuleType, headway_run: Any):
    run = headway_run(answers.answer, "what?")

    run.assert_succeeded("answered")
    whole = "To “what?”: **42**, and no more 🙂\n\nSources: 2\n"
    assert run.streams == {"answer": whole}
    state = run.snapshot.streams["answer"]
    assert (state["length"], state["closed"]) == (len(whole.encode()), True)


def test_the_limits_are_those_of_the_code():
    text = documents.page(DOCUMENT)

    assert f"once {MAX_UNSENT_CHARS:,} characters" in text
    assert f"at most {MAX_STREAMS} streams" in text
    for name in (
        "progress.stream(name, *, format=None, overflow=None)",
        "`headway_stream_max_bytes`",
    ):
        assert name in documents.page("docs/reference.md")
