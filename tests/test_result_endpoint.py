"""`GET /tasks/<id>/result`: the whole result, to its owner alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient

from headway.celery.backend import LiveBackend
from headway.store.errors import RedisUnavailable
from headway.store.model import PIECE_BYTES
from headway.store.records import Records
from headway.store.results import ResultReader
from tests.large import celery_app, start

ROWS = [{"row": n, "name": "é"} for n in range(100_000)]


@pytest.fixture
def live(redis_url: str) -> LiveBackend:
    backend: LiveBackend = celery_app(redis_url).backend
    return backend


@pytest.fixture
def ada(client: FlaskClient) -> FlaskClient:
    with client.session_transaction() as session:
        session["visitor"] = "ada"
    return client


@pytest.mark.parametrize(
    "value", [ROWS, "x" * (2 * PIECE_BYTES), 42, None, "é", {"result": [1]}, 2**63]
)
def test_the_whole_is_there_as_json(
    ada: FlaskClient, records: Records, live: LiveBackend, value: Any
):
    task_id = start(records)
    live.mark_as_done(task_id, value)

    answer = ada.get(f"/tasks/{task_id}/result")

    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.content_length == len(answer.data)
    assert json.loads(answer.data) == (value["result"] if isinstance(value, dict) else value)
    assert "Content-Disposition" not in answer.headers
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_it_is_read_piece_by_piece(ada: FlaskClient, records: Records, live: LiveBackend):
    task_id = start(records)
    live.mark_as_done(task_id, ROWS)

    pieces = list(ada.get(f"/tasks/{task_id}/result", buffered=False).response)

    assert len(pieces) > 2
    assert max(map(len, pieces)) == PIECE_BYTES


def test_it_is_a_file_where_that_is_asked_for(
    ada: FlaskClient, records: Records, live: LiveBackend
):
    task_id = start(records)
    live.mark_as_done(task_id, "x")

    answer = ada.get(f"/tasks/{task_id}/result?download")

    assert answer.headers["Content-Disposition"] == f'attachment; filename="{task_id}.json"'
    assert ada.head(f"/tasks/{task_id}/result").status_code == 200


def test_who_may_not_see_a_task_sees_no_result(
    app: Any, ada: FlaskClient, records: Records, live: LiveBackend
):
    task_id = start(records)
    live.mark_as_done(task_id, "x" * 100_000)
    nobody = app.test_client()
    bob = app.test_client()
    with bob.session_transaction() as session:
        session["visitor"] = "bob"

    answers = [
        (nobody.get(f"/tasks/{task_id}/result"), nobody.get(f"/status/{task_id}")),
        (bob.get(f"/tasks/{task_id}/result"), bob.get(f"/status/{task_id}")),
        (ada.get("/tasks/7f0b2a3e-5c1d-4e8f-9a6b-2d3c4e5f6a7b/result"), ada.get("/status/unknown")),
        (ada.get("/tasks/no id!/result"), ada.get("/status/no id!")),
        (ada.get("/tasks/*/result"), ada.get("/status/*")),
    ]

    for result, status in answers:
        assert (result.status_code, result.data) == (status.status_code, status.data)
        assert result.status_code == 404


def test_a_task_that_has_not_succeeded_has_none(
    ada: FlaskClient, records: Records, live: LiveBackend
):
    queued = start(records)
    failed = start(records)
    live.mark_as_failure(failed, ValueError("no"))

    for task_id in (queued, failed):
        answer = ada.get(f"/tasks/{task_id}/result")
        assert (answer.status_code, answer.json["error"]["code"]) == (409, "no_result")


def test_a_result_that_is_gone_is_not_found(ada: FlaskClient, records: Records, live: LiveBackend):
    task_id = start(records)
    live.mark_as_done(task_id, "x" * 100_000)
    records.client.delete(f"celery-task-meta-{task_id}")

    assert ada.get(f"/tasks/{task_id}/result").status_code == 404


def test_redis_away_is_503(
    ada: FlaskClient, records: Records, live: LiveBackend, monkeypatch: pytest.MonkeyPatch
):
    task_id = start(records)
    live.mark_as_done(task_id, "x" * 100_000)

    def away(*_: Any) -> Any:
        raise RedisUnavailable("away")

    monkeypatch.setattr(ResultReader, "_pieces", away)

    assert ada.get(f"/tasks/{task_id}/result").status_code == 503
