"""How many tasks of a kind an owner has at a time, as `@task` says it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from string import Formatter
from typing import Any

from headway.arguments.annotations import ABSENT, as_json
from headway.arguments.signatures import BadArguments, Call, Signature
from headway.arguments.typed import MISSING_ARGUMENT
from headway.turns import Turn


class WhenOpen(StrEnum):
    """What a start does while another task with its text is open."""

    SHOW = "show"  # the open one
    QUEUE = "queue"
    LATEST = "latest"  # replaces the open one


@dataclass(frozen=True)
class Unique:
    """A format of a task's arguments, as "{customer_id}", and what tasks with one text do.

    Make it with `unique_by`. `limit` is how many of a QUEUE run at a time; `debounce` how many
    seconds the LATEST waits for a later one.
    """

    format: str
    call: Call
    defaults: Mapping[str, Any]
    when_open: WhenOpen
    limit: int
    debounce: float

    @property
    def when(self) -> str:
        """When a task that is started now begins, as `Starts.create` takes it."""
        return f"+{self.debounce * 1e6:.0f}" if self.debounce else ""

    def turn(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Turn:
        """Return how a task stands to the others of its owner.

        Raises BadArguments for an argument that is missing or does not fit the format.
        """
        digest = self.digest(name, args, kwargs)
        line = f"{self.limit} {digest}"
        if self.when_open == WhenOpen.SHOW:
            return Turn(unique=digest)
        if self.when_open == WhenOpen.QUEUE:
            return Turn(line=line)
        return Turn(digest, line, replaces=True)

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


def limits_of(
    signature: Signature, text: str, when_open: str, debounce: float, max_running: int
) -> Unique | None:
    """Return how many tasks of a function an owner has at a time; None for any number.

    Raises TypeError for what does not go together, and as `unique_by` does.
    """
    if when_open not in list(WhenOpen):
        raise TypeError(f"when_open is one of {', '.join(WhenOpen)}, not {when_open!r}.")
    mode = WhenOpen(when_open)
    if mode != WhenOpen.SHOW and not text:
        raise TypeError(f"when_open={when_open!r} needs unique=: which tasks are meant?")
    if debounce and (mode != WhenOpen.LATEST or debounce < 0):
        raise TypeError('debounce= is a number of seconds, for when_open="latest".')
    if max_running and ((text and mode != WhenOpen.QUEUE) or max_running < 0):
        raise TypeError('max_running= is a number of tasks; beside unique= for when_open="queue".')
    if not text and not max_running:
        return None
    if max_running:
        mode = WhenOpen.QUEUE
    return unique_by(text, signature, mode, max_running or 1, debounce)


def unique_by(
    text: str,
    signature: Signature,
    when_open: WhenOpen = WhenOpen.SHOW,
    limit: int = 1,
    debounce: float = 0.0,
) -> Unique:
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
        name = argument_in(field) if field is not None else None
        if "{" in spec:
            raise TypeError(f"unique={text!r} has a format within a format.")
        if name is not None and name not in known:
            raise TypeError(f"unique={text!r} names {name!r}, which is no argument of the task.")
        if name is not None and not known[name].is_required and known[name].default is ABSENT:
            raise TypeError(f"unique={text!r} names {name!r}, whose default is no JSON.")
    defaults = {each.name: each.default for each in known.values() if each.default is not ABSENT}
    return Unique(text, signature.call, defaults, when_open, limit, debounce)


def unique_of(task: Any) -> Unique | None:
    """Return what makes a Celery task's tasks unique, None where nothing does."""
    found = getattr(task, "unique", None)
    return found if isinstance(found, Unique) else None


def argument_in(field: str) -> str:
    """Return the argument that a format's field begins with: of `customer[id]`, `customer`."""
    return field.partition("[")[0].partition(".")[0]


def _piece(known: Mapping[str, Any], field: str, spec: str, conversion: str | None) -> str:
    name = argument_in(field)
    if name not in known:
        raise BadArguments({name: MISSING_ARGUMENT})
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
