"""A task that goes on says so, and a person may have one that has failed go on."""

from __future__ import annotations

import html
import re
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from headway.snapshot import Phase
from headway.store.model import StateWrite
from headway.store.records import Records
from tests.bodies import read
from tests.by_hand import HERE, claim, save_text
from tests.test_checkpoints import SAVE, claimed, save

HTML = {"Accept": "text/html"}
FIRST = {"current": 37, "total": 99}


def failed(client: FlaskClient, records: Records, *, saves: bool = True) -> str:
    """Start a task that saves at 37 % what it has written, writes more and fails."""
    task_id = str(client.post("/tasks", json={"name": "long_task"}).get_json()["task_id"])
    claim(records, task_id)
    write_stream = records.output.write_stream
    write_stream(task_id, HERE, "answer", 0, b"saved", closes=False, max_bytes=100)
    if saves:
        run = StateWrite(task_id, HERE, Phase.RUNNING, FIRST, "{}", "long_task", 4)
        save = run._replace(saved=SAVE, written="answer 5;")
        assert records.runs.write(save) == "written"
    write_stream(task_id, HERE, "answer", 5, b", lost", closes=False, max_bytes=100)
    end = StateWrite(task_id, HERE, Phase.FAILED, {"current": 40}, "{}", "long_task", 4)
    assert records.runs.write(end) == "written"
    return task_id


def text_of(records: Records, task_id: str) -> str:
    streams = records.queries.read_streams(task_id, {})
    return streams["answer"]["text"] if "answer" in streams else ""


@pytest.mark.parametrize(
    ("shown", "where"),
    [
        (FIRST, "at 37 %"),
        ({"current": 5, "total": 5}, "at 99 %"),
        ({"total": None}, "where it was"),
    ],
    ids=["part", "all", "unknown"],
)
def test_each_way_to_go_on_says_where(records: Records, shown: dict[str, Any], where: str):
    task_id = str(uuid4())
    write = StateWrite(task_id, claimed(records, task_id, "1"), Phase.RUNNING, shown, "{}", "t", 4)
    records.runs.write(write._replace(saved=SAVE))

    said = []
    records.maintenance.release([(task_id, "1")])
    said.append(read(records, task_id).status)
    second = claimed(records, task_id, "2")
    said.append(read(records, task_id).status)
    records.maintenance.heartbeat("a worker", 1, [], set(), name="w", queues=["q"], taking=True)
    records.maintenance.sweep("a worker")
    assert records.runs.mark_lost(task_id, second) == "requeued"
    said.append(read(records, task_id).status)
    third = claimed(records, task_id, "3")
    records.runs.request_stop([(task_id, "3")])
    save(records, task_id, third, save_text(2), may_stop=True)
    said.append(read(records, task_id).status)

    going_on = f"Goes on {where}"
    # a report without numbers keeps the bar of its attempt, which had not moved
    assert said == [going_on, going_on, f"Worker lost, goes on {where}", "Goes on at 0 %"]
    history = records.history.details(task_id).history
    assert [event["status"] for event in history if event["phase"] == "running"][1:2] == [going_on]


def test_a_task_whose_workers_die_comes_to_its_end_if_each_saves_something_new(records: Records):
    task_id = str(uuid4())
    records.maintenance.heartbeat("a worker", 1, [], set(), name="w", queues=["q"], taking=True)
    records.maintenance.sweep("a worker")

    def attempt(number: int, saved: str) -> str:
        run = claimed(records, task_id, str(number))
        if saved:
            write = StateWrite(task_id, run, Phase.RUNNING, {}, "{}", "t", 4, saved=saved)
            assert records.runs.write(write) == "written"
        return records.runs.mark_lost(task_id, run)

    for number in range(1, 11):
        assert attempt(number, save_text(number, by=str(number))) == "requeued"
    outcomes = [attempt(11, ""), attempt(12, save_text(11, by="10")), attempt(13, "")]
    assert outcomes == ["requeued"] * 3, "three of four attempts"
    assert attempt(14, save_text(12, by="14")) == "requeued", "it has moved on"
    assert attempt(15, save_text(13, by="14")) == "exhausted", "it has not"


