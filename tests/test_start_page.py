"""The pages that start tasks: forms made from signatures, checked as `POST /tasks` checks."""

from __future__ import annotations

import io
import json
import re
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from headway.exceptions import ConfigError, UploadExpired
from headway.registry import TASK_TYPES, BadArguments, task
from headway.store.records import Records
from headway.tokens import token
from headway.web.pages.start_page import NO_START, PAST
from tests import documents

SECRET = "a secret for the tests"
HTML = {"Accept": "text/html"}
ELSEWHERE = HTML | {"Sec-Fetch-Site": "cross-site"}


@pytest.fixture(scope="module", autouse=True)
def report() -> None:
    def check_month(month: str, **_: Any) -> None:
        if month == "Smarch":
            raise BadArguments({"month": "There is no such month."})

    @task("Report for {month}", check=check_month)
    def quarterly_report(month: str, rows: int = 100, loud: bool = False, **options: int):
        """Write the quarterly report.

        Args:
            month: The month's name.
            rows: At most so many.
        """

    @task("Due")
    def due_day(day: date) -> str:
        return type(day).__name__


def shown(client: FlaskClient, address: str = "/start/quarterly_report") -> str:
    answer = client.get(address, headers=HTML)
    assert answer.status_code == 200, answer.text
    return answer.text


def key_in(page: str) -> str:
    found = re.search(r'name="idempotency_key" value="([^"]+)"', page)
    assert found
    return found[1]


def send(client: FlaskClient, headers: dict[str, str] = HTML, **form: str) -> Any:
    own = ("start_at", "idempotency_key")
    data = {name if name in own else f"args.{name}": text for name, text in form.items()}
    data["cookie"] = "required"
    return client.post("/start/quarterly_report", data=data, headers=headers)


def control(page: str, name: str) -> str:
    found = re.search(rf'<(?:input|select|textarea)[^>]* name="{re.escape(name)}"[^>]*>', page)
    assert found, page
    return found[0]


def sent(records: Records) -> Any:
    [message] = records.client.lrange("celery", 0, -1)
    return json.loads(b64decode(json.loads(message)["body"]))[:2]


def test_a_check_of_ones_own_is_told_at_its_field(client: FlaskClient):
    client.get("/")
    page = send(client, month="Smarch", rows="7")

    assert page.status_code == 400
    assert "There is no such month." in page.text
    assert 'value="Smarch"' in control(page.text, "args.month")
    assert 'value="7"' in control(page.text, "args.rows")
    told = client.post("/tasks", json={"name": "quarterly_report", "args": {"month": "Smarch"}})
    assert (told.status_code, told.json["error"]["fields"]) == (
        400,
        {"month": "There is no such month."},
    )
    assert send(client, month="March").status_code == 303


def test_the_documents_check_looks_into_the_file(client: FlaskClient):
    def start(text: str) -> Any:
        file = (io.BytesIO(b"email\na@b.org\n"), "people.csv")
        upload = client.post("/uploads", data={"file": file}).json["upload_id"]
        args = {"people": upload, "text": text}
        return client.post("/tasks", json={"name": "write_letters", "args": args})

    with documents.module_of("docs/forms.md", "letters.py"):
        refused = start("Dear {town}")
        accepted = start("Dear")

    assert refused.json["error"]["fields"] == {"text": "There are only: email."}
    assert accepted.status_code == 202


