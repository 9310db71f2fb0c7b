"""Converts reported values to numbers, text and JSON; what cannot be shown is left out.

Nothing here raises. Libraries have their own number types (numpy, decimal, fractions, torch) and
lazy strings (Babel, Django): these are recognised by their methods, so none of the libraries is
imported here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sized
from typing import Any

from headway import masking

MAX_NUMBER = 1e300  # below a double's largest, so that a sum of some of these is still one
MAX_CHARS = 500
MAX_DEPTH = 20
MAX_ITEMS = 1000  # of one value, nested ones included
LEFT_OUT: Any = object()
DECIMAL = re.compile(r"-?[0-9]{1,300}(\.[0-9]{1,300})?")


def as_number(value: Any) -> int | float | None:
    """Return `value` as a number in JSON and JavaScript.

    None for booleans, NaN, numbers beyond MAX_NUMBER, and text, unless it is a number's digits: a
    page that calculates with them, as the article's does, takes "5" for 5.
    """
    if type(value) in (int, float) and -MAX_NUMBER <= value <= MAX_NUMBER:  # nearly all
        return value  # type: ignore[no-any-return]
    try:
        number = _number(value)
        return number if number is not None and -MAX_NUMBER <= number <= MAX_NUMBER else None
    except Exception:  # a task's own object may raise anything
        return None


def _number(value: Any) -> int | float | None:
    if isinstance(value, int):
        return None if isinstance(value, bool) else int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        found = DECIMAL.fullmatch(value.strip())
        return found and (float(value) if found[1] else int(value))
    kind = type(value)
    if kind.__name__.startswith("bool"):  # numpy's has `__float__`
        return None
    if hasattr(kind, "__index__"):
        try:
            return int(value.__index__())
        except TypeError:  # an array of one float has the method too
            pass
    return float(value) if hasattr(kind, "__float__") else None


def as_text(value: Any, limit: int = MAX_CHARS) -> str | None:
    """Return `value` as text of at most `limit` characters, None if it has no text."""
    try:
        return None if value is None else clip(str(value), limit)
    except Exception:  # as above
        return None


def clip(text: str, limit: int = MAX_CHARS) -> str:
    """Return `text` cut to `limit` characters: with an ellipsis, and no part of a secret left."""
    # A subclass of str may hold anything else, and be as large.
    return str.__str__(text) if len(text) <= limit else masking.head(text, limit - 1) + "…"


def as_json(value: Any) -> Any:
    """Return a copy of `value` that any JSON encoder takes.

    Types that JSON lacks become a number or text, or are left out (null in a list).
    """
    plain = _Plain().copy(value, MAX_DEPTH)
    return None if plain is LEFT_OUT else plain


class _Plain:
    """Copies one value, up to MAX_ITEMS: a value that contains itself has no end."""

    def __init__(self) -> None:
        self._left = MAX_ITEMS

    def copy(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if value is None or isinstance(value, bool):
            return value
        if self._left < 0 or depth == 0:
            return "…"
        if isinstance(value, str):
            return as_text(value, MAX_CHARS)
        try:
            if isinstance(value, Mapping):
                return self._mapping(value, depth - 1)
            if isinstance(value, list | tuple | set | frozenset):
                return self._list(value, depth - 1)
        except Exception:  # as above
            return LEFT_OUT
        number = as_number(value)
        if number is not None:
            return number
        text = None if isinstance(value, int | float) else as_text(value)
        return LEFT_OUT if text is None else text

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        copied = {}
        for key, item in value.items():
            if self._left < 0:
                break
            name = as_text(key)
            plain = self.copy(item, depth)
            if name is not None and plain is not LEFT_OUT:
                copied[name] = plain
        return copied

    def _list(self, value: Any, depth: int) -> list[Any]:
        copied = []
        for item in value:
            plain = self.copy(item, depth)
            copied.append(None if plain is LEFT_OUT else plain)
            if self._left < 0:
                break
        return copied


def length_of(iterable: Any) -> float | None:
    """Return how many items an iterable has, None if that is unknown."""
    try:
        return as_number(len(iterable)) if isinstance(iterable, Sized) else None
    except Exception:  # its length may not be known yet
        return None
