"""The types of tasks' arguments: which JSON values fit them, and what these become in the worker.

What does not fit is reported by its path, "" for the value itself: "customer.age", "rows.0".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import Enum
from inspect import formatannotation
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from headway.arguments.annotations import (
    TIME_PATTERN,
    Email,
    bare,
    choices,
    is_model,
    is_record,
    members_of,
    without_none,
)
from headway.display.languages import Sentence
from headway.files.upload import Upload, is_upload_id, upload_of

# What a browser's <input type="email"> takes, by the HTML standard.
EMAIL = re.compile(
    r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*"
)
MAX_EMAIL = 254  # characters
# What the schemas say; Python reads "20261129", "2026-W48-7", "2026-11-29T08+01" and "T1430" too.
DATE = re.compile(r"\d{4}-\d\d-\d\d")
RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)
TIME = re.compile(TIME_PATTERN)
MISSING_ARGUMENT = Sentence("Is missing.")
UNKNOWN_ARGUMENT = Sentence("No such argument.")

Wrong = dict[str, str]


def wrong_with(value: Any, hint: Any) -> Wrong:
    """Return why a JSON value does not fit an annotation, by path; {} where it does."""
    known = bare(hint)
    kind = get_origin(known) or known
    inner = get_args(known)
    if kind in (Union, UnionType):
        return _wrong_with_union(value, hint, inner)
    if (of := choices(known)) is not None:
        says = Sentence("Must be one of: {choices}.", choices=_listed(of))
        return {} if _chosen(value, of) else {"": says}
    if kind in (list, Sequence):
        return _wrong_with_list(value, inner)
    if kind in (dict, Mapping):
        return _wrong_with_object(value, inner)
    if is_record(kind):
        return _wrong_with_record(value, kind)
    scalar = SCALARS.get(kind) if kind is None or isinstance(kind, type) else None
    return {} if scalar is None or scalar.takes(value) else {"": scalar.says}


def converted(value: Any, hint: Any) -> Any:
    """Return what a JSON value that fits an annotation is in Python.

    A value that does not fit is returned as it is: it may be of the type already.
    """
    known = bare(hint)
    if not is_converted(known) or wrong_with(value, hint):
        return value
    kind = get_origin(known) or known
    inner = get_args(known)
    if kind in (Union, UnionType):
        return converted(value, next(each for each in inner if not wrong_with(value, each)))
    if (of := choices(known)) is not None:
        return _chosen(value, of)[0]
    if kind in (list, Sequence):
        return [converted(each, inner[0]) for each in value]
    if kind in (dict, Mapping):
        return {name: converted(each, inner[1]) for name, each in value.items()}
    return _record_of(value, kind) if is_record(kind) else SCALARS[kind].read(value)


def is_converted(hint: Any) -> bool:
    """Whether an argument with this annotation is something else in Python than in JSON."""
    known = bare(hint)
    kind = get_origin(known) or known
    if is_record(kind) or kind in (date, datetime, time, Email, Upload):
        return True
    if isinstance(kind, type) and issubclass(kind, Enum):
        return True
    return kind is not Literal and any(is_converted(each) for each in get_args(known))


@dataclass(frozen=True)
class _Scalar:
    says: str
    takes: Callable[[Any], bool]
    read: Callable[[Any], Any] = lambda value: value


def _reads(read: Callable[[str], Any]) -> Callable[[Any], bool]:
    def takes(value: Any) -> bool:
        try:
            read(value)
        except (TypeError, ValueError):
            return False
        return True

    return takes


def _date(text: str) -> date:
    if not DATE.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)


def _datetime(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError(text)
    return found


def _time(text: str) -> time:
    if not TIME.fullmatch(text):
        raise ValueError(text)
    return time.fromisoformat(text)


def _is_datetime(value: Any) -> bool:
    return isinstance(value, str) and bool(RFC_3339.fullmatch(value)) and _reads(_datetime)(value)


def _is_email(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_EMAIL and bool(EMAIL.fullmatch(value))


SCALARS: Mapping[Any, _Scalar] = {
    str: _Scalar(Sentence("Must be text."), lambda value: isinstance(value, str)),
    int: _Scalar(Sentence("Must be a whole number."), lambda value: type(value) is int),
    float: _Scalar(Sentence("Must be a number."), lambda value: type(value) in (int, float)),
    bool: _Scalar(Sentence("Must be true or false."), lambda value: isinstance(value, bool)),
    date: _Scalar(Sentence("Must be a date: 2026-11-29."), _reads(_date), _date),
    datetime: _Scalar(
        Sentence("Must be a time with its zone: 2026-11-22T08:00:00Z."),
        _is_datetime,
        _datetime,
    ),
    time: _Scalar(Sentence("Must be a time of day: 14:30."), _reads(_time), _time),
    Email: _Scalar(Sentence("Must be an email address: ada@example.com."), _is_email, Email),
    Upload: _Scalar(Sentence("Must be the id of an upload."), is_upload_id, upload_of),
    None: _Scalar(Sentence("Must be null."), lambda value: value is None),
    NoneType: _Scalar(Sentence("Must be null."), lambda value: value is None),
}


def _chosen(value: Any, of: list[tuple[Any, Any]]) -> list[Any]:
    """Return the one choice that a JSON value stands for, in Python, or []."""
    return [member for plain, member in of if plain == value and type(plain) is type(value)][:1]


def _listed(of: list[tuple[Any, Any]]) -> str:
    return ", ".join(plain if isinstance(plain, str) else json.dumps(plain) for plain, _ in of)


def _wrong_with_union(value: Any, hint: Any, inner: tuple[Any, ...]) -> Wrong:
    found = [wrong_with(value, each) for each in inner]
    if not all(found):
        return {}
    only, has_none = without_none(hint)
    if has_none and only is not hint:
        return wrong_with(value, only)
    return {"": Sentence("Must be of type {type}.", type=formatannotation(bare(hint)))}


def _wrong_with_list(value: Any, inner: tuple[Any, ...]) -> Wrong:
    if not isinstance(value, list):
        return {"": Sentence("Must be a list.")}
    return below((str(i), wrong_with(each, inner[0])) for i, each in enumerate(value) if inner)


def _wrong_with_object(value: Any, inner: tuple[Any, ...]) -> Wrong:
    if not isinstance(value, dict):
        return {"": Sentence("Must be an object.")}
    return below((name, wrong_with(each, inner[1])) for name, each in value.items() if inner)


def _wrong_with_record(value: Any, kind: Any) -> Wrong:
    """Return what is wrong with an object; what its maker says, where each member is right."""
    if not isinstance(value, dict):
        return {"": Sentence("Must be an object.")}
    members = {each.name: each for each in members_of(kind)}
    found: Wrong = {
        name: MISSING_ARGUMENT
        for name, each in members.items()
        if each.is_required and name not in value
    }
    found |= dict.fromkeys(value.keys() - members.keys(), UNKNOWN_ARGUMENT)
    known = {name: each for name, each in value.items() if name in members}
    found |= below((name, wrong_with(each, members[name].hint)) for name, each in known.items())
    return found or _wrong_by_maker(value, kind)


def _wrong_by_maker(value: Any, kind: Any) -> Wrong:
    try:
        _record_of(value, kind)
    except Exception as error:  # a dataclass's own `__post_init__` may raise anything
        if is_model(kind) and hasattr(error, "errors"):
            return {
                ".".join(map(str, each["loc"])): f"{each['msg'].rstrip('.')}."
                for each in error.errors()
            }
        return {"": str(error) or type(error).__name__}
    return {}


def below(found: Iterable[tuple[str, Wrong]]) -> Wrong:
    """Return what is wrong with parts, given by name, by path from the whole."""
    return {
        f"{name}.{path}" if path else name: why
        for name, wrong in found
        for path, why in wrong.items()
    }


def _record_of(value: Any, kind: Any) -> Any:
    if is_model(kind):
        return kind.model_validate_json(json.dumps(value))
    members = {each.name: each.hint for each in members_of(kind)}
    return kind(**{name: converted(each, members[name]) for name, each in value.items()})


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