@pytest.mark.parametrize(
    "error", [OSError("away"), UploadExpired("not in this folder"), ConfigError("no folder")]
)
def test_a_check_that_cannot_read_here_is_left_to_the_task(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    def unreadable(**_: Any) -> None:
        raise error

    kind = replace(TASK_TYPES["quarterly_report"], check=unreadable)
    monkeypatch.setitem(TASK_TYPES, kind.name, kind)

    answer = client.post("/tasks", json={"name": kind.name, "args": {"month": "May"}})

    assert answer.status_code == 202


def test_the_index_names_each_task_with_its_summary(client: FlaskClient):
    page = shown(client, "/start")

    assert 'href="/start/quarterly_report">Report</a>' in page
    assert "<span>Write the quarterly report.</span>" in page
    assert 'href="/start/long_task">Long task</a>' in page
    assert 'href="/start"' in shown(client, "/")


def test_the_index_is_in_the_order_in_which_one_reads_it(client: FlaskClient):
    page = shown(client, "/start")

    headings = re.findall(r'<li><a href="[^"]*">([^<]+)</a>', page)
    assert headings == sorted(headings, key=str.casefold)
    assert {"E-mail", "Mailing", "Report", "Import contacts"} <= set(headings)


def test_an_example_is_shown_and_can_be_downloaded(client: FlaskClient):
    page = shown(client, "/start/send_mailing")

    example = page.partition('<details class="example">')[2].partition("</details>")[0]
    assert "Name,Email,City\nAda,ada@example.com" in example
    assert 'href="data:text/plain;charset=utf-8,Name%2CEmail%2CCity%0AAda' in example
    assert 'download="people.csv"' in example


def test_a_form_has_labels_defaults_and_help(client: FlaskClient):
    page = shown(client)

    assert '<label for="args.month">Month</label>' in page
    assert 'id="args.month-help">The month&#39;s name.</p>' in page
    assert 'aria-describedby=" args.month-help"' in control(page, "args.month")
    assert " required" in control(page, "args.month")
    assert 'value="100"' in control(page, "args.rows")
    assert "checked" not in control(page, "args.loud")


def test_a_form_starts_a_task_and_leads_to_its_page(client: FlaskClient, records: Records):
    shown(client)

    answer = send(client, month="May", rows=" 12 ", loud="on", options='{"depth": 3}')

    assert answer.status_code == 303
    assert client.get(answer.location, headers=HTML).status_code == 200
    assert sent(records) == [[], {"month": "May", "rows": 12, "loud": True, "depth": 3}]


def test_a_task_gets_its_types_from_its_message(app: Flask, client: FlaskClient, records: Records):
    shown(client)

    client.post("/start/due_day", data={"args.day": "2026-11-29"}, headers=HTML)

    args, kwargs = sent(records)
    assert kwargs == {"day": "2026-11-29"}
    assert app.extensions["headway"].celery.tasks["due_day"].run(*args, **kwargs) == "date"


def test_what_is_wrong_stands_at_its_field_and_nothing_is_lost(
    client: FlaskClient, records: Records
):
    shown(client)

    answer = send(client, month="", rows="<many>", loud="on", start_at="soon")

    assert answer.status_code == 400
    assert "3 fields are not right" in answer.text
    month, rows = control(answer.text, "args.month"), control(answer.text, "args.rows")
    assert 'aria-describedby="args.month-error args.month-help"' in month
    assert "autofocus" in month
    assert 'aria-invalid="true"' in rows
    assert "autofocus" not in rows
    assert 'value="&lt;many&gt;"' in rows
    assert "Must be a whole number." in answer.text
    assert "checked" in control(answer.text, "args.loud")
    assert 'value="soon"' in control(answer.text, "start_at")
    assert "Must be a date and a time of day in UTC" in answer.text
    assert records.client.llen("celery") == 0


def test_a_form_says_what_a_json_start_says(client: FlaskClient):
    shown(client)

    by_form = send(client, {"Accept": "application/json"}, rows="many")
    by_json = client.post("/tasks", json={"name": "quarterly_report", "args": {"rows": "many"}})

    assert by_form.status_code == by_json.status_code == 400
    assert by_form.json == by_json.json
    assert by_json.json["error"]["fields"].keys() == {"month", "rows"}


def test_a_form_that_is_sent_twice_starts_one_task(client: FlaskClient, records: Records):
    key = key_in(shown(client))

    once = send(client, month="May", idempotency_key=key)
    twice = send(client, month="May", idempotency_key=key)
    other = send(client, month="June", idempotency_key=key)

    assert once.location == twice.location
    assert other.status_code == 422
    assert "has started a task already" in other.text
    assert 'value="June"' in control(other.text, "args.month")
    assert key_in(other.text) != key
    assert records.client.llen("celery") == 1


def test_a_wrong_form_keeps_its_key(client: FlaskClient):
    key = key_in(shown(client))

    assert key_in(send(client, month="", idempotency_key=key).text) == key


@pytest.mark.parametrize(("zone", "hours"), [("", 0), ("Z", 0), ("+02:00", 2), ("-05:00", -5)])
def test_a_task_can_start_later(client: FlaskClient, zone: str, hours: int):
    shown(client)
    due = datetime.now(UTC).replace(minute=0) + timedelta(days=30)
    typed = due + timedelta(hours=hours)

    answer = send(client, month="May", start_at=f"{typed:%Y-%m-%dT%H:%M}{zone}")

    task_id = answer.location.rpartition("/")[2]
    scheduled_for = client.get(f"/status/{task_id}").json["scheduled_for"]
    assert scheduled_for == f"{due:%Y-%m-%dT%H:%M}:00.000Z"


@pytest.mark.parametrize("text", ["2026-11-29", "14:30", "tomorrow"])
def test_a_start_at_no_time_says_what_is_expected(client: FlaskClient, text: str):
    shown(client)

    answer = send(client, month="May", start_at=text, headers={"Accept": "application/json"})

    assert answer.status_code == 400
    assert answer.json["error"]["fields"] == {"start_at": NO_START}


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_a_start_at_a_time_that_has_passed_is_refused(
    client: FlaskClient, records: Records, accept: str
):
    shown(client)

    answer = send(client, month="May", start_at="2000-01-01T00:00", headers={"Accept": accept})

    assert PAST in answer.text
    assert answer.status_code == 400
    assert records.client.llen("celery") == 0


def test_a_start_in_this_minute_is_at_once(client: FlaskClient):
    shown(client)
    now = datetime.now(UTC)

    answer = send(client, month="May", start_at=f"{now:%Y-%m-%dT%H:%M}")

    assert answer.status_code == 303


def test_a_task_starts_within_a_year(client: FlaskClient):
    shown(client)

    answer = send(client, month="May", start_at="2099-01-01T08:00")

    assert "Must be within a year." in answer.text
    assert 'aria-invalid="true"' in control(answer.text, "start_at")


def test_what_is_no_form_of_yours_is_refused(client: FlaskClient, records: Records):
    assert client.get("/start/nothing", headers=HTML).status_code == 404
    assert client.post("/start/nothing", headers=HTML).status_code == 404
    assert "did not send the cookie" in send(client, month="May").text
    assert 'name="cookie" value="required"' in shown(client)  # so each form says that it needs one
    elsewhere = send(client, ELSEWHERE, month="May")
    assert (elsewhere.status_code, "another site" in elsewhere.text) == (403, True)
    assert records.client.llen("celery") == 0


def test_without_redis_the_form_stays_filled(app: Flask, client: FlaskClient, monkeypatch):
    from headway.store.errors import Reason, RedisUnavailable

    def unavailable(*_: Any, **__: Any) -> None:
        raise RedisUnavailable("away", Reason.UNREACHABLE)

    shown(client)
    monkeypatch.setattr("headway.web.pages.start_page.start", unavailable)

    answer = send(client, month="May")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert 'value="May"' in control(answer.text, "args.month")


def test_an_earlier_task_fills_the_form_for_its_owner_alone(app: Flask, client: FlaskClient):
    shown(client)
    started = send(client, month="May", rows="7", loud="on", options='{"depth": 3}')
    task_id = started.location.rpartition("/")[2]
    link = f"/start/quarterly_report?from={task_id}"

    page = shown(client, link)

    assert link in client.get(started.location, headers=HTML).text
    assert 'value="May"' in control(page, "args.month")
    assert 'value="7"' in control(page, "args.rows")
    assert "checked" in control(page, "args.loud")
    assert "{&#34;depth&#34;: 3}" in page
    assert client.get(f"/start/long_task?from={task_id}", headers=HTML).status_code == 409
    assert app.test_client().get(link, headers=HTML).status_code == 404


def test_a_retry_may_have_other_arguments_but_not_by_a_token(
    app: Flask, client: FlaskClient, records: Records
):
    shown(client)
    task_id = send(client, month="May", rows="7").location.rpartition("/")[2]
    records.cancel(task_id)
    address = f"/tasks/{task_id}/retry"
    may_change = {"Authorization": f"Bearer {token(task_id, read_only=False, secret_key=SECRET)}"}

    changed = client.post(address, json={"args": {"month": "June"}})
    wrong = client.post(address, json={"args": {"month": 6}})
    no_object = client.post(address, json={"args": 6})
    by_token = app.test_client().post(address, json={"args": {"month": "July"}}, headers=may_change)

    message, title = records.outbox.message(changed.json["task_id"])
    assert title == "Report for June"
    assert message["kwargs"] == {"month": "June", "rows": 100, "loud": False}
    assert (wrong.status_code, wrong.json["error"]["fields"]) == (400, {"month": "Must be text."})
    assert no_object.status_code == 400
    assert by_token.status_code == 404


def test_a_secret_among_the_arguments_is_not_shown(client: FlaskClient):
    shown(client)
    started = send(client, month="redis://ada:lovelace@host/0")

    page = shown(client, f"/start/quarterly_report?from={started.location.rpartition('/')[2]}")

    assert "lovelace" not in page
    assert "holds a secret: Month" in page


def test_nobody_starts_what_nobody_would_see(app: Flask, client: FlaskClient):
    app.config["HEADWAY_OWNER_LOADER"] = lambda: None

    answer = client.get("/start/quarterly_report", headers=HTML)

    assert answer.status_code == 403
    assert "Sign in first" in answer.text


def test_a_task_with_its_own_check_has_the_form_that_it_names(client: FlaskClient):
    page = shown(client, "/start/send_async_email")

    assert 'type="email"' in control(page, "args.email")
    refused = client.post(
        "/start/send_async_email", data={"args.email": "ada, bob@example.com"}, headers=HTML
    )
    assert "Enter one email address, not several." in refused.text


def test_what_a_check_says_of_no_field_is_said_too(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
):
    def check(_: Any) -> dict[str, Any]:
        raise BadArguments({"quota": "Is used up."})

    kind = replace(TASK_TYPES["quarterly_report"], validate=check)
    monkeypatch.setitem(TASK_TYPES, "quarterly_report", kind)
    shown(client)

    assert "quota: Is used up." in send(client, month="May").text
