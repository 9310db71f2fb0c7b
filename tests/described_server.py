"""An app, and the requests that its OpenAPI document describes."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from flask import Flask
from hypothesis import assume
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from headway.questions import Asked
from headway.state import state_of
from tests.answers_described import Described
from tests.by_hand import HERE, claim
from tests.by_records import MESSAGE
from tests.from_schema import Schema, Schemas
from tests.push_service import FakeBrowser

PLACES = ("path", "query", "header")
TUS = {"Tus-Resumable": "1.0.0"}
FILE_BYTES = 5
QUESTION = Asked("q1", "go", "How?", None, schema={}, timeout=None)  # anything answers it
TASKS = ("scheduled", "cancelled", "asking")


class Request(NamedTuple):
    """The values of a request by place; None for no body."""

    path: Mapping[str, Any]
    query: Mapping[str, Any]
    header: Mapping[str, Any]
    body: Any = None


class Operation(NamedTuple):
    """An operation of the document: the schemas of its parameters by place, and of its body."""

    path: str
    method: str
    parameters: Mapping[str, Schema]
    body: Schema | None
    body_type: str
    needs_body: bool


class DescribedServer:
    """An app of which all answers are checked, and its visitor, who is an operator too."""

    def __init__(self, app: Flask) -> None:
        self.document = Described(app).document
        self.schemas = Schemas(self.document)
        self._records = state_of(app).records
        self._client = app.test_client()
        self._browser = FakeBrowser()
        app.config["HEADWAY_VISIBLE"] = lambda: True
        now = int(time.time() * 1e6)
        self._records.schedules.see("long_task", title="", rule="", now=now, following=now + 10**12)

    def operations(self) -> Iterator[Operation]:
        """Yield what the document describes."""
        for path, methods in self.document["paths"].items():
            for method, described in methods.items():
                content = described.get("requestBody", {}).get("content", {})
                [(kind, body)] = content.items() or [("", {"schema": None})]
                needs_body = described.get("requestBody", {}).get("required", False)
                parameters = {place: as_object(place, described["parameters"]) for place in PLACES}
                yield Operation(path, method, parameters, body["schema"], kind, needs_body)

    @st.composite
    @staticmethod
    def requests(
        draw: st.DrawFn, server: DescribedServer, operation: Operation, *, whole: bool = False
    ) -> Request:
        """Requests as the document describes them; the whole ones have all that they may have."""
        drawn = {
            place: draw(server.schemas.values(schema, whole=whole))
            for place, schema in operation.parameters.items()
        }
        assume(can_be_sent("header", operation.parameters["header"], drawn["header"]))
        kind = draw(st.sampled_from(TASKS))
        drawn["path"] = {name: server.existing(name, operation, kind) for name in drawn["path"]}
        has_body = operation.body and (whole or operation.needs_body or draw(st.booleans()))
        body = draw(server._bodies(operation, whole)) if has_body else None
        return as_one(operation, Request(**drawn, body=body))

    def existing(self, name: str, operation: Operation, kind: str) -> str:
        """Return a value of a path's parameter for something new; `kind` is one of TASKS."""
        if name == "task_id":
            return str(getattr(self, f"_{kind}")())
        if name == "upload_id":
            begin = {**TUS, "Upload-Length": str(FILE_BYTES)}
            return str(self._client.post("/uploads", headers=begin).get_json()["upload_id"])
        if name == "token_id":
            shared = self._client.post(f"/tasks/{self._scheduled()}/share")
            return str(shared.get_json()["token_id"])
        return "long_task" if operation.path.startswith("/schedules") else QUESTION.key

    def send(self, operation: Operation, request: Request) -> TestResponse:
        path = operation.path
        for name, value in request.path.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        return self._client.open(
            path,
            method=operation.method,
            query_string=dict(request.query),
            headers={**request.header},
            **self._content(operation, request.body),
        )

    def _content(self, operation: Operation, body: Any) -> dict[str, Any]:
        if body is None:
            return {}
        if operation.body_type == "application/json":
            return {"data": json.dumps(body), "content_type": operation.body_type}
        if operation.body_type == "multipart/form-data":
            return {"data": {"file": (io.BytesIO(body), "people.csv")}}
        return {"data": body, "content_type": operation.body_type}

    def _bodies(self, operation: Operation, whole: bool) -> st.SearchStrategy[Any]:
        if operation.body_type != "application/json" or operation.body is None:
            return st.binary(max_size=FILE_BYTES)
        return self.schemas.values(operation.body, whole=whole).map(self._with_known)

    def _with_known(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a body with what no schema can tell: a point of a curve, the id of a question."""
        said = self._browser.said
        known = {"keys": said["keys"], "question_id": QUESTION.id}
        return {**body, **{name: known[name] for name in body.keys() & known.keys()}}

    def _scheduled(self) -> str:
        later = {"name": "long_task", "countdown": 60}
        return str(self._client.post("/tasks", json=later).get_json()["task_id"])

    def _cancelled(self) -> str:
        task_id = self._scheduled()
        assert self._client.post(f"/tasks/{task_id}/cancel").status_code == 202
        return task_id

    def _asking(self) -> str:
        """Return a task that has written a stream, and asks a question."""
        task_id = self._scheduled()
        claim(self._records, task_id)
        self._records.output.write_stream(
            task_id, HERE, QUESTION.key, 0, b"text", closes=False, max_bytes=100
        )
        assert self._records.runs.ask(task_id, HERE, QUESTION, MESSAGE) == "waiting"
        return task_id


def as_one(operation: Operation, request: Request) -> Request:
    """Return a request with what a document cannot say: what an overriding method needs, and that a
    rerun has the arguments of its own task, which here takes none.
    """
    header = dict(request.header)
    if operation.path == "/tasks/{task_id}/retry" and (request.body or {}).get("args"):
        return request._replace(body={**request.body, "args": {}})
    if header.get("X-HTTP-Method-Override") == "PATCH":
        return request._replace(header={"Upload-Offset": "0", **header}, body=request.body or b"")
    if header.get("X-HTTP-Method-Override") == "DELETE":
        header.pop("Upload-Offset", None)
        return request._replace(header=header, body=None)
    return request


def as_object(place: str, described: list[dict[str, Any]]) -> Schema:
    """Return the schema of parameters as that of an object with these members."""
    parameters = [each for each in described if each["in"] == place]
    return {
        "type": "object",
        "properties": {each["name"]: each["schema"] for each in parameters},
        "required": [each["name"] for each in parameters if each.get("required")],
        "additionalProperties": place != "path",
    }


def can_be_sent(place: str, schema: Schema, values: Any) -> bool:
    """Whether these are values of parameters, whose text says that they are other ones."""
    if not isinstance(values, dict):
        return False
    if place == "path" and values.keys() != schema["properties"].keys():
        return False
    return all(
        _can_be_sent(place, schema["properties"].get(name, {}), value)
        for name, value in values.items()
    )


def _can_be_sent(place: str, schema: Schema, value: Any) -> bool:
    if schema.get("type") == "array":
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if schema.get("type") == "integer" and type(value) in (int, float):
        return True
    if not isinstance(value, str):
        return False
    if place == "header":  # a line break ends it
        return value.isascii() and (value.isprintable() or not value)
    return place == "query" or (value != "" and "/" not in value)
