"""`GET /openapi.json`: the JSON routes for programs that read OpenAPI 3.1."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from types import UnionType
from typing import (
    Annotated,
    Any,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from flask import Blueprint, Flask, current_app, jsonify, request
from flask.typing import ResponseReturnValue

from headway.arguments.annotations import bare
from headway.arguments.json_schema import Schema, schema_of
from headway.web.api.bounds import bounds_of
from headway.web.api.operations import OPERATIONS, Operation
from headway.web.api.payloads import Refused
from headway.web.requests.errors import handle_errors
from headway.web.requests.security import guard

openapi = Blueprint("headway_openapi", __name__)
handle_errors(openapi)
guard(openapi)

# An app's paths as they are described, made once: that takes as long as ten requests for a status.
EXTENSION = "headway_openapi"
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
# Statuses with which any route may refuse, one whose path has a parameter, and one with a body.
EVERYWHERE = frozenset({429, 503})
WITH_PARAMETER = frozenset({404})
WITH_BODY = frozenset({413})
# And one with a query, which may be too long: that answer has no body.
WITH_QUERY = frozenset({414})


@openapi.get("/openapi.json")
def show() -> ResponseReturnValue:
    """Answer with the OpenAPI document of the JSON routes."""
    cookie = current_app.session_interface.get_cookie_name(current_app)
    return jsonify(document(current_app, request.script_root, cookie))


def document(app: Flask, root: str = "", cookie: str = "session") -> dict[str, Any]:
    """Return the OpenAPI document of an app that is mounted at `root`.

    `cookie` is the name of the one that visitors are known by.
    """
    security = {
        "visitor": {"type": "apiKey", "in": "cookie", "name": cookie},
        "token": {"type": "http", "scheme": "bearer"},
    }
    if EXTENSION not in app.extensions:
        app.extensions[EXTENSION] = _described_paths(app)
    paths, shapes = app.extensions[EXTENSION]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Headway", "version": "1", "description": "Tasks, live."},
        "servers": [{"url": root or "/"}],
        "security": [{}, *({name: []} for name in security)],
        "paths": paths,
        "components": {"schemas": shapes.named, "securitySchemes": security},
    }


def _described_paths(app: Flask) -> tuple[dict[str, dict[str, Any]], Shapes]:
    """Return the paths of an app, and the shapes that these name."""
    shapes = Shapes()
    paths: dict[str, dict[str, Any]] = {}
    for rule, method, operation in described(app):
        refused = {*operation.refuses, *EVERYWHERE}
        refused |= WITH_PARAMETER if rule.arguments else set()
        refused |= WITH_BODY if method == "POST" or operation.body else set()
        path = PARAMETER.sub(r"{\1}", rule.rule)
        paths.setdefault(path, {})[method.lower()] = {
            **_named(rule, app.view_functions[rule.endpoint]),
            "parameters": list(_parameters(rule, operation, shapes)),
            **_request(operation, shapes),
            "responses": _responses(operation, refused, shapes),
        }
    return paths, shapes


def described(app: Flask) -> Iterator[tuple[Any, str, Operation]]:
    """Yield the rules of JSON routes, each with a method and what it does."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        for method in sorted(rule.methods or ()):
            if operation := OPERATIONS.get((rule.endpoint, method)):
                yield rule, method, operation


class Shapes:
    """Makes schemas of types; those of TypedDicts have a name, and are described once."""

    def __init__(self) -> None:
        self.named: dict[str, Schema] = {}

    def of(self, hint: Any) -> Schema:
        """Return the schema of a type, or a reference to it."""
        inner = get_args(hint)
        kind = get_origin(hint) or hint
        if is_typeddict(hint):
            return self._reference(hint)
        if kind in (NotRequired, Required):
            return self.of(inner[0])
        if kind is Annotated:
            return self._bounded(hint)
        if hint is bytes:
            return {"type": "string", "format": "binary"}
        if kind in (Union, UnionType):
            return {"anyOf": [self.of(each) for each in inner]}
        if kind is list:
            return {"type": "array", "items": self.of(inner[0])}
        if kind in (dict, Mapping) or (isinstance(kind, type) and issubclass(kind, Mapping)):
            return {"type": "object", "additionalProperties": self.of(inner[1])}
        return schema_of(hint)

    def of_body(self, hint: Any) -> Schema:
        """Return the schema of a request's body, which has no other keys than these."""
        found = self.of(hint)
        shape = bare(hint)
        if is_typeddict(shape):
            self.named[_name_of(shape)]["additionalProperties"] = False
        return found

    def _bounded(self, hint: Any) -> Schema:
        known = self.of(bare(hint))
        bounds = [bound.schema for bound in bounds_of(hint)]
        if is_typeddict(bare(hint)):
            return {"allOf": [known, *bounds]}
        return {key: value for schema in (known, *bounds) for key, value in schema.items()}

    def _reference(self, shape: Any) -> Schema:
        name = _name_of(shape)
        if name not in self.named:
            members = get_type_hints(shape, include_extras=True)
            # Of annotations that are texts a TypedDict does not see what is not required.
            optional = {key for key, hint in members.items() if get_origin(hint) is NotRequired}
            self.named[name] = {
                "type": "object",
                "description": inspect.getdoc(shape),
                "properties": {key: self.of(hint) for key, hint in members.items()},
                "required": sorted(shape.__required_keys__ - optional),
            }
        return {"$ref": f"#/components/schemas/{name}"}


def _name_of(shape: Any) -> str:
    return str(shape.__name__).removesuffix("Dict")


def _named(rule: Any, view: Any) -> dict[str, str]:
    summary, _, more = (inspect.getdoc(view) or "").partition("\n\n")
    name = rule.endpoint.removeprefix("headway").lstrip("._").replace(".", "_")
    return {"operationId": name, "summary": summary, "description": more}


def _request(operation: Operation, shapes: Shapes) -> dict[str, Any]:
    if operation.body is None:
        return {}
    # Forms may have other fields too.
    of = shapes.of_body if operation.body_type == "application/json" else shapes.of
    content = {operation.body_type: {"schema": of(operation.body)}}
    return {"requestBody": {"required": operation.needs_body, "content": content}}


def _responses(operation: Operation, refused: set[int], shapes: Shapes) -> dict[str, Any]:
    answers = operation.answers | dict.fromkeys(refused, Refused)
    answers |= dict.fromkeys(WITH_QUERY if operation.query else (), None)
    described: dict[str, Any] = {}
    for status in sorted(answers):
        described[str(status)] = {"description": HTTPStatus(status).phrase}
        if answers[status] is not None:
            content = {"application/json": {"schema": shapes.of(answers[status])}}
            described[str(status)]["content"] = content
            if operation.is_text_too and status == HTTPStatus.OK:
                content["text/plain"] = {"schema": {"type": "string"}}
    return described


def _parameters(rule: Any, operation: Operation, shapes: Shapes) -> Iterator[dict[str, Any]]:
    for name in sorted(rule.arguments):
        schema = shapes.of(operation.path.get(name, str))
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    for place, hints in (("query", operation.query), ("header", operation.headers)):
        for name, hint in hints.items():
            described = {"name": name, "in": place, "schema": shapes.of(hint)}
            yield described | ({"required": True} if get_origin(hint) is Required else {})
