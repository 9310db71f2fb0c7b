"""Encodes values as JSON from which the same values are read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def encoded(value: Any, limit: int, what: str) -> str:
    """Return a value as JSON, from which the same value is read.

    Raises TypeError for what JSON cannot hold, ValueError for more than `limit` bytes.
    """
    try:
        _check_keys(value)
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
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
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r} is not text")
            _check_keys(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_keys(item)