@pytest.mark.parametrize("resume", [True, False])
def test_a_failed_task_goes_on_or_starts_over(client: FlaskClient, records: Records, resume: bool):
    old = failed(client, records)

    answer = client.post(f"/tasks/{old}/retry", json={"resume": resume})

    assert answer.status_code == 202
    new = answer.get_json()["task_id"]
    claim(records, new)
    assert records.runs.read_saved(new, HERE)[:2] == ("read", SAVE if resume else "")
    assert text_of(records, new) == ("saved" if resume else "")
    assert read(records, new).status == ("Goes on at 37 %" if resume else "")
    assert text_of(records, old) == "saved, lost"
    assert not resume or records.client.pttl(f"headway:stream:{new}:answer") > 0


def test_the_snapshot_says_where_an_ended_task_goes_on(client: FlaskClient, records: Records):
    saved, unsaved = failed(client, records), failed(client, records, saves=False)
    task_id = str(client.post("/tasks", json={"name": "long_task"}).get_json()["task_id"])
    claim(records, task_id)
    unknown = StateWrite(task_id, HERE, Phase.RUNNING, {"total": None}, "{}", "t", 4, saved=SAVE)
    records.runs.write(unknown)
    running = read(records, task_id).resume
    records.runs.write(unknown._replace(phase=Phase.SUCCEEDED, saved=""))

    assert read(records, saved).resume == {"percent": 37}
    assert read(records, unsaved).resume is None
    assert (running, read(records, task_id).resume) == (None, None)


def test_a_task_has_one_continuation_however_often_it_is_asked_for(
    client: FlaskClient, records: Records
):
    task_id = failed(client, records)
    path = f"/tasks/{task_id}/retry"

    first = client.post(path, json={"resume": True})
    again = client.post(path, json={"resume": True}, headers={"Idempotency-Key": "k"})
    pressed = client.post(f"/tasks/{task_id}", data={"action": "go_on"})
    over = client.post(path, json={})

    assert first.get_json()["task_id"] == again.get_json()["task_id"]
    assert pressed.headers["Location"].endswith(first.get_json()["task_id"])
    assert over.get_json()["task_id"] not in (first.get_json()["task_id"], task_id)


def test_a_task_says_which_one_has_gone_on(client: FlaskClient, records: Records):
    task_id, other = failed(client, records), failed(client, records)
    before = read(records, task_id)
    client.post(f"/tasks/{other}/retry", json={})

    new = client.post(f"/tasks/{task_id}/retry", json={"resume": True}).get_json()["task_id"]

    after = read(records, task_id)
    assert after.resume == {"percent": 37, "task_id": new}
    assert after.version > before.version
    assert (after.phase, after.finished_at) == (before.phase, before.finished_at)
    assert read(records, other).resume == {"percent": 37}
    page = client.get(f"/tasks/{task_id}", headers={"Accept": "text/html"}).text
    assert f'<a href="/tasks/{new}">Continued as another task →</a>' in page
    next_page = client.get(f"/tasks/{new}", headers={"Accept": "text/html"}).text
    assert f'<a href="/tasks/{task_id}">← Continues another task</a>' in next_page
    assert "Continues another task" not in page
    listed = client.get("/", headers={"Accept": "text/html"}).text
    assert f'<a data-part="link" href="/tasks/{new}">Continued as another task →</a>' in listed


@pytest.mark.parametrize(
    "body", [{"resume": 1}, {"resume": "yes"}, {"resume": True, "args": {}}, {"resume": None}]
)
def test_what_is_no_way_to_start_is_refused(
    client: FlaskClient, records: Records, body: dict[str, Any]
):
    answer = client.post(f"/tasks/{failed(client, records)}/retry", json=body)

    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "bad_resume")


@pytest.mark.parametrize(
    ("action", "status"), [("go_on", "Goes on at 37 %"), ("again", "")], ids=["go on", "over"]
)
def test_the_page_offers_both_without_javascript(
    client: FlaskClient, records: Records, action: str, status: str
):
    old = failed(client, records)
    page = html.unescape(client.get(f"/tasks/{old}", headers=HTML).text)
    buttons = dict(re.findall(r'<button name="action" value="(\w+)">(.*?)</button>', page))

    answer = client.post(f"/tasks/{old}", data={"action": action})

    assert (buttons["go_on"], buttons["again"]) == ("Go on at 37 %", "Start over")
    new = answer.headers["Location"].rpartition("/")[2]
    claim(records, new)
    assert read(records, new).status == status


def test_the_page_of_a_task_that_saved_nothing_offers_no_going_on(
    client: FlaskClient, records: Records
):
    page = client.get(f"/tasks/{failed(client, records, saves=False)}", headers=HTML).text

    assert 'value="again"' in page
    assert 'value="go_on"' not in page
