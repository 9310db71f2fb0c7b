"""Types of arguments that are one value in JSON: a text, a number, a date, an email address."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from types import NoneType
from typing import Any

from headway.arguments.annotations import TIME_PATTERN, Email
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


@dataclass(frozen=True)
class Scalar:
    """A type of one value: which JSON values it takes, and how they are read in Python."""

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


SCALARS: Mapping[Any, Scalar] = {
    str: Scalar(Sentence("Must be text."), lambda value: isinstance(value, str)),
    int: Scalar(Sentence("Must be a whole number."), lambda value: type(value) is int),
    float: Scalar(Sentence("Must be a number."), lambda value: type(value) in (int, float)),
    bool: Scalar(Sentence("Must be true or false."), lambda value: isinstance(value, bool)),
    date: Scalar(Sentence("Must be a date: 2026-11-29."), _reads(_date), _date),
    datetime: Scalar(
        Sentence("Must be a time with its zone: 2026-11-22T08:00:00Z."),
        _is_datetime,
        _datetime,
    ),
    time: Scalar(Sentence("Must be a time of day: 14:30."), _reads(_time), _time),
    Email: Scalar(Sentence("Must be an email address: ada@example.com."), _is_email, Email),
    Upload: Scalar(Sentence("Must be the id of an upload."), is_upload_id, upload_of),
    None: Scalar(Sentence("Must be null."), lambda value: value is None),
    NoneType: Scalar(Sentence("Must be null."), lambda value: value is None),
}
