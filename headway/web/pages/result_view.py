"""What a result is shown as: rows as a table, an address as a link, anything else as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from headway.display.languages import say
from headway.display.tables import Row, columns_of

ROWS_OF_PAGE = 50
MAX_CELL_CHARS = 500  # on the page
MAX_LINK_CHARS = 2000
# A cell of text that begins so is a formula to a spreadsheet.
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")  # full width


@dataclass(frozen=True)
class Page:
    """A page of a table: its cells are texts; `number` counts from 1."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    count: int  # of all rows
    number: int
    pages: int
    sort: str  # the column that it is sorted by, "" for the rows' own order
    is_descending: bool

    def order_of(self, column: str) -> str:
        """Return the `sort` that a click on a column's heading asks for."""
        is_turned = column == self.sort and not self.is_descending
        return f"-{column}" if is_turned else column

    def aria_sort(self, column: str) -> str:
        if column != self.sort:
            return "none"
        return "descending" if self.is_descending else "ascending"


def page_of(rows: Sequence[Row], sort: str, number: int, texts: Sequence[str] = ()) -> Page:
    """Return a page of a table, sorted by a column, or by `-column` from the largest down.

    The cells of the columns `texts` are put into the current language.
    """
    columns = columns_of(rows)
    is_descending = sort.startswith("-") and sort not in columns
    column = sort[1:] if is_descending else sort
    if column in columns:
        rows = sorted(rows, key=lambda row: _rank(row.get(column)), reverse=is_descending)
    else:
        column = ""
    pages = -(-len(rows) // ROWS_OF_PAGE)
    number = max(1, min(number, pages))
    shown = rows[(number - 1) * ROWS_OF_PAGE : number * ROWS_OF_PAGE]
    cells = [[_shown(row.get(name), name in texts) for name in columns] for row in shown]
    return Page(columns, cells, len(rows), number, pages, column, is_descending)


def as_csv(rows: Sequence[Row]) -> str:
    """Return rows as CSV, with a first line of columns; no text in it is a formula."""
    columns = columns_of(rows)
    text = io.StringIO()
    out = csv.writer(text)
    out.writerow([without_formula(name) for name in columns])
    out.writerows([[without_formula(row.get(name)) for name in columns] for row in rows])
    return text.getvalue()


def without_formula(value: Any) -> str:
    """Return a value as the text of a cell, which no spreadsheet takes for a formula."""
    text = _text(value)
    is_number = isinstance(value, int | float)
    return f"'{text}" if not is_number and text.startswith(FORMULA) else text


def link_of(value: Any) -> str:
    """Return a result that is an address of the web, "" for any other."""
    if not isinstance(value, str) or len(value) > MAX_LINK_CHARS or not value.isprintable():
        return ""
    try:
        parts = urlsplit(value)
    except ValueError:
        return ""
    is_web = parts.scheme in ("http", "https") and parts.hostname
    return value if is_web and " " not in value else ""


def _rank(value: Any) -> tuple[int, Any]:
    """Return a sort key: numbers first, then texts, then the rest, and nothing last."""
    if value is None:
        return 3, ""
    if isinstance(value, int | float):
        return 0, value
    return (1, value.casefold()) if isinstance(value, str) else (2, _text(value))


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shown(value: Any, is_own: bool) -> str:
    text = say(value) if is_own and isinstance(value, str) else _text(value)
    return text if len(text) <= MAX_CELL_CHARS else f"{text[:MAX_CELL_CHARS]}…"
