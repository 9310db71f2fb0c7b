"""Checks what the JSON routes answer in tests against the OpenAPI document."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, request
from jsonschema import Draft202012Validator

from headway.web.api.openapi import document


class Described:
    """Each answer of an app has a status and a body that its OpenAPI document describes."""

    def __init__(self, app: Flask) -> None:
        self.document = document_of(app)
        self._methods = {
            (rule.endpoint, method): self.document["paths"].get(path_of(rule.rule), {})
            for rule in app.url_map.iter_rules()
            for method in rule.methods or ()
        }
        app.after_request(self.check)

    def check(self, response: Response) -> Response:
        """Fail the test whose request is answered otherwise than is described."""
        methods = self._methods.get((request.endpoint or "", request.method), {})
        operation = methods.get(request.method.lower())
        if operation is None or not response.is_json:
            return response
        described = operation["responses"].get(str(response.status_code))
        where = f"{request.method} {request.path}: {response.status}"
        assert described is not None, f"{where} is not described"
        if "content" not in described:  # Werkzeug leaves the body out when it sends
            return response
        schema = described["content"]["application/json"]["schema"]
        wrong = list(self.validator(schema).iter_errors(response.get_json()))
        assert not wrong, f"{where}: {wrong[0].message} at {list(wrong[0].absolute_path)}"
        return response

    def validator(self, schema: dict[str, Any]) -> Draft202012Validator:
        """Return a validator for a schema of the document."""
        return Draft202012Validator({**schema, "components": self.document["components"]})


_documents: dict[frozenset[tuple[Any, ...]], dict[str, Any]] = {}


def document_of(app: Flask) -> dict[str, Any]:
    """Return an app's document; apps of the same routes have the same one."""
    routes = frozenset(
        (
            rule.rule,
            rule.endpoint,
            frozenset(rule.methods or ()),
            app.view_functions[rule.endpoint].__doc__,
        )
        for rule in app.url_map.iter_rules()
    )
    if routes not in _documents:
        _documents[routes] = document(app)
    return _documents[routes]


def path_of(rule: str) -> str:
    """Return a rule of Flask as a path of the document."""
    return rule.replace("<path:", "<").replace("<", "{").replace(">", "}")
