"""Annotations as JSON Schema, and back: so a program without a task's code can check an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, make_dataclass
from datetime import date, datetime, time
from keyword import iskeyword
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from headway.arguments.annotations import (
    ABSENT,
    TIME_PATTERN,
    Argument,
    Email,
    bare,
    choices,
    is_record,
    members_of,
)

Schema = dict[str, Any]

SCALARS: Mapping[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    Email: {"type": "string", "format": "email"},
    date: {"type": "string", "format": "date"},
    datetime: {"type": "string", "format": "date-time"},
    time: {"type": "string", "pattern": f"^{TIME_PATTERN}$"},
    NoneType: {"type": "null"},
    None: {"type": "null"},
    Any: {},
}


def no_schema(hint: Any) -> Schema:
    """Raise TypeError for a type that has no schema."""
    raise TypeError(f"{hint!r} is no type of an answer: take a dataclass or a pydantic model.")


def schema_of(hint: Any, of_other: Callable[[Any], Schema] = no_schema) -> Schema:
    """Return the JSON Schema of an annotation; of a type that has none here, what `of_other` says.

    By default that raises TypeError.
    """
    known = bare(hint)
    kind = get_origin(known) or known
    inner = get_args(known)
    if kind in (Union, UnionType):
        return {"anyOf": [schema_of(each, of_other) for each in inner]}
    if (of := choices(known)) is not None:
        return {"enum": [plain for plain, _ in of]}
    if kind in (list, Sequence):
        return {"type": "array", "items": schema_of(inner[0] if inner else Any, of_other)}
    if kind in (dict, Mapping):
        of_values = schema_of(inner[1] if inner else Any, of_other)
        return {"type": "object", "additionalProperties": of_values}
    if is_record(kind):
        return schema_of_members(members_of(kind), of_other)
    if (kind is Any or kind is None or isinstance(kind, type)) and kind in SCALARS:
        return dict(SCALARS[kind])
    return of_other(known)


def hint_of(schema: Any) -> Any:
    """Return the annotation of a schema that `schema_of` has made, Any for what it did not make."""
    for kind, known in SCALARS.items():
        if schema == known:
            return kind
    match schema:
        case {"enum": [_, *_] as values}:
            return Literal[tuple(values)]
        case {"anyOf": [_, *_] as several}:
            return Union[tuple(map(hint_of, several))]  # noqa: UP007 - of types made here
        case {"type": "array", "items": items}:
            return list[hint_of(items)]  # type: ignore[misc]
        case {"type": "object", "properties": dict() as members}:
            return _record_of(members, schema.get("required", []))
        case {"type": "object", "additionalProperties": values}:
            return dict[str, hint_of(values)]  # type: ignore[misc]
    return Any


def schema_of_members(
    members: Sequence[Argument], of_other: Callable[[Any], Schema] = no_schema
) -> Schema:
    """Return the JSON Schema of an object with these members. Raises TypeError."""
    for each in members:
        if not each.name.isidentifier() or iskeyword(each.name):
            raise TypeError(f"An answer cannot have a member named {each.name!r}.")
    return {
        "type": "object",
        "properties": {each.name: _schema_of_member(each, of_other) for each in members},
        "required": [each.name for each in members if each.is_required],
        "additionalProperties": False,
    }


def _schema_of_member(member: Argument, of_other: Callable[[Any], Schema]) -> Schema:
    told = {"description": member.help} if member.help else {}
    default = {} if member.default is ABSENT else {"default": member.default}
    return {**schema_of(member.hint, of_other), **told, **default}


def _record_of(members: Mapping[str, Schema], required: Sequence[str]) -> Any:
    fields = []
    for name, schema in members.items():
        plain = {key: schema[key] for key in schema.keys() - {"description", "default"}}
        made: Any = {} if name in required else {"default_factory": _default_of(schema)}
        fields.append((name, hint_of(plain), field(kw_only=True, **made)))
    return make_dataclass("Answer", fields)


def _default_of(schema: Schema) -> Callable[[], Any]:
    # `ABSENT` is no JSON, so a form shows no default for it.
    return lambda: schema.get("default", ABSENT)
