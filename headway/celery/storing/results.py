"""Encodes a task's result in Celery's own form, with a preview of a large one for the record.

Pure: no Redis. A large result is in Redis once, within Celery's own form where that is JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import uuid4

from kombu.exceptions import EncodeError

from headway.display.tables import preview_of_rows, rows_of
from headway.shapes import Changes
from headway.snapshot import fragment

# The largest result that the snapshot has whole; a list of 50 has to fit a socket's backlog.
MAX_RESULT_BYTES = 8192
PREVIEW_CHARS = 1000

# As `snapshot.fragment`, but only for values that Celery's own encoder writes the same way.
PLAIN = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

Encode = Callable[[Any], str | bytes]


class ResultTooLarge(EncodeError):
    """A result is larger than RESULT_MAX_BYTES; Celery fails the task for it."""


class Packed(NamedTuple):
    """A result, ready to be stored."""

    meta: str | bytes  # Celery's own form
    fields: Changes  # the record's, with a preview of a large one
    whole: bytes = b""  # the JSON of a large one, unless `meta` holds it


def pack(meta: dict[str, Any], fields: Changes, encode: Encode, limit: int) -> Packed:
    """Encode Celery's `meta` of a success.

    `fields` are what `state_fields.success_fields` makes of the same value.

    Raises ResultTooLarge beyond `limit` bytes, and what `encode` raises.
    """
    result = fields["result"]
    text, is_plain = _json(result)
    if len(text) <= MAX_RESULT_BYTES:
        return Packed(_within(limit, encode(meta)), fields)
    _within(limit, text)
    shown: Changes = {**fields, "result": _preview(result, text), "result_size": len(text)}
    spliced = _splice(meta, result, text, encode) if is_plain else None
    if spliced is None:
        return Packed(_within(limit, encode(meta)), shown, text)
    encoded, start = spliced
    return Packed(_within(limit, encoded), {**shown, "result_at": start})


def _json(value: Any) -> tuple[bytes, bool]:
    """Return a value as the snapshot has it, and whether it means the same to Celery."""
    try:
        return PLAIN.encode(value).encode(), True
    except (TypeError, ValueError):  # a type that JSON lacks, NaN, half a surrogate pair
        return fragment(value).encode(), False


def _preview(result: Any, text: bytes) -> str:
    if rows := rows_of(result):
        return preview_of_rows(len(rows))
    shown = result if isinstance(result, str) else text[: 4 * PREVIEW_CHARS].decode(errors="ignore")
    return shown[: PREVIEW_CHARS - 1] + "…"


def _splice(
    meta: dict[str, Any], result: Any, text: bytes, encode: Encode
) -> tuple[bytes, int] | None:
    """Return Celery's form with `text` in the result's place, and the offset where it begins.

    None where Celery's form is not JSON.
    """
    mark = uuid4().hex
    value = meta["result"]
    if value is result:
        marked: Any = mark
    elif isinstance(value, dict) and value.get("result") is result:
        marked = {**value, "result": mark}
    else:
        return None
    encoded = encode({**meta, "result": marked})
    if not isinstance(encoded, str):  # another serializer's, or compressed
        return None
    head, found, tail = encoded.partition(f'"{mark}"')
    start = len(head.encode())
    return (b"".join((head.encode(), text, tail.encode())), start) if found else None


def _within(limit: int, encoded: str | bytes) -> str | bytes:
    if len(encoded) > limit:
        raise ResultTooLarge(
            f"The result has {len(encoded):,} bytes, and {limit:,} are allowed (RESULT_MAX_BYTES)."
        )
    return encoded
