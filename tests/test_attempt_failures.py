"""Each failed attempt's traceback and environment: what is kept, and who sees it."""

from __future__ import annotations

import pytest
from celery.app.task import Context
from flask.testing import FlaskClient

from headway.celery.storing.writes import MAX_TRACEBACK_CHARS, attempt_failure
from headway.snapshot import Phase
from headway.store.model import Delivery, StateWrite
from headway.store.records import Records
from headway.tokens import token
from tests import plain_celery as plain

HTML = {"Accept": "text/html"}
ERROR = {"type": "ValueError", "message": "no such column"}
MESSAGE = {"task": "long_task", "args": [], "kwargs": {}, "options": {"queue": "celery"}}


def attempt(records: Records, task_id: str, number: int, phase: Phase) -> None:
    here = Delivery(f"token-{number}", 10 * number)
    claimed = records.runs.claim(
        task_id, here, f"run-{number}", message=MESSAGE, max_attempts=99, hostname="w@host"
    )
    assert claimed == "claimed"
    failure = {"traceback": f"line {number} in <body>", "environment": f"w@host-{number}"}
    fields = {"error": ERROR, "status": "", "traceback": failure}
    assert records.runs.write(
        StateWrite(task_id, here, phase, fields, "{}", "long_task", 99, write_id=str(number))
    )


@pytest.fixture
def task_id(client: FlaskClient) -> str:
    started = client.post("/tasks", json={"name": "long_task", "countdown": 3600})
    return str(started.json["task_id"])


def test_the_owner_sees_where_each_attempt_failed_and_on_what(
    client: FlaskClient, app, records: Records, task_id: str
):
    attempt(records, task_id, 1, Phase.RETRYING)
    attempt(records, task_id, 2, Phase.FAILED)

    page = client.get(f"/tasks/{task_id}", headers=HTML).text
    link = f"/tasks/{task_id}?token={token(task_id, secret_key=app.config['SECRET_KEY'])}"
    shared = app.test_client().get(link, headers=HTML)

    for words in ("line 1 in &lt;body&gt;", "w@host-1", "line 2 in &lt;body&gt;", "w@host-2"):
        assert words in page
        assert words not in shared.text
    assert shared.status_code == 200
    assert "line 1" not in client.get(f"/status/{task_id}").text


def test_the_newest_ten_are_kept(records: Records, task_id: str):
    for number in range(1, 14):
        attempt(records, task_id, number, Phase.RETRYING)

    kept = [name for name in records.client.hkeys(records.keys.record(task_id)) if ":" in name]
    failures = records.history.details(task_id).failures

    assert sorted(failures) == list(range(4, 14))
    assert len(kept) == 10


def test_what_is_kept_is_masked_and_limited():
    link = "redis://user:hunter2@host/0"
    long = "x" * MAX_TRACEBACK_CHARS + f"ConnectionError: {link}"

    failure = attempt_failure(long, Context(hostname="w@host"))

    assert failure is not None
    assert len(failure["traceback"]) == MAX_TRACEBACK_CHARS
    assert failure["traceback"].startswith("x")
    assert failure["traceback"].endswith("@host/0")
    assert "hunter2" not in failure["traceback"]
    assert failure["environment"].startswith("w@host · Celery 5")
    assert attempt_failure(None, None) is None


def test_a_worker_keeps_it(records: Records, redis_url: str):
    plain.use(redis_url)
    request = Context(id="fails", task="tests.plain_celery.add", hostname="w@host")

    plain.celery.backend.store_result(
        "fails", ValueError("no"), "FAILURE", traceback="line 7", request=request
    )

    [failure] = records.history.details("fails").failures.values()
    assert (failure["traceback"], failure["environment"][:8]) == ("line 7", "w@host ·")
