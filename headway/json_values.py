"""Encodes values as JSON from which the same values are read back."""

from __future__ import annotations

import json
from typing import Any

ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
CONTAINERS = (dict, list, tuple)  # all that JSON takes for one, with their subclasses


def encoded(value: Any, limit: int, what: str) -> str:
    """Return a value as JSON, from which the same value is read.

    Raises TypeError for what JSON cannot hold, ValueError for more than `limit` bytes.
    """
    try:
        _check_keys(value)
        text = ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"{what} has to be JSON: {error}") from None
    if len(text) > limit:
        raise ValueError(
            f"{what} is {len(text)} bytes as JSON, and may be {limit}: "
            "keep where the data is, not the data."
        )
    return text


def _check_keys(value: Any) -> None:
    """Refuse keys that are not text: JSON would give them back as text."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r} is not text")
        value = value.values()
    elif not isinstance(value, CONTAINERS):
        return
    for item in value:
        if isinstance(item, CONTAINERS):
            _check_keys(item)
