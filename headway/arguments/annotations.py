"""What annotations say: choices, members of dataclasses and models, and defaults as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from datetime import date, datetime, time
from enum import Enum
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import quote

from headway.files.upload import Upload

ABSENT: Any = object()  # no default, or one that JSON cannot express
# A time of day, also without a zone, for which JSON Schema has no format.
TIME_PATTERN = (
    r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,6})?)?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?"
)


class Email(str):
    """A text that is an email address, as the annotation of a task's argument."""


@dataclass(frozen=True)
class Argument:
    """An argument of a task, or a member of one that is a dataclass or a pydantic model.

    `default` is a JSON value, or ABSENT.
    """

    name: str
    hint: Any
    is_required: bool
    default: Any = ABSENT
    help: str = ""


@dataclass(frozen=True)
class Example:
    """A small text file as an example of what an argument takes: its form shows and offers it.

    `source: Annotated[Upload, Example("people.csv", "Name,Email\\nAda,ada@example.com\\n")]`.
    """

    name: str
    text: str

    @property
    def address(self) -> str:
        """A `data:` address of the file."""
        return f"data:text/plain;charset=utf-8,{quote(self.text)}"


def example_of(hint: Any) -> Example | None:
    """Return the example in an annotation, None for one without."""
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((each for each in notes if isinstance(each, Example)), None)


def bare(hint: Any) -> Any:
    """Return an annotation without what `Annotated` adds."""
    return bare(get_args(hint)[0]) if get_origin(hint) is Annotated else hint


def without_none(hint: Any) -> tuple[Any, bool]:
    """Return an optional annotation without its None, and whether it had one."""
    known = bare(hint)
    if get_origin(known) not in (Union, UnionType):
        return hint, False
    others = [each for each in get_args(known) if each is not NoneType]
    has_none = len(others) < len(get_args(known))
    return (others[0] if has_none and len(others) == 1 else hint), has_none


def choices(hint: Any) -> list[tuple[Any, Any]] | None:
    """Return the choices of a Literal or an Enum as JSON and in Python; None for other types.

    Members of an Enum go by their values, or by their names where a value is no text or number.
    """
    if get_origin(hint) is Literal:
        return [(each, each) for each in get_args(hint)]
    if not (isinstance(hint, type) and issubclass(hint, Enum)):
        return None
    members = list(hint)
    values = [member.value for member in members]
    are_plain = all(type(value) in (str, int) for value in values)
    names = values if are_plain else [member.name for member in members]
    return list(zip(names, members, strict=True))


def is_record(kind: Any) -> bool:
    """Whether a type is a dataclass or a pydantic model."""
    return isinstance(kind, type) and (is_dataclass(kind) or is_model(kind))


def members_of(kind: Any) -> list[Argument]:
    """Return the members of a dataclass or a pydantic model, as its maker takes them."""
    if is_model(kind):
        return [_of_model(name, each) for name, each in kind.model_fields.items()]
    try:
        hints = get_type_hints(kind, include_extras=True)
    except Exception:  # it may be any expression
        hints = {}
    return [_of_field(each, hints.get(each.name, Any)) for each in fields(kind) if each.init]


def or_none(hint: Any, default: Any) -> Any:
    """Return an annotation that allows its default, as in `color: Color = None`."""
    return hint if default is not None or hint is Any else hint | None


def as_json(value: Any) -> Any:
    """Return a Python value as the JSON that `converted` makes it of.

    Raises TypeError where JSON has no word for it.
    """
    if isinstance(value, Enum):
        return _choice_of(value)
    if value is None or type(value) in (str, int, bool):
        return value
    if isinstance(value, Email | Upload):
        return value.id if isinstance(value, Upload) else str(value)
    if type(value) is float and isfinite(value):
        return value
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [as_json(each) for each in value]
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return {name: as_json(each) for name, each in value.items()}
    if hasattr(value, "model_dump"):
        return _dumped(value)
    if is_dataclass(value) and not isinstance(value, type):
        return as_json(asdict(value))
    raise TypeError(f"{type(value).__name__} is not JSON.")


def _choice_of(value: Enum) -> Any:
    for plain, member in choices(type(value)) or ():
        if member is value:
            return plain
    raise TypeError(f"{value!r} is no single one of its kind.")  # flags that are combined


def as_default(value: Any) -> Any:
    """Return a default as JSON, or ABSENT.

    A moment without a zone has none: as a value it would need one.
    """
    if isinstance(value, datetime) and value.tzinfo is None:
        return ABSENT
    try:
        return as_json(value)
    except TypeError:
        return ABSENT


def is_model(kind: Any) -> bool:
    """Whether a type is a pydantic model: the library does without pydantic itself."""
    return hasattr(kind, "model_validate_json") and hasattr(kind, "model_fields")


def _of_model(name: str, field: Any) -> Argument:
    is_required = field.is_required()
    known = ABSENT if is_required else as_default(field.get_default(call_default_factory=True))
    text = field.description or ""
    return Argument(_name_of(name, field), field.annotation, is_required, known, text)


def _name_of(name: str, field: Any) -> str:
    """Return the name by which a pydantic model takes a field; it may know others besides."""
    own = field.validation_alias
    return own if isinstance(own, str) else field.alias or name


def _dumped(model: Any) -> dict[str, Any]:
    """Return a pydantic model as the JSON that it takes."""
    plain = model.model_dump(mode="json")
    return {
        _name_of(name, field): _dumped(value)
        if hasattr(value := getattr(model, name), "model_dump")
        else plain[name]
        for name, field in type(model).model_fields.items()
    }


def _of_field(field: Any, hint: Any) -> Argument:
    if field.default is not MISSING:
        known = as_default(field.default)
        return Argument(field.name, or_none(hint, field.default), False, known)
    if field.default_factory is not MISSING:
        return Argument(field.name, hint, False, as_default(field.default_factory()))
    return Argument(field.name, hint, True)
