"""What a start of each kind of task holds, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from headway.arguments.json_schema import Schema, schema_of_members
from headway.files.upload import UPLOAD_ID, Upload
from headway.registry import TASK_TYPES, TaskType
from headway.web.api.bounds import Matching


class OfAKind:
    """A start of a task that there is, with the arguments that it takes.

    What a project's own `validate` refuses besides, no document can tell.
    """

    @property
    def schema(self) -> Schema:
        """The bound as JSON Schema, of the kinds that are known by now."""
        return {"anyOf": [_start_of(TASK_TYPES[name]) for name in sorted(TASK_TYPES)]}


def _start_of(kind: TaskType) -> Schema:
    args = _arguments_of(kind)
    return {
        "properties": {"name": {"const": kind.name}, "args": args},
        "required": ["name", "args"] if args.get("required") else ["name"],
    }


def _arguments_of(kind: TaskType) -> Schema:
    if kind.arguments is None:
        return {"type": "object"}
    members = [each for each in kind.arguments if each.name != kind.call.options]
    try:
        described = schema_of_members(members, _other)
    except (TypeError, RecursionError):  # a record that cannot be described, or is its own member
        return {"type": "object"}
    return {**described, "additionalProperties": bool(kind.call.options)}


def _other(hint: Any) -> Schema:
    """Return the schema of a type that no answer has: such arguments are not checked."""
    return {"type": "string", **Matching(UPLOAD_ID).schema} if hint is Upload else {}
