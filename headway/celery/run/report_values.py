"""Converts what the calls of `headway.progress` are given for reports. Nothing here raises."""

from __future__ import annotations

from typing import Any

from headway.celery.run.progress_buffer import UNSET
from headway.snapshot import MAX_READ_CHARS, one_line
from headway.values import as_number, as_text


def number_of(value: Any) -> Any:
    """Return a value as a number, UNSET if it is not one."""
    number = value if value is UNSET else as_number(value)
    return UNSET if number is None else number


def status_of(value: Any) -> Any:
    """Return a status as text, "" for None, UNSET for what cannot be shown."""
    if value is UNSET:
        return UNSET
    text = "" if value is None else as_text(value, MAX_READ_CHARS)
    return UNSET if text is None else text


def name_of(value: Any) -> str:
    """Return the name of a step or loop as one line, "" for what cannot be shown."""
    return one_line(as_text(value, MAX_READ_CHARS) or "")
