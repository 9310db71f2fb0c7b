"""GET /tasks: its search and its counts, for owners and for tokens."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from headway import token
from headway.revoking import revoke_from
from headway.store.model import Sent
from headway.store.records import Records

SECRET = "a secret for the tests"
ORDER = "7f3a1c52-order"
REPORT = "7f3a1c52-report"
THEIRS = "7f3a1c52-theirs"


@pytest.fixture
def client(app: Flask, records: Records) -> FlaskClient:
    for task_id, title, owner in (
        (ORDER, "Order 7", "ada"),
        (REPORT, "Monthly report", "ada"),
        (THEIRS, "Order 8", "bob"),
    ):
        when = "+60000000" if task_id == REPORT else ""
        records.starts.enqueue(task_id, Sent("long_task", title, owner, "celery", when, "", 4))
    return app.test_client()


def answer(client: FlaskClient, query: str, **grant: Any) -> tuple[set[str], dict[str, int]]:
    shown = {"Authorization": f"Bearer {token(**grant, secret_key=SECRET)}"}
    found = client.get(f"/tasks?{query}", headers=shown).get_json()
    counts = {phase: n for phase, n in found["counts"].items() if n}
    return {task["task_id"] for task in found["tasks"]}, counts


ALL = {"scheduled": 1, "queued": 1}
GRANTS = [{"owner": "ada"}, {"task_ids": [ORDER, REPORT]}]


@pytest.mark.parametrize("grant", GRANTS)
def test_a_search_has_the_counts_of_all(client: FlaskClient, grant: dict[str, Any]):
    assert answer(client, "q=order", **grant) == ({ORDER}, ALL)
    assert answer(client, "q=MONTHLY+report", **grant) == ({REPORT}, ALL)
    assert answer(client, "q=order&phase=scheduled", **grant) == (set(), ALL)
    assert answer(client, "", **grant) == ({ORDER, REPORT}, ALL)


def test_what_is_open_comes_with_the_newest_where_it_is_asked_for(
    client: FlaskClient, records: Records
):
    for number in range(2):
        records.starts.enqueue(
            f"7f3a1c52-{number}", Sent("long_task", "New", "ada", "celery", "", "", 4)
        )
        records.cancel(f"7f3a1c52-{number}")
    mine = {"Authorization": f"Bearer {token(owner='ada', secret_key=SECRET)}"}

    def titles(query: str) -> list[str]:
        found = client.get(f"/tasks?limit=1&{query}", headers=mine).get_json()
        assert found["next"]
        return [task["title"] for task in found["tasks"]]

    assert titles("") == ["New"]
    assert titles("include=open") == ["Monthly report", "New"]
    assert titles("include=open&q=new") == titles("include=open&phase=cancelled") == ["New"]
    assert client.get("/tasks?include=closed").get_json()["error"]["code"] == "bad_include"


def test_a_token_for_some_tasks_lists_them_all_with_what_is_open(client: FlaskClient):
    assert answer(client, "limit=1&include=open", task_ids=[ORDER, REPORT])[0] == {ORDER, REPORT}


def test_a_stranger_has_none(client: FlaskClient):
    found = client.get("/tasks?q=order").get_json()

    assert found["tasks"] == []
    assert set(found["counts"].values()) == {0}


def test_a_revoked_token_counts_nothing(client: FlaskClient, records: Records):
    text = token(owner="ada", secret_key=SECRET)

    revoke_from(records, SECRET, text)

    found = client.get("/tasks", headers={"Authorization": f"Bearer {text}"}).get_json()
    assert (found["tasks"], set(found["counts"].values())) == ([], {0})


def test_a_search_of_too_many_characters_is_refused(client: FlaskClient):
    refused = client.get(f"/tasks?q={'x' * 201}")

    assert refused.status_code == 400
    assert refused.get_json()["error"]["code"] == "bad_query"


@pytest.mark.parametrize("query", ["phase=odd", "cursor=odd", f"q={'x' * 201}"])
def test_the_page_refuses_what_it_does_not_know(client: FlaskClient, query: str):
    refused = client.get(f"/?{query}", headers={"Accept": "text/html"})

    assert refused.status_code == 400
    assert refused.mimetype == "text/html"
