"""Half a surrogate pair, which JSON can say and UTF-8 cannot, at each endpoint that takes JSON."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from headway.strict_json import parse_or_text
from headway.web.handlers import guarded

HALVES = [r'"\ud800"', r'"\udfff and more"', '"\udc80"', r'["\udbff\udbff"]', r'{"\ud83d": 1}']
ENDPOINTS = [
    ("/tasks", '{"name": %s}'),
    ("/tasks", '{"name": "send_async_email", "args": {"email": %s}}'),
    ("/tasks", '{"name": "long_task", "eta": %s}'),
    ("/tasks/batch", '{"action": "cancel", "task_ids": [%s]}'),
    ("/tasks/batch", '{"action": %s, "task_ids": []}'),
    ("/tasks/{task_id}/answer", '{"question_id": %s, "value": 1}'),
    ("/tasks/{task_id}/answer", '{"question_id": "x", "value": %s}'),
    ("/tasks/{task_id}/schedule", '{"eta": %s}'),
    ("/tasks/{task_id}/retry", '{"args": {"x": %s}}'),
    ("/tasks/{task_id}/share", '{"expires_in": %s}'),
    ("/push", '{"endpoint": %s, "keys": {}}'),
]


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize(("path", "body"), ENDPOINTS)
def test_half_a_character_is_a_bad_request(client: FlaskClient, path: str, body: str, half: str):
    task_id = client.post("/longtask").get_json()["task_id"]
    data = (body % half).encode("utf-8", "surrogatepass")

    answer = client.post(path.format(task_id=task_id), data=data, content_type="application/json")

    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "bad_json")


@pytest.mark.parametrize("half", HALVES)
def test_a_field_for_json_takes_it_for_a_text_as_it_was_typed(half: str):
    assert parse_or_text(half) == half


def test_a_websockets_call_with_it_is_answered():
    def handler(_: str, payload: dict[str, Any]) -> dict[str, Any]:
        return {"stored": payload["name"].encode()}

    answer = guarded(handler)("a socket", {"name": "\ud800"})

    assert answer["error"]["code"] == "bad_payload"
