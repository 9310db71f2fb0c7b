"""The endpoints of a task's parts: who reads them, in pages, and who cancels and reruns them."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from headway.snapshot import Phase
from headway.store.model import StateWrite
from headway.store.records import Records
from headway.tokens import token
from tests.by_hand import HERE, claimed_by, shown, start_part

HTML = {"Accept": "text/html"}


@pytest.fixture
def parent(client: FlaskClient, records: Records) -> str:
    """A running task of the client's."""
    return claimed_by(client, records)


def end(records: Records, task_id: str, phase: Phase) -> None:
    error = {"type": "OSError", "message": "no such file"}
    fields = {"error": error} if phase == Phase.FAILED else {}
    change = StateWrite(task_id, HERE, phase, fields, "{}", "long_task", max_attempts=4)
    assert records.runs.write(change) == "written"


def parts(client: FlaskClient, parent: str, query: str = "") -> Any:
    return client.get(f"/tasks/{parent}/parts{query}").get_json()


def ids(answer: Any) -> list[str]:
    return [task["task_id"] for task in answer["tasks"]]


def page(client: FlaskClient, path: str) -> str:
    response = client.get(path, headers=HTML)
    assert response.status_code == 200
    return response.get_data(as_text=True)


def test_parts_come_in_pages_in_the_order_of_their_starts(
    client: FlaskClient, records: Records, parent: str
):
    started = [start_part(records, parent) for _ in range(3)]
    end(records, started[1], Phase.FAILED)

    first = parts(client, parent, "?limit=2")
    rest = parts(client, parent, f"?limit=2&cursor={first['next']}")

    assert ids(first) + ids(rest) == started
    assert rest["next"] is None
    assert ids(parts(client, parent, "?phase=failed")) == [started[1]]
    assert client.get("/tasks").get_json()["counts"]["running"] == 1
    assert client.get(f"/tasks/{parent}/parts?cursor=--1~x").status_code == 400


def test_whoever_has_a_link_to_a_task_reads_its_parts_but_changes_none(
    app: Any, client: FlaskClient, records: Records, parent: str
):
    failed = start_part(records, parent)
    end(records, failed, Phase.FAILED)
    link = f"?token={token(parent, secret_key=app.secret_key)}"
    stranger = app.test_client()

    assert ids(parts(stranger, parent, link)) == [failed]
    assert stranger.post(f"/tasks/{parent}/parts/retry{link}").status_code == 403
    text = page(stranger, f"/tasks/{parent}{link}")
    assert "Failed first: Part" in text
    assert failed not in text.replace(f'data-part-id="{failed}"', "")


def test_cancelling_a_task_cancels_its_parts_unless_it_is_asked_not_to(
    client: FlaskClient, records: Records, parent: str
):
    kept, second = start_part(records, parent), start_part(records, parent)

    alone = client.post(f"/tasks/{parent}/cancel", json={"parts": False})
    assert alone.get_json()["phase"] == "cancelling"
    found = shown(records, kept)
    assert found is not None
    assert found.phase == Phase.RUNNING

    assert client.post(f"/tasks/{parent}/cancel", json={"parts": 1}).status_code == 400
    assert client.post(f"/tasks/{parent}/cancel").status_code == 202
    assert {task["phase"] for task in parts(client, parent)["tasks"]} == {"cancelling"}
    assert ids(parts(client, parent)) == [kept, second]


def test_the_parts_of_a_task_that_has_ended_can_be_cancelled(
    client: FlaskClient, records: Records, parent: str
):
    start_part(records, parent)
    end(records, parent, Phase.SUCCEEDED)

    answer = client.post(f"/tasks/{parent}/cancel")

    assert (answer.status_code, answer.get_json()["phase"]) == (202, "succeeded")
    assert [task["phase"] for task in parts(client, parent)["tasks"]] == ["cancelling"]
    assert client.post(f"/tasks/{parent}/cancel").status_code == 409


def test_only_what_failed_is_run_again(client: FlaskClient, records: Records, parent: str):
    done, failed, running = (start_part(records, parent) for _ in range(3))
    end(records, done, Phase.SUCCEEDED)
    end(records, failed, Phase.FAILED)

    answer = client.post(f"/tasks/{parent}/parts/retry")

    assert answer.status_code == 202
    body = answer.get_json()
    assert body["left"] == 0
    [again] = ids(body)
    assert ids(parts(client, parent)) == [done, again, running]
    counts = client.get(f"/status/{parent}").get_json()["parts"]
    assert (counts["count"], counts["ended"], counts["failed"]) == (3, 1, 0)
    assert ids(client.post(f"/tasks/{parent}/parts/retry").get_json()) == []


def test_a_page_shows_the_tree_and_its_buttons_work_without_a_script(
    client: FlaskClient, records: Records, parent: str
):
    failed = start_part(records, parent, "Bad <row>")
    open_part = start_part(records, parent, "Open")
    below = start_part(records, open_part, "Below")
    end(records, failed, Phase.FAILED)

    text = page(client, f"/tasks/{parent}")
    assert "1 of 2 parts · 1 failed, first Bad &lt;row&gt;" in text  # as the card says it
    assert f'data-part-id="{below}"' in text
    assert f'<a href="/tasks/{open_part}">Open</a>' in text
    assert "Retry the failed part" in text
    assert "Cancel with 1 part" in text
    assert f'Part of <a href="/tasks/{open_part}">Open</a>' in page(client, f"/tasks/{below}")

    answer = client.post(f"/tasks/{parent}/parts/retry", headers=HTML)
    assert (answer.status_code, answer.location) == (303, f"/tasks/{parent}#parts")
    client.post(f"/tasks/{parent}", data={"action": "cancel"}, headers=HTML)
    found = shown(records, below)
    assert found is not None
    assert found.phase == Phase.CANCELLING


def test_a_page_has_all_parts_by_phase(client: FlaskClient, records: Records, parent: str):
    for number in range(51):
        start_part(records, parent, f"Part {number}")

    assert "Show all 51 parts" in page(client, f"/tasks/{parent}")
    text = page(client, f"/tasks/{parent}/parts?phase=running&phase=cancelling")
    assert "Running 51" in text
    assert "Part 49" in text
    assert "Part 50" not in text
    following = text.partition("cursor=")[2].partition('"')[0].partition("&")[0]
    assert "Part 50" in page(client, f"/tasks/{parent}/parts?cursor={following}")
    assert "There are none." in page(client, f"/tasks/{parent}/parts?phase=failed")
