"""Ids that are no task's: of uploads, files, streams, links, messages, schedules, questions.

Not yours, unknown, expired and malformed answer alike. A route that takes an id and stands in no
list here, nor in that of tasks, fails.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app import create_app
from headway.state import state_of
from tests.browser import Visitor
from tests.by_hand import claim, give
from tests.processes import wait_for
from tests.security.conftest import Served
from tests.security.test_every_endpoint import BROWSER, JSON, OF_TASKS, malformed, rules, shown

GUESSES = int(os.environ.get("GUESSES", "300"))  # of each kind
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
AN_UPLOAD = "/uploads/<upload_id>"
A_SCHEDULE = "/schedules/<name>"
A_MESSAGE = "/inbox/<message_id>"
OF_UPLOADS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", AN_UPLOAD, {}),
    ("HEAD", AN_UPLOAD, {"headers": TUS}),
    ("PATCH", AN_UPLOAD, {"headers": PIECE, "data": b"more"}),
    ("DELETE", AN_UPLOAD, {"headers": TUS}),
    ("POST", AN_UPLOAD, {"headers": {**TUS, "X-HTTP-Method-Override": "DELETE"}}),
]
OF_OTHERS = {
    *((method, rule) for method, rule, _ in OF_UPLOADS if method != "HEAD"),
    ("POST", A_SCHEDULE),
    ("GET", A_MESSAGE),
}
# Names of files and kinds of tasks that everybody gets.
OF_EVERYBODY = {
    ("GET", "/static/<filename>"),
    ("GET", "/assets/<name>"),
    ("GET", "/assets/words/<tag>.<kind>"),
    ("GET", "/start/<name>"),
    ("POST", "/start/<name>"),
}
STRANGE = ["x", "-" * 32, "a" * 200, "%00", "..", "%ff", "*", "é"]


@pytest.fixture
def app(env: dict[str, str], tmp_path: Path) -> Flask:
    return create_app({**env, "DATA_DIR": str(tmp_path)})


@pytest.fixture
def owner(app: Flask) -> FlaskClient:
    client = app.test_client()
    assert client.get("/").status_code == 200
    return client


@pytest.fixture
def stranger(app: Flask) -> FlaskClient:
    """A visitor with a task and an upload of its own."""
    client = app.test_client()
    assert client.post("/longtask").status_code == 202
    upload(client)
    return client


def upload(client: FlaskClient) -> str:
    file = (BytesIO(b"Email\nada@example.com\n"), "people.csv")
    response = client.post("/uploads", data={"file": file})
    assert response.status_code == 201, response.text
    return str(response.get_json()["upload_id"])


def expired(client: FlaskClient) -> str:
    upload_id = upload(client)
    assert client.delete(f"/uploads/{upload_id}", headers=TUS).status_code == 204
    return upload_id


def own_task(client: FlaskClient) -> str:
    return str(client.post("/longtask").get_json()["task_id"])


def test_each_route_that_takes_an_id_is_in_a_list(app: Flask):
    of_tasks = {(method, address.partition("?")[0]) for method, address, _ in OF_TASKS}

    with_ids = {rule for rule in rules(app) if "<" in rule[1]}

    assert with_ids <= of_tasks | OF_OTHERS | OF_EVERYBODY
    assert with_ids >= OF_OTHERS  # none has moved away unseen


@pytest.mark.parametrize(("method", "rule", "options"), OF_UPLOADS, ids=str)
def test_an_upload_that_is_not_yours_answers_as_one_that_is_not(
    owner: FlaskClient,
    stranger: FlaskClient,
    method: str,
    rule: str,
    options: dict[str, Any],
):
    foreign = upload(owner)
    ids = [foreign, "u" * 32, expired(owner), expired(stranger), foreign[:-1], *STRANGE]

    answers = {
        shown(stranger.open(rule.replace("<upload_id>", each), method=method, **options))
        for each in ids
    }

    assert [status for status, *_ in answers] == [404]
    assert owner.get(f"/uploads/{foreign}").status_code == 200


def test_a_start_with_anothers_upload_is_one_with_none(owner: FlaskClient, stranger: FlaskClient):
    ids = [upload(owner), "0" * 32, expired(owner), expired(stranger)]

    answers = {
        shown(stranger.post("/tasks", json={"name": "import_contacts", "args": {"source": each}}))
        for each in ids
    }

    assert [status for status, *_ in answers] == [422]


@pytest.mark.parametrize("headers", [JSON, BROWSER], ids=["program", "browser"])
@pytest.mark.parametrize("kind", ["files", "streams"])
def test_of_an_own_task_a_name_that_it_does_not_have_is_none(
    app: Flask, owner: FlaskClient, stranger: FlaskClient, headers: dict[str, str], kind: str
):
    foreign, own = own_task(owner), own_task(stranger)
    files = state_of(app).files
    assert files is not None
    claim(state_of(app).records, foreign)
    give(state_of(app).records, files, foreign, "report.csv", b"a,b\n")
    with owner.get(f"/tasks/{foreign}/files/report.csv") as there:
        assert there.status_code == 200
    names = ["report.csv", "answer", "x" * 100, *STRANGE]

    answers = {
        shown(stranger.get(f"/tasks/{own}/{kind}/{name}", headers=headers)) for name in names
    }

    assert [status for status, *_ in answers] == [404]


def test_of_an_own_task_anothers_question_and_link_are_none(
    owner: FlaskClient, stranger: FlaskClient
):
    foreign, own = own_task(owner), own_task(stranger)
    link = owner.post(f"/tasks/{foreign}/share").get_json()
    unknown = f"{link['token_id'].partition('-')[0]}-AAAAAAAA"

    questions = {
        shown(stranger.post(f"/tasks/{own}/answer", json={"question_id": each, "value": 1}))
        for each in ["unknown", str(uuid4()), *STRANGE]
    }
    links = {
        shown(stranger.delete(f"/tasks/{own}/share/{each}")) for each in (link["token_id"], unknown)
    }

    assert [status for status, *_ in questions] == [409]
    assert [status for status, *_ in links] == [204]
    assert owner.get(f"/status/{foreign}").status_code == 200
    held = stranger.get(f"/status/{foreign}", headers={"Authorization": f"Bearer {link['token']}"})
    assert held.status_code == 200  # nobody else's link was revoked


@pytest.mark.parametrize("headers", [JSON, BROWSER], ids=["program", "browser"])
@pytest.mark.parametrize("is_operator", [False, True])
def test_a_schedule_that_is_not_to_be_seen_is_none(
    app: Flask, stranger: FlaskClient, headers: dict[str, str], is_operator: bool
):
    now = int(time.time() * 1e6)
    state_of(app).records.schedules.see(
        "long_task", title="Nightly", rule="0 3 * * *", now=now, following=now + 3600_000_000
    )
    app.config["HEADWAY_VISIBLE"] = lambda: is_operator
    known = [] if is_operator else ["long_task"]

    answers = {
        shown(stranger.post(f"/schedules/{each}", data={"action": "pause"}, headers=headers))
        for each in [*known, "unknown", "send_mailing", *STRANGE]
    }

    assert [status for status, *_ in answers] == [404]


@pytest.mark.parametrize("headers", [JSON, BROWSER], ids=["program", "browser"])
def test_a_message_that_is_not_there_is_none(
    app: Flask, stranger: FlaskClient, headers: dict[str, str]
):
    folder = Path(app.config["MAIL_INBOX"])
    there = "1764000000.M1P1Q1.host"
    (folder / "new").mkdir(parents=True, exist_ok=True)
    (folder / "new" / there).write_text("Subject: Hello\n\nHello.\n")
    assert stranger.get(f"/inbox/{there}", headers=headers).status_code == 200
    (folder / "new" / there).unlink()
    ids = [there, "1764000000.M2P1Q1.host", "1", *STRANGE]

    answers = {shown(stranger.get(f"/inbox/{each}", headers=headers)) for each in ids}

    assert [status for status, *_ in answers] == [404]


def task_ids(app: Flask, client: FlaskClient) -> list[str]:
    """Return guesses of tasks: somebody else's, unknown and malformed, in random order."""
    return [
        *(own_task(client) for _ in range(20)),
        *(malformed(seed) for seed in range(GUESSES // 10)),
    ]


def upload_ids(app: Flask, client: FlaskClient) -> list[str]:
    return [*(upload(client) for _ in range(20)), *(f"{seed:032x}"[:-1] for seed in range(30))]


def schedules(app: Flask, client: FlaskClient) -> list[str]:
    return ["long_task", "send_mailing", "..", "%00"]


def messages(app: Flask, client: FlaskClient) -> list[str]:
    return ["1764000000.M1P1Q1", "..", "new"]


Guesses = Callable[[Flask, FlaskClient], list[str]]


@pytest.mark.parametrize(
    ("method", "path", "body", "guesses"),
    [
        ("GET", "/status/{}", b"", task_ids),
        ("GET", "/tasks/{}", b"", task_ids),
        ("GET", "/tasks/{}/log", b"", task_ids),
        ("GET", "/tasks/{}/result", b"", task_ids),
        ("GET", "/tasks/{}/parts", b"", task_ids),
        ("GET", "/tasks/{}/streams/answer", b"", task_ids),
        ("GET", "/tasks/{}/files", b"", task_ids),
        ("GET", "/tasks/{}/files/report.csv", b"", task_ids),
        ("POST", "/tasks/{}/answer", b'{"question_id": "q", "value": 1}', task_ids),
        ("POST", "/tasks/{}/cancel", b"", task_ids),
        ("POST", "/tasks/{}/share", b"", task_ids),
        ("GET", "/uploads/{}", b"", upload_ids),
        ("POST", "/schedules/{}", b'{"action": "pause"}', schedules),
        ("GET", "/inbox/{}", b"", messages),
    ],
)
def test_guesses_are_answered_alike_and_then_refused(
    env: dict[str, str],
    app: Flask,
    owner: FlaskClient,
    method: str,
    path: str,
    body: bytes,
    guesses: Guesses,
):
    limits = ("READS_LIMIT", "CHANGES_LIMIT", "SHARES_LIMIT")
    guessed = create_app(
        {
            **env,
            "DATA_DIR": app.config["DATA_DIR"],
            "RATE_LIMITS": "on",
            "ADDRESS_FACTOR": "1",
            **dict.fromkeys(limits, f"{GUESSES}/hour"),
        }
    )
    ids = guesses(app, owner)
    ids += [uuid4().hex if "uploads" in path else str(uuid4()) for _ in range(GUESSES - len(ids))]
    random.Random(1).shuffle(ids)

    def answer(guess: str) -> tuple[str, str, bytes]:
        # Without Flask's client, which takes longer than the app.
        environ = EnvironBuilder(
            path.format(guess),
            method=method,
            data=body or None,
            content_type="application/json" if body else None,
            environ_base={"REMOTE_ADDR": "192.0.2.9"},
        ).get_environ()
        answered, status, headers = run_wsgi_app(guessed.wsgi_app, environ)
        return status, str(headers), b"".join(answered)

    answers = {answer(guess) for guess in ids}
    after = [answer(guess) for guess in ids[:3]]

    assert [status for status, *_ in answers] == ["404 NOT FOUND"]
    assert {status for status, *_ in after} == {"429 TOO MANY REQUESTS"}
    assert all("Retry-After" in headers for _, headers, _ in after)
    assert all(re.search(rb"Try again in \d+ minutes", body) for *_, body in after)


def test_no_event_of_a_websocket_stands_in_no_list(app: Flask):
    """A new one has to be tried with ids that are not its client's, below, and then named here."""
    handlers = state_of(app).manager.server.handlers["/"]

    assert set(handlers) == {"watch", "unwatch", "watch_mine"}


def test_who_guesses_over_a_websocket_gets_no_foreign_event(served: Served):
    owner, stranger = (Visitor(served.address).connect() for _ in range(2))
    foreign = [owner.start() for _ in range(20)]
    own = stranger.start()
    guesses = [*foreign, *(malformed(n) for n in range(30)), *(str(uuid4()) for _ in range(250))]
    random.Random(1).shuffle(guesses)

    for at in range(0, len(guesses), 100):
        batch = guesses[at : at + 100]
        answer = stranger.call("watch", {"task_ids": batch, "after": dict.fromkeys(batch, 0)})
        assert (answer["snapshots"], answer["logs"], answer["streams"]) == ([], {}, {})
        assert sorted(answer["missing"]) == sorted(batch)
    stranger.call("watch_mine", {})
    owner.call("watch", {"task_ids": foreign})
    for task_id in foreign:
        owner.http.post(f"{served.address}/tasks/{task_id}/cancel", timeout=10).raise_for_status()
    for task_id in foreign:
        owner.wait_for_end(task_id)
    # What was pushed of these came before this, through the same process.
    stranger.http.post(f"{served.address}/tasks/{own}/cancel", timeout=10).raise_for_status()
    stranger.wait_for_end(own)

    assert {each["task_id"] for each in stranger.snapshots} == {own}
    assert stranger.logs == []
    assert stranger.others == []
    wait_for(lambda: owner.pushed(foreign[0]))
