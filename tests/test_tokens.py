"""What a token opens, at every HTTP endpoint; what a bad one, or one that has ended, does not."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from flask import Flask
from flask.testing import FlaskClient

from headway import ConfigError, Headway, masking, token
from headway.store.model import Sent
from headway.store.records import Records
from headway.tokens import read_token

SECRET = "a secret for the tests"
MINE = "7f3a1c52-mine"
THEIRS = "7f3a1c52-theirs"
NOBODYS = "7f3a1c52-nobodys"


@pytest.fixture
def three_tasks(records: Records) -> None:
    for task_id, owner in ((MINE, "ada"), (THEIRS, "bob"), (NOBODYS, "")):
        records.starts.enqueue(task_id, Sent("long_task", "", owner, "celery", "+60000000", "", 4))


@pytest.fixture
def client(app: Flask, three_tasks: None) -> FlaskClient:
    return app.test_client()


def ids(answer: Any, key: str) -> set[str]:
    return {one["task_id"] for one in answer.get_json()[key]}


GRANTS = [
    ({"task_ids": MINE}, {MINE}),
    ({"task_ids": [MINE, NOBODYS]}, {MINE, NOBODYS}),
    ({"owner": "ada"}, {MINE}),
]
SHOWN: dict[str, Callable[[str], dict[str, Any]]] = {
    "in the query": lambda text: {"query_string": {"token": text}},
    "as a bearer": lambda text: {"headers": {"Authorization": f"Bearer {text}"}},
    "beside a token of the app's own": lambda text: {
        "headers": {"Authorization": "Bearer eyJhbGciOi"},
        "query_string": {"token": text},
    },
}


@pytest.mark.parametrize("how", SHOWN)
@pytest.mark.parametrize(("grant", "opened"), GRANTS)
def test_it_opens_what_it_names_and_nothing_else(
    client: FlaskClient, grant: dict[str, Any], opened: set[str], how: str
):
    shown = SHOWN[how](token(**grant, secret_key=SECRET))

    for task_id in (MINE, THEIRS, NOBODYS):
        code = 200 if task_id in opened else 404
        assert client.get(f"/status/{task_id}", **shown).status_code == code
        assert client.get(f"/tasks/{task_id}/log", **shown).status_code == code
    assert ids(client.get("/tasks", **shown), "tasks") == opened


def test_many_tasks_are_read_with_it(client: FlaskClient):
    text = token([MINE, NOBODYS], secret_key=SECRET)

    answer = client.get(f"/status?task_id={MINE}&task_id={THEIRS}&task_id={NOBODYS}&token={text}")

    assert (ids(answer, "snapshots"), answer.get_json()["missing"]) == ({MINE, NOBODYS}, [THEIRS])


@pytest.mark.parametrize(("phase", "count"), [("scheduled", 2), ("running", 0)])
def test_a_list_by_ids_takes_a_phase(client: FlaskClient, phase: str, count: int):
    text = token([MINE, NOBODYS], secret_key=SECRET)

    assert len(client.get(f"/tasks?phase={phase}&token={text}").get_json()["tasks"]) == count


def test_all_tasks_of_a_token_are_on_one_page(client: FlaskClient, records: Records):
    some = [f"7f3a1c52-{number}" for number in range(60)]
    for task_id in some:
        records.starts.enqueue(task_id, Sent("long_task", "", "ada", "celery", "+60000000", "", 4))

    answer = client.get(f"/tasks?limit=10&token={token(some, secret_key=SECRET)}")

    assert ids(answer, "tasks") == set(some)
    assert answer.get_json()["next"] is None


def test_a_visitor_keeps_what_is_their_own(app: Flask, client: FlaskClient):
    client.get("/")
    own = client.post("/tasks", json={"name": "long_task", "countdown": 60}).get_json()["task_id"]
    shown = SHOWN["in the query"](token(MINE, secret_key=SECRET))

    assert client.get(f"/status/{own}", **shown).status_code == 200
    assert client.get(f"/status/{MINE}", **shown).status_code == 200
    assert client.post(f"/tasks/{own}/cancel", **shown).status_code == 202


CHANGES: dict[str, Any] = {"cancel": None, "schedule": {"countdown": 60}, "retry": None}


@pytest.mark.parametrize("change", CHANGES)
def test_one_that_may_only_read_changes_nothing(client: FlaskClient, change: str):
    shown = SHOWN["as a bearer"](token(owner="ada", secret_key=SECRET))

    answer = client.post(f"/tasks/{MINE}/{change}", json=CHANGES[change], **shown)

    assert (answer.status_code, answer.get_json()["error"]["code"]) == (403, "read_only")
    assert client.get(f"/status/{MINE}", **shown).get_json()["phase"] == "scheduled"


@pytest.mark.parametrize("grant", [{"task_ids": MINE}, {"owner": "ada"}])
def test_another_one_cancels(client: FlaskClient, grant: dict[str, Any]):
    shown = SHOWN["as a bearer"](token(**grant, read_only=False, secret_key=SECRET))

    assert client.post(f"/tasks/{MINE}/cancel", **shown).get_json()["phase"] == "cancelled"
    assert client.post(f"/tasks/{THEIRS}/cancel", **shown).status_code == 404


def test_it_does_not_open_the_door_to_other_sites(client: FlaskClient):
    text = token(MINE, read_only=False, secret_key=SECRET)

    answer = client.post(
        f"/tasks/{MINE}/cancel?token={text}", headers={"Sec-Fetch-Site": "cross-site"}
    )

    assert answer.get_json()["error"]["code"] == "cross_site"


GOOD = token(MINE, secret_key=SECRET)
BAD = [
    "",
    "hwt_",
    "hwt_x.y",
    GOOD[:-1],
    GOOD[:20] + ("A" if GOOD[20] != "A" else "B") + GOOD[21:],
    GOOD.removeprefix("hwt_"),
    token(MINE, secret_key="another secret"),
]


@pytest.mark.parametrize("text", BAD)
def test_a_bad_one_is_none_at_all(client: FlaskClient, text: str):
    answer = client.get(f"/status/{MINE}", query_string={"token": text})

    assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "not_found")
    assert client.get("/tasks", query_string={"token": text}).get_json()["tasks"] == []


def test_one_that_has_ended_says_so(client: FlaskClient, monkeypatch: pytest.MonkeyPatch):
    shown = SHOWN["in the query"](token(MINE, read_only=False, expires=60, secret_key=SECRET))
    assert client.get(f"/status/{MINE}", **shown).status_code == 200

    ends = read_token(shown["query_string"]["token"], [SECRET])
    assert ends is not None
    monkeypatch.setattr("headway.tokens.time.time", lambda: ends.ends + 1)

    for answer in (
        client.get(f"/status/{MINE}", **shown),
        client.post(f"/tasks/{MINE}/cancel", **shown),
    ):
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (404, "token_expired")
    assert client.get("/tasks", **shown).get_json()["tasks"] == []


def test_a_former_secret_is_taken_and_the_new_one_signs(app: Flask, client: FlaskClient):
    former = token(MINE, secret_key=SECRET)
    app.config.update(SECRET_KEY="a new secret", SECRET_KEY_FALLBACKS=[SECRET])

    with app.test_request_context():
        new = Headway().token(MINE)

    assert read_token(new, ["a new secret"])
    assert {client.get(f"/status/{MINE}?token={text}").status_code for text in (former, new)} == {
        200
    }
    app.config["SECRET_KEY_FALLBACKS"] = []
    assert client.get(f"/status/{MINE}?token={former}").status_code == 404


def test_headway_may_have_a_secret_of_its_own(app: Flask, client: FlaskClient):
    app.config.update(HEADWAY_SECRET_KEY="shared", HEADWAY_SECRET_KEY_FALLBACKS=["shared before"])

    codes = [
        client.get(f"/status/{MINE}?token={token(MINE, secret_key=key)}").status_code
        for key in ("shared", "shared before", SECRET)
    ]

    assert codes == [200, 200, 404]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"task_ids": ""},
        {"task_ids": []},
        {"task_ids": [""]},
        {"task_ids": MINE, "owner": "ada"},
        {"owner": ""},
        {"task_ids": MINE, "expires": 0},
        {"task_ids": MINE, "expires": float("nan")},
        {"task_ids": MINE, "expires": float("inf")},
        {"task_ids": [str(n) for n in range(101)]},
    ],
)
def test_what_no_token_can_say_is_refused(arguments: dict[str, Any]):
    with pytest.raises(ValueError, match="token"):
        token(**arguments, secret_key=SECRET)


def test_a_process_without_flask_has_the_secret_of_its_settings(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HEADWAY_SECRET_KEY", "of the environment")
    assert read_token(token(MINE), ["of the environment"])

    celery = Celery("django", set_as_current=False)
    celery.conf.headway_secret_key = "of Celery"
    monkeypatch.setattr("headway.tokens.current_app", celery)
    assert read_token(token(MINE), ["of Celery"])


def test_the_documents_tokens_can_be_made(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HEADWAY_SECRET_KEY", SECRET)
    page = (Path(__file__).parent.parent / "docs" / "own-login.md").read_text()
    [code] = re.findall(r"```python\n(from headway import token\n.*?)```", page, re.DOTALL)

    exec(code, {"task_id": "a", "first_id": "a", "second_id": "b"})


def test_without_a_secret_there_is_no_token(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HEADWAY_SECRET_KEY", raising=False)
    monkeypatch.setattr("headway.tokens.current_app", Celery("bare", set_as_current=False))

    with pytest.raises(ConfigError, match="headway_secret_key"):
        token(MINE)


@pytest.mark.parametrize("name", ["werkzeug", "engineio.server", "socketio.server"])
def test_no_log_line_holds_one(app: Flask, caplog: pytest.LogCaptureFixture, name: str):
    with caplog.at_level(logging.INFO, name):
        logging.getLogger(name).info('"%s" 200', f"GET /status/x?token={GOOD}&n=1 HTTP/1.1")

    assert [record.getMessage() for record in caplog.records if record.name == name] == [
        '"GET /status/x?token=***&n=1 HTTP/1.1" 200'
    ]
    assert masking.mask(f"seen: {GOOD}.") == "seen: ***"


class TestVisible:
    @pytest.fixture(params=[True, False])
    def operator(self, app: Flask, request: pytest.FixtureRequest) -> bool:
        app.config["HEADWAY_VISIBLE"] = lambda: request.param
        return bool(request.param)

    def test_they_see_tasks_without_an_owner_and_no_others(
        self, client: FlaskClient, operator: bool
    ):
        codes = [client.get(f"/status/{task_id}").status_code for task_id in (NOBODYS, MINE)]
        cancelled = client.post(f"/tasks/{NOBODYS}/cancel").status_code

        assert (codes, cancelled) == (([200, 404], 202) if operator else ([404, 404], 404))

    def test_they_are_asked_for_the_visitor_with_a_cookie_too(
        self, client: FlaskClient, operator: bool
    ):
        client.get("/")

        assert client.get(f"/status/{NOBODYS}").status_code == (200 if operator else 404)
