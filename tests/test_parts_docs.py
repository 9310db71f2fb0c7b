"""The example of docs/parts.md has the parts that the document says."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import ModuleType

import pytest

from headway.store.records import Records
from tests import documents
from tests.bodies import do_what_waits

DOCUMENT = "docs/parts.md"


@pytest.fixture
def photos(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setenv("REDIS_URL", redis_url)
    with documents.module_of(DOCUMENT, "photos.py") as module:
        yield module
        gc.collect()  # results say goodbye to Redis


def test_an_album_is_one_card_that_says_which_photo_failed(photos: ModuleType, records: Records):
    client = photos.app.test_client()
    body = {"name": "import_album", "args": {"album": "Italy"}}
    task_id = client.post("/headway/tasks", json=body).get_json()["task_id"]

    do_what_waits(photos.celery, records)

    [card] = client.get("/headway/tasks").get_json()["tasks"]
    assert (card["task_id"], card["title"]) == (task_id, "Import Italy")
    assert card["parts"]["failed"] == 1
    assert card["parts"]["first_failed"]["error"]["message"] == "notes.txt is no photo"
    parts = client.get(f"/headway/tasks/{task_id}/parts").get_json()["tasks"]
    resized = [part["phase"] for part in parts if part["name"].endswith("resize")]
    assert resized == ["succeeded", "failed", "succeeded"]
