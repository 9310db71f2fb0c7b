"""The example of docs/unique.md answers as the document says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests import documents

DOCUMENT = "docs/unique.md"


@pytest.fixture
def client(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    monkeypatch.setenv("REDIS_URL", redis_url)
    with documents.module_of(DOCUMENT, "shop.py") as shop:
        yield shop.app.test_client()


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


@pytest.fixture
def more() -> Iterator[None]:
    with documents.module_of(DOCUMENT, "more.py"):
        yield


def test_the_other_ways_are_as_said(client: FlaskClient, more: None):
    def start(name: str, **args: Any) -> dict[str, Any]:
        answer = client.post("/headway/tasks", json={"name": name, "args": args})
        return dict(answer.get_json())

    stock = [start("update_stock", shop="Delft", count=count) for count in (1, 2)]
    index = [start("build_index", shop="Delft") for _ in range(2)]
    pictures = [start("make_thumbnail", picture=f"{number}.png") for number in range(4)]
    replaced = client.get(f"/headway/status/{index[0]['task_id']}").get_json()

    assert [each["status"] for each in stock] == ["Pending...", "Waits for its turn"]
    assert (replaced["phase"], replaced["status"]) == ("cancelled", "Replaced by a newer one")
    assert index[1]["phase"] == "scheduled"
    assert [each["queue"] for each in pictures] == ["celery", "celery", None, None]
    assert [each["queue_position"] for each in pictures[2:]] == [0, 1]


def test_another_customer_has_a_task_of_its_own(client: FlaskClient):
    def start(customer: int) -> str:
        body = {"name": "make_invoices", "args": {"customer_id": customer, "month": "May"}}
        return str(client.post("/headway/tasks", json=body).get_json()["task_id"])

    assert start(7) == start(7) != start(8)
