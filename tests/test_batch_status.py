"""The status of many tasks in one answer: 304 where its reader has it, whoever has sent it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask.testing import FlaskClient

from headway.snapshot import Phase
from headway.state import state_of
from headway.store.model import TaskRecord
from headway.store.records import Records
from headway.web.api import tasks as api
from headway.web.api.batch_etags import MAX_RESPONSES, BatchETags
from tests.by_hand import claimed_by, write


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> BatchETags:
    """The answers of this process: none yet."""
    monkeypatch.setattr(api, "BATCH_ETAGS", BatchETags())
    return api.BATCH_ETAGS


def ask(client: FlaskClient, ids: list[str], tag: str = "") -> tuple[int, dict, str]:
    query = [("task_id", task_id) for task_id in ids]
    response = client.get("/status", query_string=query, headers={"If-None-Match": tag})
    assert response.headers["Cache-Control"] == "private, no-store"
    return response.status_code, response.get_json() or {}, response.headers["ETag"]


def test_what_the_reader_has_is_not_sent_again(client: FlaskClient, records: Records):
    ids = [claimed_by(client, records) for _ in range(3)]
    _, _, tag = ask(client, ids)

    assert ask(client, ids, tag) == (304, {}, tag)

    write(records, ids[1], 5)
    code, answer, newer = ask(client, ids, tag)
    assert (code, newer != tag) == (200, True)
    assert [(one["task_id"], one["current"]) for one in answer["snapshots"]] == [
        (ids[0], 0),
        (ids[1], 5),
        (ids[2], 0),
    ]
    assert ask(client, ids, newer) == (304, {}, newer)


def ends(records: Records, task_id: str) -> None:
    write(records, task_id, 1000, Phase.SUCCEEDED)


def is_forgotten(records: Records, task_id: str) -> None:
    records.client.delete(records.keys.record(task_id))


def queue_grows(records: Records, task_id: str) -> None:
    records.client.zadd("headway:waiting:celery", {"another": records.clock.now()})


@pytest.mark.parametrize("happens", [ends, is_forgotten, queue_grows])
@pytest.mark.parametrize("is_remembered", [True, False])
def test_each_change_is_told(
    client: FlaskClient,
    records: Records,
    happens: Callable[[Records, str], None],
    is_remembered: bool,
    monkeypatch: pytest.MonkeyPatch,
):
    ids = [claimed_by(client, records) for _ in range(2)]
    _, before, tag = ask(client, ids)
    if not is_remembered:
        monkeypatch.setattr(api, "BATCH_ETAGS", BatchETags())

    happens(records, ids[0])

    code, after, _ = ask(client, ids, tag)
    assert code == 200
    del before["server"]["now"], after["server"]["now"]
    assert after != before


def test_another_process_finds_the_same_tag(
    client: FlaskClient, records: Records, monkeypatch: pytest.MonkeyPatch
):
    ids = [claimed_by(client, records), "nope"]
    _, _, tag = ask(client, ids)
    monkeypatch.setattr(api, "BATCH_ETAGS", BatchETags())

    assert ask(client, ids, tag) == (304, {}, tag)


def test_the_tag_of_other_tasks_hides_none(client: FlaskClient, records: Records):
    ids = [claimed_by(client, records) for _ in range(3)]
    _, _, tag = ask(client, ids)

    code, answer, _ = ask(client, ids[:2], tag)

    assert code == 200
    assert [one["task_id"] for one in answer["snapshots"]] == ids[:2]


def test_the_tag_of_other_missing_tasks_hides_none(client: FlaskClient, records: Records):
    task_id = claimed_by(client, records)
    _, _, tag = ask(client, [task_id, "nope"])

    code, answer, _ = ask(client, [task_id, "neither"], tag)

    assert (code, answer["missing"]) == (200, ["neither"])


def test_only_so_many_answers_are_remembered(sent: BatchETags):
    answers = [{"a": TaskRecord("ada", str(n), "{}")} for n in range(MAX_RESPONSES + 1)]
    tags = [sent.add(found, [], {"now": n}) for n, found in enumerate(answers)]

    assert (sent.get(tags[0]), sent.get(tags[1])) == ({}, {"a": "1"})
    assert sent.add(answers[1], [], {"now": "later"}) == tags[1]


def test_the_server_in_an_answer_is_the_last_heartbeats(
    client: FlaskClient, records: Records, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("headway.push.server_status.RECENT_SECONDS", 60)
    status = state_of(client.application).manager.status
    long_ago = datetime.fromisoformat("2026-01-01T00:00:00.000Z")
    status.note_overview({**records.queries.overview(), "now": "2026-01-01T00:00:00.000Z"})

    told = json.loads(client.get("/tasks").text)["server"]["now"]

    assert timedelta() <= datetime.fromisoformat(told) - long_ago < timedelta(seconds=60)
    assert told.endswith("Z")
    status._overview_at = float("-inf")
    assert client.get("/tasks").get_json()["server"]["now"] > "2026-01-02"
