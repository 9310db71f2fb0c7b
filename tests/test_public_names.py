"""What an app that is built on Headway has from its public names."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Blueprint, Flask, session

from app.extensions import headway
from app.tasks.mail import send_async_email
from headway import Headway
from headway.store.records import Records
from headway.views import APIError, guard, protect
from headway.web.requests.limiting import KINDS


def test_a_task_is_sent_to_its_queue_by_whatever_sends_it(app: Flask, records: Records):
    with app.app_context():
        send_async_email.delay({"to": "ada@example.test", "subject": "Hello", "body": "..."})

    assert records.client.llen("mail") == 1
    assert records.client.llen("celery") == 0


def test_a_start_in_a_request_is_the_visitors(app: Flask):
    with app.test_request_context():
        started = headway.start("long_task")
        visitor = session["visitor"]
    with app.app_context():
        of_nobody = headway.start("long_task")
        owners = {task["task_id"]: owner for owner, task in headway.every_task()}

    assert owners == {started.task_id: visitor, of_nobody.task_id: ""}


def test_a_rerun_has_the_same_arguments_and_its_own_owner(app: Flask):
    with app.app_context():
        first = headway.start("send_async_email", {"email": "ada@example.test"}, owner="ada")
        again = headway.rerun(first.task_id, owner="bob", key="once")
        assert headway.rerun(first.task_id, owner="bob", key="once").task_id == again.task_id
        titles = {task["title"] for _, task in headway.every_task()}

    assert again.task_id != first.task_id
    assert titles == {"E-mail to ada@example.test"}


def test_a_projects_keys_lie_beside_the_records(app: Flask, records: Records):
    with app.app_context():
        headway.redis.set("project:note", "1")

    assert records.client.get("project:note") == "1"


def test_a_guarded_view_of_a_protected_app_answers_as_headways_do(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "error.html").write_text("{{ code }} {{ message }}")
    own = Flask("own", template_folder=str(tmp_path))
    own.secret_key = "a secret for the tests"
    monkeypatch.setitem(KINDS, "orders.order", "reads")  # undone afterwards
    orders = Blueprint("orders", "orders")
    guard(orders, {"order": "changes"})

    @orders.post("/orders")
    def order() -> str:
        raise APIError(409, "sold_out", "It is sold out.")

    Headway().init_app(own, celery=app.extensions["headway"].celery)
    own.register_blueprint(orders)
    protect(own)
    client = own.test_client()

    refused = client.post("/orders", headers={"Accept": "application/json"})
    foreign = client.post("/orders", headers={"Sec-Fetch-Site": "cross-site"})
    page = client.get("/nowhere", headers={"Accept": "text/html"})

    assert KINDS["orders.order"] == "changes"
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (409, "sold_out")
    assert foreign.status_code == 403
    assert page.get_data(as_text=True).startswith("404 ")
    for answer in (refused, foreign, page):
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
