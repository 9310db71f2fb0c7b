"""One at a time: of the tasks with one unique text an owner has one open, whoever starts it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.cli import ScriptInfo
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from headway.arguments.signatures import BadArguments, signature_of
from headway.cli.groups import flask_headway
from headway.registry import task
from headway.snapshot import Phase
from headway.store.model import Outcome, StartResult
from headway.store.records import Records
from headway.turns import Turn
from headway.unique import unique_by
from tests.by_hand import claim, shown, write
from tests.by_records import MESSAGE


@pytest.fixture(scope="module", autouse=True)
def invoices() -> None:
    @task("Invoices of {customer_id}", unique="{customer_id}")
    def bill(customer_id: int, month: str = "May"): ...


@pytest.fixture
def ada(app: Flask) -> FlaskClient:
    return visitor(app)


def visitor(app: Flask) -> FlaskClient:
    client = app.test_client()
    client.get("/")  # its cookie makes the owner
    return client


def post(client: FlaskClient, customer: int = 1, key: str = "", **args: Any) -> TestResponse:
    body = {"name": "bill", "args": {"customer_id": customer, **args}, "countdown": 60}
    return client.post("/tasks", json=body, headers={"Idempotency-Key": key} if key else {})


def id_in(answer: TestResponse) -> str:
    assert answer.status_code == 202, answer.text
    return str(answer.json["task_id"])  # type: ignore[index]


def create(records: Records, unique: str = "one", **options: Any) -> StartResult:
    about = {"owner": "ada", "message": MESSAGE, "title": "Long task", "max_attempts": 4}
    return records.starts.create(turn=Turn(unique=unique), **about | options)


# At each endpoint


def test_a_second_start_shows_the_open_task(ada: FlaskClient, records: Records):
    first = post(ada)
    again = post(ada, month="June")

    assert id_in(again) == id_in(first)
    assert again.json["title"] == "Invoices of 1"  # type: ignore[index]
    assert again.headers["Location"] == f"/status/{id_in(first)}"
    assert ("Headway-Existing" in first.headers, again.headers["Headway-Existing"]) == (
        False,
        "true",
    )
    assert records.client.zcard("headway:outbox") == 1  # one message
    assert len(ada.get("/tasks").json["tasks"]) == 1


def test_other_texts_and_other_owners_have_their_own(app: Flask, ada: FlaskClient):
    answers = [post(ada), post(ada, 2), post(visitor(app))]

    assert len({id_in(answer) for answer in answers}) == 3
    assert not any("Headway-Existing" in answer.headers for answer in answers)


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED])
def test_it_is_over_with_the_task(ada: FlaskClient, records: Records, phase: Phase):
    first = id_in(post(ada))
    claim(records, first)
    assert id_in(post(ada)) == first  # while it runs
    write(records, first, 1000, phase)

    assert id_in(post(ada)) != first


def test_a_retry_shows_it_too_and_of_several_it_is_refused(ada: FlaskClient, records: Records):
    ended = id_in(post(ada))
    records.cancel(ended)
    open_id = id_in(post(ada))

    again = ada.post(f"/tasks/{ended}/retry")
    changed = ada.post(f"/tasks/{ended}/retry", json={"args": {"customer_id": 1}})
    several = ada.post("/tasks/batch", json={"action": "retry", "task_ids": [ended]})
    page = ada.post(f"/tasks/{ended}", data={"action": "again"})

    assert [id_in(again), id_in(changed)] == [open_id, open_id]
    assert again.headers["Headway-Existing"] == "true"
    assert [one["code"] for one in several.json["refused"]] == ["open_already"]  # type: ignore[index]
    assert page.headers["Location"] == f"/tasks/{open_id}"


def test_a_form_leads_to_it(ada: FlaskClient):
    open_id = id_in(post(ada))

    sent = ada.post("/start/bill", data={"args.customer_id": "1"})
    asked = ada.post(
        "/start/bill",
        data={"args.customer_id": "1"},
        headers={"Accept": "application/json"},
    )

    assert (sent.status_code, sent.headers["Location"]) == (303, f"/tasks/{open_id}")
    assert (id_in(asked), asked.headers["Headway-Existing"]) == (open_id, "true")


def test_the_terminal_prints_its_id(app: Flask):
    def start() -> Result:
        words = ["start", "bill", "customer_id=1"]
        info = ScriptInfo(create_app=lambda: app)
        return CliRunner().invoke(flask_headway, words, obj=info, catch_exceptions=False)

    first, again = start(), start()

    assert (again.stdout, again.exit_code) == (first.stdout, 0)
    assert (first.stderr, "is open already" in again.stderr) == ("", True)


def test_an_idempotency_key_stays_with_the_task_that_it_was_shown(
    ada: FlaskClient, records: Records
):
    first = id_in(post(ada))
    shown_first = post(ada, key="k")
    records.cancel(first)

    replayed = post(ada, key="k")

    assert id_in(shown_first) == id_in(replayed) == first
    assert replayed.headers["Idempotency-Replayed"] == "true"


def test_a_task_that_one_may_not_see_is_not_shown(app: Flask):
    app.config["HEADWAY_OWNER_LOADER"] = lambda: None
    client = app.test_client()
    assert post(client).status_code == 202

    refused = post(client)

    assert (refused.status_code, refused.json["error"]["code"]) == (409, "open_already")  # type: ignore[index]


def test_arguments_that_do_not_fit_the_text_are_named(app: Flask):
    unique = unique_by("{customer[id]:>5}", signature_of(lambda customer: None, {}))

    with pytest.raises(BadArguments, match=r"customer: Does not fit {customer\[id]}"):
        unique.digest("x", [], {"customer": {"name": "Ada"}})
    with pytest.raises(BadArguments, match="customer: Is missing"):
        unique.digest("x", [], {})


# The text


def a_task(customer: dict, day: date = date(2026, 1, 1), *rest: int, other=object(), **more): ...  # noqa: B008


@pytest.mark.parametrize(
    "text", ["{nobody}", "{", "{}", "{0}", "{rest}", "{other}", "{more}", "{day:{customer}}"]
)
def test_what_the_arguments_do_not_fill_is_refused_as_the_task_is_made(text: str):
    with pytest.raises(TypeError, match="unique="):
        task("A task", unique=text)(a_task)


def digest(text: str, *args: Any, **kwargs: Any) -> str:
    return unique_by(text, signature_of(a_task, globals())).digest("a_task", args, kwargs)


def test_it_is_one_text_however_the_arguments_are_given():
    assert digest("{day}", {}) == digest("{day}", customer={}, day="2026-01-01")
    assert digest("{day}", {}, date(2026, 1, 1)) == digest("{day}", {}, "2026-01-01")
    assert digest("{day:.7}", {}, "2026-01-31") == digest("{day:.7}", {})
    assert digest("{customer}", {"a": 1, "b": 2}) == digest("{customer}", {"b": 2, "a": 1})
    assert digest("all", {}) == digest("all", {"a": 1})


def test_texts_that_only_look_alike_are_two():
    one = {"a": "x-y", "b": "z"}
    other = {"a": "x", "b": "y-z"}

    assert digest("{customer[a]}-{customer[b]}", one) != digest(
        "{customer[a]}-{customer[b]}", other
    )


# The record


def test_of_many_starts_at_once_one_makes_a_task(records: Records):
    with ThreadPoolExecutor(32) as pool:
        found = [*pool.map(lambda _: create(records), range(200))]

    assert len({each.task_id for each in found}) == 1
    assert sorted(each.outcome for each in found)[:1] == [Outcome.CREATED]
    assert sum(each.outcome == Outcome.EXISTING for each in found) == 199


def test_what_is_gone_keeps_nobody_out(records: Records):
    first = create(records).task_id
    records.client.delete(f"headway:task:{first}")  # as if it had expired
    second = create(records)
    records.forget(second.task_id)
    third = create(records)
    records.cancel(third.task_id)
    records.forget_ended(third.task_id)

    assert {second.outcome, third.outcome, create(records).outcome} == {Outcome.CREATED}


def test_a_key_that_is_left_behind_keeps_nobody_out(records: Records):
    first = create(records).task_id
    [key] = records.client.keys("headway:unique:*")
    records.cancel(first)
    records.client.set(key, first)

    assert create(records).outcome == Outcome.CREATED


def test_a_task_that_is_lost_and_requeued_is_open(records: Records):
    first = create(records).task_id
    claim(records, first)
    records.client.zadd("headway:leases", {first: 1})
    records.client.set("headway:last_sweep", records.clock.now())
    records.maintenance.sweep("leader")

    assert shown(records, first).phase == Phase.QUEUED  # type: ignore[union-attr]
    assert create(records).task_id == first


def test_the_key_is_kept_as_long_as_its_task_is_open_and_no_longer(records: Records):
    first = create(records, when="+60000000").task_id
    [key] = records.client.keys("headway:unique:*")
    assert records.client.pttl(key) >= records.client.pttl(f"headway:task:{first}")
    records.reschedule(first, f"+{100 * 86_400_000_000}")
    assert records.client.pttl(key) >= records.client.pttl(f"headway:task:{first}")

    records.cancel(first)

    assert records.client.keys("headway:unique:*") == []


def test_an_end_leaves_the_key_of_a_newer_task(records: Records):
    first = create(records).task_id
    [key] = records.client.keys("headway:unique:*")
    records.client.set(key, "newer")

    records.cancel(first)

    assert records.client.get(key) == "newer"
