"""The OpenAPI document that is served: whole, and true of what the JSON routes answer."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from headway.extension import BLUEPRINTS
from headway.web.api.operations import OPERATIONS
from tests.answers_described import Described

# Routes that answer with pages, files or the document itself.
NOT_JSON = {
    ("headway_assets.words", "GET"),
    ("headway_assets.file", "GET"),
    ("headway_files.file", "GET"),
    ("headway_openapi.show", "GET"),
    ("headway_pages.act", "POST"),
    ("headway_pages.log_text", "GET"),
    ("headway_pages.show", "GET"),
    ("headway_push.worker", "GET"),
    ("headway_results.result_csv", "GET"),
    ("headway_token_links.follow", "POST"),
    ("headway_start.index", "GET"),
    ("headway_start.send", "POST"),
    ("headway_start.show", "GET"),
}


@pytest.fixture
def described(client: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").get_json()
    return found


def test_each_json_route_is_described_and_no_other(app: Flask):
    own = {blueprint.name for blueprint in BLUEPRINTS}
    routes = {
        (rule.endpoint, method)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint.partition(".")[0] in own
    }

    assert routes == set(OPERATIONS) | NOT_JSON
    assert not set(OPERATIONS) & NOT_JSON


def test_routes_are_described_once_for_all_places_that_an_app_is_mounted_at(
    client: FlaskClient, described: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delattr("headway.web.api.openapi.described")

    below = client.get("/openapi.json", environ_overrides={"SCRIPT_NAME": "/below"}).get_json()

    assert below == {**described, "servers": [{"url": "/below"}]}


def test_the_document_names_each_operation_once_and_says_what_it_does(described: dict[str, Any]):
    operations = [one for methods in described["paths"].values() for one in methods.values()]

    assert len(operations) == len(OPERATIONS)
    assert len({one["operationId"] for one in operations}) == len(operations)
    assert all(one["summary"].endswith(".") for one in operations)
    for one in operations:
        named = {each["name"] for each in one["parameters"] if each["in"] == "path"}
        assert ("404" in one["responses"]) >= ("task_id" in named)


def test_its_schemas_are_schemas_and_its_references_lead_somewhere(described: dict[str, Any]):
    schemas = described["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)

    assert set(references(described)) == {f"#/components/schemas/{name}" for name in schemas}


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [each for member in value.values() for each in references(member)]
    if isinstance(value, list):
        return [each for member in value for each in references(member)]
    return []


def test_a_body_as_described_starts_a_task(client: FlaskClient, described: dict[str, Any]):
    start = described["paths"]["/tasks"]["post"]
    body = {"name": "long_task", "args": {}, "countdown": 60}

    validator = Draft202012Validator(
        {**start["requestBody"]["content"]["application/json"]["schema"], **described}
    )
    assert list(validator.iter_errors(body)) == []
    assert list(validator.iter_errors({"args": {}})) != []
    assert client.post("/tasks", json=body).status_code == 202


@pytest.mark.parametrize("answer", [{"state": 5}, {"current": "much"}, {"error": {"type": "x"}}])
def test_an_answer_that_is_otherwise_would_be_seen(app: Flask, answer: dict[str, Any]):
    described = Described(app)
    validator = described.validator({"$ref": "#/components/schemas/Snapshot"})

    assert list(validator.iter_errors(answer)) != []


def test_it_names_the_cookie_that_a_visitor_is_given(
    client: FlaskClient, described: dict[str, Any]
):
    client.post("/longtask")

    named = described["components"]["securitySchemes"]["visitor"]["name"]
    assert client.get_cookie(named) is not None


def test_it_says_where_the_app_is_mounted(client: FlaskClient):
    found = client.get("/openapi.json", environ_overrides={"SCRIPT_NAME": "/shop"}).get_json()

    assert found["servers"] == [{"url": "/shop"}]
