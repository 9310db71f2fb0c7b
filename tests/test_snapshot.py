"""What Celery's states and values mean as a snapshot, and the examples that the browser's tests
share.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest
from celery.exceptions import TaskRevokedError

from headway import snapshot, state_fields
from headway.shapes import SnapshotDict
from headway.snapshot import FINAL, STATE, Phase, Snapshot

CASES = json.loads((Path(__file__).parent / "contract.json").read_text())["snapshots"]


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_the_shared_examples_have_this_shape(case: dict):
    example = Snapshot.from_json(json.dumps(case["snapshot"]))

    assert STATE[example.phase] == example.state
    assert example.final == (example.finished_at is not None)
    assert (example.error is not None) == (example.phase in (Phase.FAILED, Phase.RETRYING))
    assert (example.question is not None) == (example.phase == Phase.WAITING)
    if example.phase == Phase.SUCCEEDED:
        assert example.current == example.total


def test_every_phase_has_a_shared_example():
    assert {case["snapshot"]["phase"] for case in CASES} == set(Phase)


def test_a_snapshot_refuses_a_missing_or_an_unknown_key():
    keys = dict(CASES[0]["snapshot"])
    with pytest.raises(TypeError):
        Snapshot.from_json(json.dumps(keys | {"percent": 5}))
    del keys["version"]
    with pytest.raises(TypeError):
        Snapshot.from_json(json.dumps(keys))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["snapshot"]["phase"])
def test_a_snapshot_has_a_result_in_success_only(case):
    keys = dict(case["snapshot"])
    if keys["state"] == "SUCCESS":
        del keys["result"]
    else:
        keys["result"] = None
    with pytest.raises(TypeError, match="SUCCESS"):
        Snapshot.from_json(json.dumps(keys))


@pytest.mark.parametrize("reason", ["terminated", "revoked", None, TaskRevokedError("terminated")])
def test_a_cancelled_task_says_so_in_one_word(reason: object):
    assert state_fields.cancelled_status(reason) == "Cancelled"
    assert state_fields.cancelled_status("expired") == "expired"


def test_the_article_knows_five_states():
    assert set(STATE.values()) == {"PENDING", "PROGRESS", "SUCCESS", "FAILURE", "REVOKED"}
    assert {snapshot.phase_of(state) for state in ("SUCCESS", "FAILURE", "REVOKED")} == FINAL
    assert snapshot.phase_of("UPLOADING") == Phase.RUNNING
    pending = {Phase.SCHEDULED, Phase.QUEUED, Phase.RETRYING, Phase.WAITING}
    assert snapshot.phases_of_state("PENDING") == pending
    assert snapshot.phases_of_state("RETRY") == set()


@pytest.mark.parametrize(
    ("meta", "fields"),
    [
        ({"current": 1, "total": 2, "status": "x"}, {"current": 1, "total": 2, "status": "x"}),
        ({"current": 1.5, "total": None}, {"current": 1.5, "total": None, "status": ""}),
        ({"current": float("nan"), "total": "many"}, {"status": ""}),
        ({"current": True, "total": False}, {"status": ""}),
        ({"current": 10**400, "total": 1}, {"status": "", "total": 1}),
        ({"status": "two\nlines"}, {"status": "two lines"}),
        ("half", {"status": ""}),
        (None, {"status": ""}),
    ],
)
def test_progress_takes_numbers_and_one_line(meta: object, fields: dict):
    assert state_fields.progress_fields("PROGRESS", meta) == fields


def test_a_state_of_the_authors_own_shows_itself_where_it_says_nothing():
    assert state_fields.progress_fields("UPLOADING", [1]) == {"status": "UPLOADING"}
    assert state_fields.progress_fields("UPLOADING", {"current": 1}) == {
        "status": "UPLOADING",
        "current": 1,
    }


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        (
            {"current": 100, "total": 100, "status": "Task completed!", "result": 42},
            {"status": "Task completed!", "result": 42, "total": 100},
        ),
        ({"result": None}, {"status": "", "result": None}),
        ({"result": 1, "other": 2}, {"status": "", "result": {"result": 1, "other": 2}}),
        ({"current": 1}, {"status": "", "result": {"current": 1}}),
        ([], {"status": "", "result": []}),
        (None, {"status": "", "result": None}),
    ],
)
def test_a_result_in_the_articles_keys_is_unwrapped_and_any_other_is_the_result(
    value: object, fields: dict
):
    assert state_fields.success_fields(value) == fields


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([], "[]"),
        ({}, "{}"),
        (float("nan"), '"NaN"'),
        ({1: [float("inf"), {"a": float("nan")}]}, '{"1":["Infinity",{"a":"NaN"}]}'),
        ("é\u2028", '"é\u2028"'),
        ("caf\udce9", '"caf?"'),
        (Path("x"), '"x"'),
    ],
)
def test_fragments_are_strict_json(value: object, text: str):
    assert snapshot.fragment(value) == text
    json.loads(text)


def test_a_snapshot_has_the_same_keys_in_python_and_in_json():
    assert {each.name for each in fields(Snapshot)} == SnapshotDict.__annotations__.keys()
