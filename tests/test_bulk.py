"""Several tasks in one request: cancelled, run again, forgotten, each under the rule of its own."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from headway import token
from headway.files.uploading import UnknownUpload
from headway.limits import LimitReached
from headway.registry import BadArguments
from headway.service import NotKept
from headway.snapshot import Phase
from headway.store.errors import RedisUnavailable
from headway.store.model import AlreadyUsed, Outcome, StartResult, TooLate
from headway.store.records import Records
from headway.web.api import bulk
from headway.web.api.responses import FRESH, NOT_ENDED
from tests.by_hand import claim, shown, write

UNKNOWN = "7f3a1c52-9b1e-4c7d-8a55-0d2f6f1b9e01"
SECRET = "a secret for the tests"
HTML = {"Accept": "text/html"}


@pytest.fixture
def mine(app: Flask) -> FlaskClient:
    client = app.test_client()
    client.get("/")  # its cookie makes the owner
    return client


def start(client: FlaskClient) -> str:
    body = {"name": "long_task", "args": {}, "countdown": 3600}
    return str(client.post("/tasks", json=body).json["task_id"])  # type: ignore[index]


def ended(client: FlaskClient, records: Records) -> str:
    task_id = start(client)
    claim(records, task_id)
    write(records, task_id, 1000, Phase.SUCCEEDED)
    return task_id


def change(client: FlaskClient, action: Any, *task_ids: Any, **options: Any) -> TestResponse:
    return client.post("/tasks/batch", json={"action": action, "task_ids": [*task_ids]}, **options)


def refused(answer: TestResponse) -> dict[str, str]:
    return {one["task_id"]: one["code"] for one in answer.json["refused"]}  # type: ignore[index]


def test_each_is_cancelled_and_what_cannot_be_is_named(mine: FlaskClient, records: Records):
    waits, runs, over = start(mine), start(mine), ended(mine, records)
    claim(records, runs)

    answer = change(mine, "cancel", waits, over, runs, waits)

    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json["done"] == [waits, runs]
    assert [one["phase"] for one in answer.json["snapshots"]] == ["cancelled", "cancelling"]
    assert refused(answer) == {over: "final"}
    assert change(mine, "cancel", runs).json["done"] == [runs]  # type: ignore[index]


def test_foreign_unknown_and_malformed_ones_are_alike(
    app: Flask, mine: FlaskClient, records: Records
):
    foreign = ended(mine, records)
    stranger = app.test_client()
    stranger.get("/")

    for action in ("cancel", "retry", "forget"):
        answer = change(stranger, action, foreign, UNKNOWN, "../x")

        assert answer.status_code == 200
        assert refused(answer) == dict.fromkeys((foreign, UNKNOWN, "../x"), "not_found")
        messages = {one["message"] for one in answer.json["refused"]}  # type: ignore[index]
        assert len(messages) == 1
    assert shown(records, foreign) is not None
    assert mine.post(f"/tasks/{foreign}/forget").status_code == 204
    gone = [mine.post(f"/tasks/{one}/forget") for one in (foreign, UNKNOWN)]
    assert [one.status_code for one in gone] == [404, 404]


def test_started_again_with_the_same_key_they_are_the_same(mine: FlaskClient, records: Records):
    over = [ended(mine, records) for _ in range(2)]
    waits = start(mine)
    key = {"Idempotency-Key": "wish"}

    once, again = (change(mine, "retry", *over, waits, headers=key) for _ in range(2))

    started = [[one["task_id"] for one in each.json["snapshots"]] for each in (once, again)]  # type: ignore[index]
    assert started[0] == started[1]
    assert len({*started[0], *over}) == 4
    assert refused(once) == {waits: "not_final"}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadArguments({"email": "Enter an email address."}), "bad_arguments"),
        (UnknownUpload({"source": "A file of it is gone."}), "no_such_upload"),
        (NotKept("gone"), "not_kept"),
        (AlreadyUsed("key"), "key_already_used"),
        (LimitReached("30 starts a minute.", 12), "rate_limited"),
        (RedisUnavailable("gone"), "unavailable"),
        (TooLate(), "unavailable"),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else one,
)
def test_what_refuses_one_refuses_no_other(
    mine: FlaskClient,
    records: Records,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    code: str,
):
    first, second = ended(mine, records), ended(mine, records)
    start_again = bulk.rerun

    def rerun(task_id: str, **options: Any) -> StartResult:
        if task_id == first:
            raise error
        return start_again(task_id, **options)

    monkeypatch.setattr(bulk, "rerun", rerun)

    answer = change(mine, "retry", first, second)

    assert answer.status_code == 200
    assert refused(answer) == {first: code}
    assert answer.json is not None
    assert answer.json["done"] == [second]


def test_one_that_is_open_already_is_refused(
    mine: FlaskClient, records: Records, monkeypatch: pytest.MonkeyPatch
):
    first = ended(mine, records)
    open_one = start(mine)
    existing = StartResult(open_one, '{"task_id": "another"}', Outcome.EXISTING)
    monkeypatch.setattr(bulk, "rerun", lambda *_, **__: existing)

    answer = change(mine, "retry", first)

    assert refused(answer) == {first: "open_already"}
    assert answer.json is not None
    assert (answer.json["done"], answer.json["snapshots"]) == ([], [])


def test_without_a_key_each_request_starts_one(mine: FlaskClient, records: Records):
    over = ended(mine, records)

    answers = [change(mine, "retry", over) for _ in range(2)]

    started = {one["task_id"] for each in answers for one in each.json["snapshots"]}  # type: ignore[index]
    assert len(started) == 2


def test_a_refusal_keeps_nothing_of_its_request(mine: FlaskClient):
    waits = start(mine)

    assert refused(change(mine, "retry", waits)) == {waits: "not_final"}

    assert NOT_ENDED.__traceback__ is None


@pytest.mark.parametrize("headers", [{}, HTML])
def test_what_became_of_them_is_kept_by_no_cache(mine: FlaskClient, headers: dict[str, str]):
    form = {"action": "cancel", "task_id": start(mine)}

    answer = mine.post("/tasks/batch", data=form, headers=headers)

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == FRESH


def test_what_has_ended_is_forgotten(mine: FlaskClient, records: Records):
    over, waits = ended(mine, records), start(mine)

    answer = change(mine, "forget", over, waits)

    assert answer.json is not None
    assert (answer.json["done"], answer.json["snapshots"]) == ([over], [])
    assert refused(answer) == {waits: "not_final"}
    single = mine.post(f"/tasks/{waits}/forget")
    assert (single.status_code, single.json["error"]["code"]) == (409, "not_final")  # type: ignore[index]
    assert refused(change(mine, "forget", over)) == {over: "not_found"}


def test_a_read_only_token_changes_none(app: Flask, mine: FlaskClient, records: Records):
    over = ended(mine, records)
    bearer = {"Authorization": f"Bearer {token(over, secret_key=SECRET)}"}

    answer = change(app.test_client(), "forget", over, headers=bearer)

    assert refused(answer) == {over: "read_only"}


@pytest.mark.parametrize(
    "body",
    [
        {"action": "sing", "task_ids": [UNKNOWN]},
        {"action": ["cancel"], "task_ids": [UNKNOWN]},
        {"action": "cancel"},
        {"action": "cancel", "task_ids": []},
        {"action": "cancel", "task_ids": UNKNOWN},
        {"action": "cancel", "task_ids": [1]},
        {"action": "cancel", "task_ids": [f"{n}" for n in range(101)]},
        {"action": "cancel", "task_ids": [UNKNOWN], "more": 1},
        ["cancel"],
    ],
)
def test_what_makes_no_sense_is_refused(mine: FlaskClient, body: Any):
    answer = mine.post("/tasks/batch", json=body)

    assert answer.status_code == 400
    assert answer.json["error"]["message"]  # type: ignore[index]


def test_another_sites_page_changes_none(mine: FlaskClient, records: Records):
    over = ended(mine, records)

    answer = change(mine, "forget", over, headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403
    assert shown(records, over) is not None


def test_a_plain_form_asks_before_it_forgets_and_says_what_became_of_each(
    mine: FlaskClient, records: Records
):
    over, waits = ended(mine, records), start(mine)
    form: dict[str, Any] = {"action": "forget", "task_id": [over, waits]}
    page = {**HTML, "Referer": "http://localhost/?phase=failed"}

    asked = mine.post("/tasks/batch", data=form, headers=page)
    assert "Forget 2 tasks?" in asked.text
    assert "lang=zh-Hans" not in asked.text  # nothing is at this address to GET
    mine.post("/tasks/batch", data={**form, "confirmed": "no"}, headers=page)
    assert shown(records, over) is not None
    back = re.findall(r'name="back" value="([^"]*)"', asked.text)
    done = mine.post("/tasks/batch", data={**form, "confirmed": "yes", "back": back}, headers=HTML)

    assert shown(records, over) is None
    assert "1 of 2 tasks forgotten" in done.text
    assert "Long task: This task has not ended yet: cancel it first." in done.text
    assert 'href="/?phase=failed">← Back' in done.text


@pytest.mark.parametrize(
    "back",
    [
        "javascript:alert(1)",
        "https://evil.example/",
        "//evil.example",
        "////evil.example/x",
        "http://localhost//evil.example/",
        "/\\evil.example",
        "/\t/evil.example",
        "http://[",
        "//a]b",
    ],
)
def test_the_way_back_leads_to_no_other_site(mine: FlaskClient, records: Records, back: str):
    form = {"action": "cancel", "task_id": start(mine)}
    referred = {**HTML, "Referer": back.replace("\t", "")}

    by_form = mine.post("/tasks/batch", data={**form, "back": back}, headers=HTML)
    by_header = mine.post("/tasks/batch", data=form, headers=referred)

    assert [by_form.status_code, by_header.status_code] == [200, 200]
    assert "Back" not in by_form.text
    assert "Back" not in by_header.text
