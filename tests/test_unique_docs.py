"""The example of docs/unique.md answers as the document says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from headway.registry import TASK_TYPES
from tests import documents

DOCUMENT = "docs/unique.md"


@pytest.fixture
def client(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    monkeypatch.setenv("REDIS_URL", redis_url)
    with documents.module_of(DOCUMENT, "shop.py") as shop:
        yield shop.app.test_client()
    del TASK_TYPES["make_invoices"]


def test_both_commands_are_answered_as_shown(client: FlaskClient):
    shown = re.findall(
        r"--json '(.*)'\nHTTP/1.1 (\d+) .*\nLocation: \S*/(\S+)(?:\nHeadway-Existing: (\S+))?",
        documents.page(DOCUMENT),
    )
    bodies, statuses, ids, existing = zip(*shown, strict=True)

    answers = [client.post("/headway/tasks", json=json.loads(body)) for body in bodies]

    assert tuple(str(each.status_code) for each in answers) == statuses
    assert tuple(each.headers.get("Headway-Existing", "") for each in answers) == existing
    made = [each.headers["Location"].rpartition("/")[2] for each in answers]
    assert (made[0] == made[1]) == (ids[0] == ids[1])


def test_another_customer_has_a_task_of_its_own(client: FlaskClient):
    def start(customer: int) -> str:
        body = {"name": "make_invoices", "args": {"customer_id": customer, "month": "May"}}
        return str(client.post("/headway/tasks", json=body).get_json()["task_id"])

    assert start(7) == start(7) != start(8)
