"""Parses JSON as browsers do; Python alone would accept NaN and the infinities."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

MAX_DEPTH = 64  # of what visitors send


def parse(text: str) -> Any:
    """Return the value of a JSON text. Raises ValueError, also where it is nested too deeply."""
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("The JSON is nested too deeply.") from None


def parse_sent(data: bytes) -> Any:
    """Return the value of JSON in UTF-8 that somebody has sent, without numbers that are infinite.

    Raises ValueError where it is not JSON, RecursionError where it is nested too deeply.
    """
    return _FINITE.decode(data.decode("utf-8-sig"))


def parse_or_text(text: str) -> Any:
    """Return the value of a text that is JSON, the text itself of any other.

    A value with half a surrogate pair counts as no JSON: it could not be stored as UTF-8. Nor does
    one that is too deep.
    """
    try:
        value = parse(text)
    except ValueError:
        return text
    return value if not is_too_deep(value) and is_whole_text(value) else text


def is_too_deep(value: Any) -> bool:
    """Whether a JSON value is nested more than MAX_DEPTH levels deep.

    What looks at such a value level by level, as most code does, would end in a RecursionError.
    """
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        level = [
            part
            for each in level
            for part in (each.values() if isinstance(each, dict) else each)
            if isinstance(part, dict | list)
        ]
    return bool(level)


def is_whole_text(value: Any) -> bool:
    """Whether no text in a JSON value holds half a surrogate pair, which is no Unicode.

    JSON may say one as an escape; UTF-8 has none, so nothing can store it or send it on.
    """
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON.")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):  # "1e400"
        raise ValueError(f"{text} is too large.")
    return number


# Made once: `json.loads` makes one for each call that has options.
_DECODER = json.JSONDecoder(parse_constant=_refuse)
_FINITE = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)
