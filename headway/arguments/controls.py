"""The controls of forms: which one an annotation has, and its text as JSON and back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time
from math import isfinite
from typing import Any, get_args, get_origin

from headway import strict_json
from headway.arguments.annotations import (
    ABSENT,
    Email,
    bare,
    choices,
    is_record,
    members_of,
    without_none,
)
from headway.arguments.typed import converted, is_converted
from headway.display.languages import Sentence
from headway.files.upload import Upload

CHECKBOX = "checkbox"
FILE = "file"
GROUP = "group"
JSON = "json"
LINES = "lines"
SELECT = "select"
TEXT = "text"
DATE_AND_TIME = "datetime-local"
TYPES: Mapping[Any, str] = {
    str: TEXT,
    int: "number",
    float: "decimal",
    Email: "email",
    date: "date",
    time: "time",
    datetime: DATE_AND_TIME,
    Upload: FILE,
}
_DATE = r"\d{4}-\d\d-\d\d"
_TIME = r"\d\d:\d\d(:\d\d(\.\d{1,3})?)?"
# Of any other text a browser shows nothing in these.
PICKERS: Mapping[str, re.Pattern[str]] = {
    "date": re.compile(_DATE),
    "time": re.compile(_TIME),
    DATE_AND_TIME: re.compile(f"{_DATE}T{_TIME}"),
}
ONE_LINE = frozenset({TEXT, "email", "number", "decimal"})


def control_of(hint: Any) -> str:
    """Return the control of an annotation: one of the names above."""
    only, has_none = without_none(hint)
    known = bare(only)
    if is_record(known):
        return JSON if _holds_itself(known) else GROUP
    if choices(known) is not None:
        return SELECT
    if known is bool:
        return SELECT if has_none else CHECKBOX
    if (get_origin(known) or known) in (list, Sequence):
        return LINES if _fits_a_line(get_args(known)) else JSON
    return TYPES.get(known, JSON) if isinstance(known, type) else JSON


def options_of(hint: Any) -> list[tuple[str, str]]:
    """Return the options of a select: the text of each value, and its label."""
    known = bare(without_none(hint)[0])
    if known is bool:
        return [("true", Sentence("Yes")), ("false", Sentence("No"))]
    return [(as_text(plain), as_text(plain)) for plain, _ in choices(known) or ()]


def read(text: str, hint: Any, *, is_required: bool) -> Any:
    """Return the JSON value of a control's text, ABSENT for an argument that is left out.

    A text that is not of the type is returned unchanged: the check then says what is wrong.
    """
    control = control_of(hint)
    only, has_none = without_none(hint)
    known = bare(only)
    if control == LINES:
        lines = [_scalar(line, get_args(known)[0]) for line in text.split("\n") if line.strip()]
        if not lines and (has_none or is_required):
            return None if has_none else ABSENT
        return lines
    if not (text if known is str else text.strip()):
        if has_none:
            return None
        return "" if known is str and not is_required else ABSENT
    return strict_json.parse_or_text(text) if control == JSON else _scalar(text, only)


def shown(value: Any, hint: Any) -> str | None:
    """Return a control's text for a JSON value, None if the control would change the value."""
    control = control_of(hint)
    if control == JSON:
        text = as_json_text(value)
    elif control == LINES and isinstance(value, list):
        text = "\n".join(map(as_text, value))
    elif control == DATE_AND_TIME and isinstance(value, str):
        text = _in_utc(value)
    else:
        text = "" if value is None else as_text(value)
    if "\r" in text or (control in ONE_LINE and "\n" in text):  # a browser would change them
        return None
    if text and not (PICKERS[control].fullmatch(text) if control in PICKERS else True):
        return None
    return text if _is_same(read(text, hint, is_required=False), value, hint) else None


def as_text(plain: Any) -> str:
    """Return a text itself, any other JSON value as JSON."""
    return plain if isinstance(plain, str) else json.dumps(plain)


def as_json_text(value: Any) -> str:
    """Return a JSON value as text that `strict_json.parse_or_text` reads."""
    is_plain = isinstance(value, str) and value and "\r" not in value
    if is_plain and strict_json.parse_or_text(value) == value:
        return str(value)
    indent = 2 if isinstance(value, dict | list) and len(json.dumps(value)) > 60 else None
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _holds_itself(kind: Any) -> bool:
    """Whether a record is among its own members, at any depth: its group would have no end."""
    found: list[Any] = [kind]
    for each in found:  # which grows meanwhile
        within = [bare(without_none(member.hint)[0]) for member in members_of(each)]
        if kind in within:
            return True
        found += [one for one in within if is_record(one) and one not in found]
    return False


def _fits_a_line(of: tuple[Any, ...]) -> bool:
    """Whether the items of a list can be written one a line."""
    if not of or without_none(of[0])[1]:
        return False
    return control_of(of[0]) in (*ONE_LINE, *PICKERS, SELECT, CHECKBOX)


def _scalar(text: str, hint: Any) -> Any:
    known = bare(hint)
    if known is str:
        return text
    text = text.strip()
    if known is bool:
        return {"true": True, "false": False}.get(text, text)
    if (of := choices(known)) is not None:
        return next((plain for plain, _ in of if as_text(plain) == text), text)
    if known in (int, float):
        return _number(text, is_whole=known is int)
    return _whole_time(text) if known is datetime else text


def _number(text: str, *, is_whole: bool) -> Any:
    with suppress(ValueError):
        return int(text)
    if not is_whole:
        with suppress(ValueError):
            number = float(text)
            return number if isfinite(number) else text
    return text


def _whole_time(text: str) -> str:
    """Return a time with its seconds and its zone, UTC if it names none; an invalid text as it is.

    A browser's control leaves seconds of 0 out.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    if "T" not in text:  # a date alone
        return text
    return found.isoformat() if found.tzinfo else f"{found.isoformat()}Z"


def _in_utc(text: str) -> str:
    """Return a time in UTC as the browser's control has it, an invalid text unchanged."""
    try:
        found = datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return text
    return found.isoformat(
        timespec="minutes" if not (found.second or found.microsecond) else "auto"
    )


def _is_same(one: Any, other: Any, hint: Any) -> bool:
    """Whether two JSON values are one to the task."""
    if one is ABSENT:
        return False
    if json.dumps(one) == json.dumps(other):
        return True
    return is_converted(hint) and converted(one, hint) == converted(other, hint)
