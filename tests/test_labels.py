"""Labels: words of a task's own, for an at-most-once effect that is no email: a payment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask, render_template_string

import headway
from app import create_app
from headway.cli import drawing
from headway.display import action_words, words
from headway.display.labels import LABELS, labels_of
from headway.registry import TASK_TYPES
from headway.snapshot import Phase, Snapshot
from tests.documents import module_of
from tests.processes import Valkey

CARD = '{% include "task.html" %}'
DUE = "2026-11-22T08:00:43.400Z"


@pytest.fixture(scope="module")
def pay() -> Iterator[None]:
    """A task of another kind than the application's: the one of the documents."""
    with module_of("docs/pages.md", "payment.py"):
        yield


def payment(phase: str, **state: object) -> Snapshot:
    keys = {
        "task_id": "a",
        "name": "pay",
        "title": "Payment of 12 €",
        "state": "PENDING",
        "current": 0,
        "total": 1,
        "status": "",
        "step": None,
        "result_size": None,
        "error": None,
        "attempt": 1,
        "max_attempts": 4,
        "version": 1,
        "queue_position": None,
        "queue": None,
        "created_at": "2026-11-22T08:00:00.000Z",
        "scheduled_for": None,
        "started_at": "2026-11-22T08:00:01.000Z",
        "updated_at": "2026-11-22T08:00:01.400Z",
        "finished_at": None,
        "streams": {},
        "question": None,
        "failures": 0,
        "resume": None,
        "files": None,
        "parent_id": None,
        "parts": None,
    }
    return Snapshot(**{**keys, "phase": Phase(phase), **state})


FAILED = payment("failed", error={"type": "OutcomeUnknown", "message": "timed out"})
WAITING = payment(
    "retrying", attempt=3, error={"type": "BankClosed", "message": "closed"}, scheduled_for=DUE
)
CHARGED = payment("succeeded", state="SUCCESS", result={"receipt": 1234})


@pytest.mark.usefixtures("pay")
def test_a_terminal_says_the_labels():
    scheduled = payment("scheduled", scheduled_for=DUE)

    assert drawing.details(scheduled) == f"charges at {DUE}"
    assert drawing.details(CHARGED) == 'Charged: {"receipt":1234}'
    assert drawing.details(FAILED) == "OutcomeUnknown: The card may have been charged already."
    assert drawing.details(WAITING) == f"Waiting for the bank at {DUE}: BankClosed: closed"


def test_a_page_offers_a_labelled_retry_before_its_script_runs():
    error = {"type": "OutcomeUnknown", "message": "timed out"}
    lost = vars(payment("failed", name="send_async_email", error=error))
    refused = vars(
        payment("failed", name="send_async_email", error={**error, "type": "MailRefused"})
    )

    offered = [
        action_words.offered(one, labels_of("send_async_email"))["again"] for one in (lost, refused)
    ]

    assert offered == ["Send again", "Retry"]


@pytest.mark.usefixtures("pay")
def test_a_page_says_the_labels_before_its_script_runs():
    labels = labels_of("pay")

    scheduled = words.read(vars(payment("scheduled", scheduled_for=DUE)), labels)
    charged = words.read(vars(CHARGED), labels)
    waiting = words.read(vars(WAITING), labels)

    assert scheduled.text == "charges at 22 Nov 2026 08:00:43 UTC"
    assert (charged.headline, charged.numbers) == ("Charged", "in 0.4\u202fs")
    assert words.read(vars(FAILED), labels).text == "The card may have been charged already."
    assert waiting.headline == "Waiting for the bank:"
    assert waiting.numbers == "next attempt at 22 Nov 2026 08:00:43 UTC"
    assert words.headline(vars(payment("failed", attempt=3, error=WAITING.error)), labels) == (
        "Failed"
    )


def test_a_page_says_where_a_task_is_paused_whose_next_run_has_said_nothing_yet():
    bar = {"current": 0, "total": 1, "resume": {"percent": 29}}
    paused = payment("cancelled", state="REVOKED", **bar)

    assert words.headline(vars(paused), {"pauses": True}) == "Paused at 29\u202f%"


def test_what_several_attempts_took_is_not_said_by_the_last_alone():
    paid = vars(payment("succeeded", state="SUCCESS", attempt=3))

    assert words.read(paid, {}).headline == "Done"
    said = words.read(paid, {"succeeded": "Charged"})
    assert (said.headline, said.numbers) == ("Charged", "1.4\u202fs from request to end")


def test_without_labels_the_words_are_of_no_application():
    said = words.read(vars(FAILED), {}).text

    assert said == "It may have been done already. If you run it again, it may be done twice."
    assert words.read(vars(CHARGED), {}).headline == "Done in 0.4\u202fs"
    assert drawing.details(replace(CHARGED, name="another")) == '{"receipt":1234}'


@pytest.fixture(scope="module")
def app(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    data = tmp_path_factory.mktemp("data")
    settings = {"REDIS_URL": valkey.url, "DATA_DIR": str(data), "SECRET_KEY": "of the tests"}
    return create_app(settings)


@pytest.mark.usefixtures("pay")
def test_the_api_carries_the_labels_to_every_page(app: Flask):
    @headway.task("Unlabelled")
    def unlabelled() -> None: ...

    labels_of_pay = labels_of("pay")
    try:
        carried = app.test_client().get("/tasks").json["server"]["labels"]
        event = app.extensions["headway"].manager.status.event().text
    finally:
        del LABELS["unlabelled"], TASK_TYPES["unlabelled"]

    assert carried["pay"]["waiting"] == {"BankClosed": "Waiting for the bank"}
    assert carried["pay"] == labels_of_pay
    assert "unlabelled" not in carried
    assert json.loads(event.removeprefix(b"2"))[1]["labels"] == carried


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ({"suceeded": "Charged"}, "there is no 'suceeded'"),
        ({"succeeded": 1}, "succeeded must be text"),
        ({"errors": "No."}, "errors must be a dict of text by text"),
        ({"texts": "outcome"}, "texts must be a list of text"),
        ({"result": {"receipt": None}}, "result must be a dict of text by text"),
    ],
)
def test_a_label_that_does_not_exist_is_refused_at_registration(labels: dict, why: str):
    with pytest.raises(TypeError, match=why):

        @headway.task("Payment", labels=labels)
        def refused() -> None: ...

    assert "refused" not in TASK_TYPES


BARE = {"task_id": "a"}


@pytest.mark.parametrize(
    "task",
    [
        BARE,
        *({**BARE, "phase": phase} for phase in Phase),
        {**vars(payment("running")), "phase": "hibernating", "status": "until spring"},
        {**BARE, "phase": "failed", "error": {}},
        {**BARE, "step": {"name": "rows"}},
        {**BARE, "state": "PENDING", "current": None, "total": None},
    ],
)
def test_a_record_of_another_version_says_what_it_can(app: Flask, task: dict):
    with app.test_request_context():
        card = render_template_string(CARD, task=task)

    assert 'task-id="a"' in card
    assert not {word for word in ("None", "Undefined", "{") if word in card}
    if task.get("phase") == "hibernating":
        assert "Hibernating" in card
        assert "until spring" in card
