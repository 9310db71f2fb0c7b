"""The log on the task page: by level, by words, by attempt; without JavaScript too."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from headway.celery.run.log_lines import level_of
from headway.shapes import HistoryEvent
from headway.store.model import LogLine
from headway.store.records import Records
from headway.web.pages.log_view import LogQuery, by_attempt
from tests.by_hand import HERE, claim

HTML = {"Accept": "text/html"}
LINES = [("DEBUG", "opened"), ("INFO", "reading Rows"), ("ERROR", "bad row"), ("trace", "odd")]


@pytest.fixture
def task_id(client: FlaskClient, records: Records) -> str:
    started = client.post("/tasks", json={"name": "long_task", "countdown": 3600})
    task_id = str(started.json["task_id"])
    claim(records, task_id)
    assert records.output.log(task_id, HERE, LINES)
    return task_id


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", ["opened", "reading Rows", "bad row", "odd"]),
        ("?level=INFO", ["reading Rows", "bad row", "odd"]),
        ("?level=warning", ["bad row"]),
        ("?find=ROW", ["reading Rows", "bad row"]),
        ("?find=rows&level=ERROR", []),
    ],
)
def test_lines_are_chosen_by_level_and_words(
    client: FlaskClient, task_id: str, query: str, shown: list[str]
):
    page = client.get(f"/tasks/{task_id}{query}", headers=HTML).text
    file = client.get(f"/tasks/{task_id}/log.txt{query}").text

    for _, text in LINES:
        assert (f'class="words">{text}<' in page) == (text in shown)
        assert (text in file) == (text in shown)
    assert ('data-part="empty">No line matches.' in page) == (not shown)


@pytest.mark.parametrize("query", ["level=LOUD", f"find={'x' * 201}"])
def test_a_bad_query_is_refused(client: FlaskClient, task_id: str, query: str):
    answer = client.get(f"/tasks/{task_id}?{query}", headers=HTML)

    assert answer.status_code == 400


def event(at: str, phase: str, attempt: int, status: str = "") -> HistoryEvent:
    known = {"at": at, "phase": phase, "attempt": attempt, "status": status}
    return {**known, "error": None, "worker": None}  # type: ignore[typeddict-item]


def test_the_last_lines_of_a_killed_attempt_stay_and_are_marked():
    lines: list[LogLine] = [
        {"seq": n, "at": at, "level": "INFO", "text": at} for n, at in enumerate("bcef")
    ]
    history = [event("a", "running", 1), event("d", "queued", 1, "Worker lost")]

    first, second = by_attempt(lines, [*history, event("e", "running", 2)])

    assert (first.begins, [line["at"] for line in first.lines]) == ("", ["b", "c"])
    assert second.begins == "Attempt 1 ended: Worker lost. Attempt 2:"
    assert [line["at"] for line in second.lines] == ["e", "f"]


def test_an_attempt_that_asked_a_person_is_said_to_have_asked():
    lines: list[LogLine] = [
        {"seq": n, "at": at, "level": "INFO", "text": at} for n, at in enumerate("be")
    ]
    asked = [event("b", "waiting", 1), event("c", "queued", 1, "Pending...")]
    history = [event("a", "running", 1), *asked, event("d", "running", 2)]

    _, second = by_attempt(lines, history)

    assert second.begins == "Attempt 1 ended: Asked a person. Attempt 2:"


def test_what_asks_for_nothing_is_not_in_the_address(app: Flask):
    with app.test_request_context("/?level=info&find="):
        assert LogQuery.read().address == {"level": "INFO"}


@pytest.mark.parametrize(
    ("level", "name"),
    [
        ("INFO", "INFO"),
        ("error", "ERROR"),
        ("Warn", "WARNING"),
        (40, "ERROR"),
        (35, "Level 35"),
        ("chat", "chat"),
        (None, "INFO"),
    ],
)
def test_a_level_has_the_name_that_the_filter_knows(level: object, name: str):
    assert level_of(level) == name
