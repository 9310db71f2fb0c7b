"""The types of tasks' arguments: which JSON values fit them, and what these become in the worker.

What does not fit is reported by its path, "" for the value itself: "customer.age", "rows.0".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from enum import Enum
from inspect import formatannotation
from itertools import islice
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from headway.arguments.annotations import (
    Email,
    bare,
    choices,
    is_model,
    is_record,
    members_of,
    without_none,
)
from headway.arguments.scalars import SCALARS
from headway.display.languages import Sentence
from headway.files.upload import Upload

MISSING_ARGUMENT = Sentence("Is missing.")
UNKNOWN_ARGUMENT = Sentence("No such argument.")

Wrong = dict[str, str]
MAX_WRONG = 100  # of a list's or an object's parts; a body may hold half a million


class Fit(NamedTuple):
    """A JSON value beside an annotation: why it does not fit, by path; where it does, in Python."""

    value: Any
    wrong: Wrong


FITS: Wrong = {}


def wrong_with(value: Any, hint: Any) -> Wrong:
    """Return why a JSON value does not fit an annotation, by path; {} where it does."""
    return Fitting().fit(value, hint).wrong


def converted(value: Any, hint: Any) -> Any:
    """Return what a JSON value that fits an annotation is in Python.

    A value that does not fit is returned as it is: it may be of the type already.
    """
    if not is_converted(hint):
        return value
    found = Fitting().fit(value, hint)
    return value if found.wrong else found.value


def is_converted(hint: Any) -> bool:
    """Whether an argument with this annotation is something else in Python than in JSON."""
    known = bare(hint)
    kind = get_origin(known) or known
    if is_record(kind) or kind in (date, datetime, time, Email, Upload):
        return True
    if isinstance(kind, type) and issubclass(kind, Enum):
        return True
    return kind is not Literal and any(is_converted(each) for each in get_args(known))


def _listed(of: list[tuple[Any, Any]]) -> str:
    return ", ".join(plain if isinstance(plain, str) else json.dumps(plain) for plain, _ in of)


class Fitting:
    """Fits one JSON value, and all that it holds, to annotations.

    What is a record is looked at once as each type. With a union of types that hold each other,
    a look for each way that leads to it would take as many as there are ways.
    """

    def __init__(self) -> None:
        self._records: dict[tuple[int, Any], Fit] = {}  # by the id of the value, and its type

    def fit(self, value: Any, hint: Any) -> Fit:
        known = bare(hint)
        kind = get_origin(known) or known
        inner = get_args(known)
        if kind in (Union, UnionType):
            return self._fit_union(value, hint, inner)
        if (of := choices(known)) is not None:
            return _fit_choice(value, of)
        if kind in (list, Sequence):
            return self._fit_list(value, inner)
        if kind in (dict, Mapping):
            return self._fit_object(value, inner)
        if is_record(kind):
            return self._fit_record(value, kind)
        scalar = SCALARS.get(kind) if kind is None or isinstance(kind, type) else None
        if scalar is None:
            return Fit(value, FITS)
        return Fit(scalar.read(value), FITS) if scalar.takes(value) else _unfit(value, scalar.says)

    def _fit_union(self, value: Any, hint: Any, inner: tuple[Any, ...]) -> Fit:
        tried = []
        for each in inner:
            found = self.fit(value, each)
            if not found.wrong:
                return found
            tried.append(found)
        only, has_none = without_none(hint)
        if has_none and only is not hint:
            return tried[inner.index(only)]
        of_type = formatannotation(bare(hint))
        return _unfit(value, Sentence("Must be of type {type}.", type=of_type))

    def _fit_list(self, value: Any, inner: tuple[Any, ...]) -> Fit:
        if not isinstance(value, list):
            return _unfit(value, Sentence("Must be a list."))
        if not inner:
            return Fit(value, FITS)
        found = self._fit_parts((str(i), each, inner[0]) for i, each in enumerate(value))
        return Fit(list(found.value.values()), found.wrong)

    def _fit_object(self, value: Any, inner: tuple[Any, ...]) -> Fit:
        if not isinstance(value, dict):
            return _unfit(value, Sentence("Must be an object."))
        if not inner:
            return Fit(value, FITS)
        return self._fit_parts((name, each, inner[1]) for name, each in value.items())

    def _fit_parts(self, parts: Iterable[tuple[str, Any, Any]]) -> Fit:
        """Fit parts, each with its name and its annotation; of those that do not fit the first."""
        made = {}
        wrong: Wrong = {}
        for name, each, hint in parts:
            found = self.fit(each, hint)
            made[name] = found.value
            wrong |= below([(name, found.wrong)])
            if len(wrong) >= MAX_WRONG:
                break
        return Fit(made, wrong)

    def _fit_record(self, value: Any, kind: Any) -> Fit:
        if not isinstance(value, dict):
            return _unfit(value, Sentence("Must be an object."))
        place = id(value), kind
        if place not in self._records:
            self._records[place] = self._read_record(value, kind)
        return self._records[place]

    def _read_record(self, value: dict[str, Any], kind: Any) -> Fit:
        """Return the record of an object; why not, by its maker, where each member is right."""
        members = {each.name: each for each in members_of(kind)}
        wrong: Wrong = {
            name: MISSING_ARGUMENT
            for name, each in members.items()
            if each.is_required and name not in value
        }
        unknown = islice(value.keys() - members.keys(), MAX_WRONG)
        wrong |= dict.fromkeys(unknown, UNKNOWN_ARGUMENT)
        known = ((name, value[name], each.hint) for name, each in members.items() if name in value)
        found = self._fit_parts(known)
        wrong |= found.wrong
        return Fit(value, wrong) if wrong else _made(value, found.value, kind)


def _unfit(value: Any, why: str) -> Fit:
    return Fit(value, {"": why})


def _fit_choice(value: Any, of: list[tuple[Any, Any]]) -> Fit:
    """Return the choice that a JSON value stands for, in Python."""
    for plain, member in of:
        if plain == value and type(plain) is type(value):
            return Fit(member, FITS)
    return _unfit(value, Sentence("Must be one of: {choices}.", choices=_listed(of)))


def _made(value: dict[str, Any], members: dict[str, Any], kind: Any) -> Fit:
    """Return the record that a type makes of an object, or of its members in Python."""
    try:
        if is_model(kind):
            return Fit(kind.model_validate_json(json.dumps(value)), FITS)
        return Fit(kind(**members), FITS)
    except Exception as error:  # a dataclass's own `__post_init__` may raise anything
        if is_model(kind) and hasattr(error, "errors"):
            return Fit(value, {_path(each["loc"]): _says(each) for each in error.errors()})
        return _unfit(value, str(error) or type(error).__name__)


def _path(places: Iterable[Any]) -> str:
    return ".".join(map(str, places))


def _says(error: Mapping[str, Any]) -> str:
    return f"{error['msg'].rstrip('.')}."


def below(found: Iterable[tuple[str, Wrong]]) -> Wrong:
    """Return what is wrong with parts, given by name, by path from the whole."""
    return {
        f"{name}.{path}" if path else name: why
        for name, wrong in found
        for path, why in wrong.items()
    }


def uploads_in(value: Any, hint: Any) -> Iterator[tuple[str, str]]:
    """Yield the path and the id of each upload in a JSON value that fits an annotation."""
    known = bare(hint)
    kind = get_origin(known) or known
    if kind is Upload:
        yield "", value
    elif kind in (Union, UnionType):
        fitting = (each for each in get_args(known) if not wrong_with(value, each))
        yield from uploads_in(value, next(fitting, Any))
    else:
        for name, (each, inner) in _parts(value, kind, get_args(known)).items():
            for path, upload_id in uploads_in(each, inner):
                yield f"{name}.{path}" if path else name, upload_id


def holds_upload(hint: Any) -> bool:
    """Whether a value with this annotation may hold an upload."""
    return _holds_upload(hint, set())


def _holds_upload(hint: Any, seen: set[Any]) -> bool:
    known = bare(hint)
    if known is Upload:
        return True
    if is_record(known) and known not in seen:  # it may be among its own members
        seen.add(known)
        return any(_holds_upload(each.hint, seen) for each in members_of(known))
    return get_origin(known) is not Literal and any(
        _holds_upload(each, seen) for each in get_args(known)
    )


def _parts(value: Any, kind: Any, inner: tuple[Any, ...]) -> Mapping[str, tuple[Any, Any]]:
    """Return the parts of a list or an object by name, each with its annotation."""
    if kind in (list, Sequence) and inner:
        return {str(i): (each, inner[0]) for i, each in enumerate(value)}
    if kind in (dict, Mapping) and inner:
        return {name: (each, inner[1]) for name, each in value.items()}
    if not is_record(kind):
        return {}
    hints = {each.name: each.hint for each in members_of(kind)}
    return {name: (each, hints[name]) for name, each in value.items()}
