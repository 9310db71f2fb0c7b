"""What makes a task unique: of the tasks with the same text, an owner has one open at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from string import Formatter
from typing import Any

from headway.annotations import ABSENT, as_json
from headway.signatures import BadArguments, Call, Signature


@dataclass(frozen=True)
class Unique:
    """A format of a task's arguments, as "{customer_id}"; make it with `unique_by`."""

    format: str
    call: Call
    defaults: Mapping[str, Any]

    def digest(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """Return the digest of a task's name and its text.

        Raises BadArguments for an argument that does not fit the format.
        """
        known = {**self.defaults, **self.call.joined(args, kwargs)}
        # The pieces one by one: "a-b" and "c" are not "a" and "b-c".
        pieces = [name]
        for literal, field, spec, conversion in Formatter().parse(self.format):
            pieces.append(literal)
            if field is not None:
                pieces.append(_piece(known, field, spec or "", conversion))
        return sha256(json.dumps(pieces).encode()).hexdigest()


def unique_by(text: str, signature: Signature) -> Unique:
    """Return what makes a function's tasks unique.

    Raises TypeError where the format is invalid, or names something else than arguments whose
    values are known at every start.
    """
    known = {each.name: each for each in signature.arguments}
    try:
        fields = [(field, spec or "") for _, field, spec, _ in Formatter().parse(text)]
    except ValueError as error:
        raise TypeError(f"unique={text!r} is no format: {error}.") from error
    for field, spec in fields:
        name = _name_of(field) if field is not None else None
        if "{" in spec:
            raise TypeError(f"unique={text!r} has a format within a format.")
        if name is not None and name not in known:
            raise TypeError(f"unique={text!r} names {name!r}, which is no argument of the task.")
        if name is not None and not known[name].is_required and known[name].default is ABSENT:
            raise TypeError(f"unique={text!r} names {name!r}, whose default is no JSON.")
    defaults = {each.name: each.default for each in known.values() if each.default is not ABSENT}
    return Unique(text, signature.call, defaults)


def unique_of(task: Any) -> Unique | None:
    """Return what makes a Celery task's tasks unique, None where nothing does."""
    found = getattr(task, "unique", None)
    return found if isinstance(found, Unique) else None


def _name_of(field: str) -> str:
    """Return the argument that a format's field begins with: of `customer[id]`, `customer`."""
    return field.partition("[")[0].partition(".")[0]


def _piece(known: Mapping[str, Any], field: str, spec: str, conversion: str | None) -> str:
    name = _name_of(field)
    formatter = Formatter()
    try:
        value, _ = formatter.get_field(field, (), {name: _plain(known[name])})
        if isinstance(value, dict | list) and not (spec or conversion):
            return json.dumps(value, sort_keys=True)
        return str(formatter.format_field(formatter.convert_field(value, conversion), spec))
    except Exception as error:  # an argument of any type, and a format of any kind
        why = f"Does not fit {{{field}}}, by which this task is unique."
        raise BadArguments({name: why}) from error


def _plain(value: Any) -> Any:
    """Return a value as the JSON by which a request gives it, if there is any."""
    try:
        return as_json(value)
    except TypeError:
        return value
