"""Results that are tables: lists of objects, one for each row. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MAX_COLUMNS = 100
# No other preview of a large result is as short.
PREVIEW = re.compile(r"(\d{1,9}) rows…")

Row = Mapping[str, Any]


def rows_of(value: Any) -> Sequence[Row] | None:
    """Return a result that is a list of objects as rows, None for any other."""
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        return None
    return value if 0 < len(columns_of(value)) <= MAX_COLUMNS else None


def columns_of(rows: Iterable[Row]) -> list[str]:
    """Return the keys of the rows, in the order in which they come up."""
    return list(dict.fromkeys(str(key) for row in rows for key in row))


def preview_of_rows(count: int) -> str:
    """Return what a record shows in place of a large table."""
    return f"{count} rows…"


def count_rows(result: Any, size: int | None) -> int | None:
    """Return how many rows a snapshot's result has, None for one that is no table.

    `size` is the snapshot's `result_size`.
    """
    if size is None:
        rows = rows_of(result)
        return None if rows is None else len(rows)
    preview = PREVIEW.fullmatch(result) if isinstance(result, str) else None
    return int(preview[1]) if preview else None
